"""Does a surrogate's influence predict what happens to the deep model?

    python -m studies.surrogate

adds groups of ten rows, some with right and some with wrong labels, to the training
rows of a CNN and of a language model, fine-tunes each again, and compares what that
does to the validation loss with what three surrogates say. It writes
``docs/studies/surrogate`` and resumes from the measurements it finds. The outside
reference, EK-FAC, is by kronfluence (pip install kronfluence --no-deps, and what it
names: einconv, einops, opt-einsum; with its dependencies it would change torch).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy.stats import pearsonr, spearmanr

from salutary_benchmark.experiments.experiment import Display
from studies.finetuning_runs import draw, trainer
from studies.surrogate_scores import (
    Setup,
    by_ekfac,
    by_last_layer,
    by_regression,
    of_groups,
)
from studies.writing import environment, write_study

DATA = {"cnn": "mnist", "language model": "sst2"}
N_VALIDATION = {"cnn": 500, "language model": 300}
N_GROUPS = {"cnn": 40, "language model": 16}
SEEDS = {"cnn": range(4), "language model": range(4)}
GROUP = 10
SURROGATES = {
    "regression": "logistic regression on embeddings",
    "tempered": "the same times the probability",
    "last_layer": "own last layer",
    "ekfac": "EK-FAC",
}


def setup(model: str) -> Setup:
    """Draw rows and groups."""
    drawn = draw(DATA[model], N_VALIDATION[model], 0)
    rng, n_groups = np.random.default_rng(0), N_GROUPS[model]
    groups = rng.choice(drawn.pool, (n_groups, GROUP), replace=False)
    right, n_classes = drawn.y[groups], int(drawn.y.max()) + 1
    wrong = (right + rng.integers(1, n_classes, right.shape)) % n_classes
    share = np.linspace(0, 1, n_groups)[:, None]
    place = rng.permuted(
        np.tile((np.arange(GROUP) + 0.5) / GROUP, (n_groups, 1)), axis=1
    )
    labels = np.where(place < share, right, wrong)
    return Setup(drawn.X, drawn.y, drawn.labeled, drawn.validation, groups, labels)


def measure(model: str, seed: int) -> Iterator[dict[str, Any]]:
    """Each group's effect under one seed of training, and what surrogates say of it."""
    torch.set_num_threads(1)
    given = setup(model)
    deep = _trainer(model, seed)
    X, y = given.rows(given.labeled), given.y[given.labeled]
    base = deep.fit(X, y)
    before = _loss(base, given)
    regression, chance = by_regression(base, given)
    said = {
        "regression": of_groups(regression, given),
        "tempered": of_groups(regression * chance, given),
        "last_layer": by_last_layer(base, given),
        "ekfac": by_ekfac(base, given),
    }
    for number, (rows, labels) in enumerate(
        zip(given.groups, given.labels, strict=True)
    ):
        both = np.concatenate([given.labeled, rows])
        model_after = _trainer(model, seed).fit(
            given.rows(both), np.concatenate([y, labels])
        )
        yield {
            "group": number,
            "right": float(np.mean(labels == given.y[rows])),
            "effect": before - _loss(model_after, given),
            **{name: float(scores[number]) for name, scores in said.items()},
        }


def _trainer(model: str, seed: int) -> Any:
    deep = trainer(DATA[model], seed)
    return deep.set_params(epochs=20) if model == "cnn" else deep


def _loss(model: Any, given: Setup) -> float:
    """Mean log loss of the validation rows."""
    chance = model.predict_proba(given.rows(given.validation))
    own = chance[np.arange(len(chance)), given.y[given.validation]]
    return float(-np.log(np.maximum(own, 1e-300)).mean())


@dataclass(frozen=True)
class Truth:
    """Correlations of what surrogates say with the mean effect over the seeds.

    Parameters
    ----------
    found : DataFrame
    """

    found: pd.DataFrame

    def _means(self) -> Iterator[tuple[str, pd.DataFrame]]:
        columns = ["right", "effect", *SURROGATES]
        for model, part in self.found.groupby("model", sort=False):
            yield str(model), part.groupby("group")[columns].mean()

    def frame(self) -> pd.DataFrame:
        """A row for each model and surrogate; then how repeatable the effects are."""
        rows = []
        for model, means in self._means():
            part = self.found[self.found["model"] == model]
            halves = [
                part[part["seed"] % 2 == half].groupby("group")["effect"].mean()
                for half in (0, 1)
            ]
            said = {SURROGATES[name]: means[name] for name in SURROGATES}
            said["share of right labels"] = means["right"]
            for name, scores in said.items():
                rows.append(_row(model, name, scores, means["effect"]))
            repeated = "the effect itself, half the seeds against the others"
            rows.append(_row(model, repeated, *halves))
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """What surrogates say against what happens, group by group."""
        models = list(self._means())
        figure = Figure(figsize=(9, 3 * len(models)), layout="constrained")
        panels = figure.subplots(len(models), len(SURROGATES), squeeze=False)
        for line, (model, means) in zip(panels, models, strict=True):
            for axes, (name, title) in zip(line, SURROGATES.items(), strict=True):
                points = axes.scatter(
                    means[name], means["effect"], c=means["right"], s=14, cmap="viridis"
                )
                axes.axhline(0, color="0.8", lw=0.8)
                axes.axvline(0, color="0.8", lw=0.8)
                axes.set_title(f"{model}: {title}", fontsize=8)
                axes.tick_params(labelsize=7)
            line[0].set_ylabel("fall of the loss", fontsize=8)
            figure.colorbar(points, ax=line[-1], label="right labels")
        return figure


def _row(
    model: str, name: str, scores: pd.Series[float], effect: pd.Series[float]
) -> dict[str, Any]:
    return {
        "deep model": model,
        "said by": name,
        "Pearson": f"{pearsonr(scores, effect).statistic:.2f}",
        "Spearman": f"{spearmanr(scores, effect).statistic:.2f}",
        "same sign": f"{np.mean(np.sign(scores) == np.sign(effect)):.0%}",
    }


def shown(found: pd.DataFrame) -> dict[str, Display]:
    """All groups together, and those with mostly right labels alone."""
    mostly = found[found["right"] >= 0.7]
    return {
        "All groups": Truth(found),
        "Groups with seven or more right labels": Truth(mostly),
    }


READING = f"""\
A CNN of three convolutions on MNIST (300 training rows, {N_GROUPS["cnn"]} groups,
{len(SEEDS["cnn"])} seeds of training) and all-MiniLM-L6-v2 with LoRA on SST-2 sentences
(100 rows, {N_GROUPS["language model"]} groups, {len(SEEDS["language model"])} seeds).
The effect of a group is how much the mean log loss of {N_VALIDATION["cnn"]} or
{N_VALIDATION["language model"]} validation rows falls when its ten rows are added and
the model is trained anew, mean over the seeds. Surrogates look at the model without the
group: a logistic regression on its embeddings, which is what the fine-tuner uses (C by
the validation rows); the same times the label's probability, the default rule's first
power; its own last layer in closed form (C = 1); and EK-FAC by
kronfluence {version("kronfluence")} over all that is trained. What they say of a group
is the sum over its rows, mean over the seeds. The effect of half the seeds against the
other half is the most that any of them could reach. No model stops early here, so they
are surer than they should be; wrong labels lower that, and the share of right ones goes
with a smaller fall on the CNN.

The fine-tuner's surrogate is the regression: it needs nothing of a trainer but its
embeddings, and is refitted after every ten labels and for every fold of the guard, as
given weights cannot be."""


def main() -> None:
    write_study(
        "surrogate",
        [{"model": [model], "seed": SEEDS[model]} for model in DATA],
        measure,
        shown,
        heading=(
            "How true is a surrogate's influence?",
            f"{environment()}, torch {version('torch')}.\n\n{READING}",
        ),
        jobs=2,
    )


if __name__ == "__main__":
    main()
