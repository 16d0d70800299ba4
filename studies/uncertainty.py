"""How certain is an influence, and how overrated are rows selected by influence?

    python -m studies.uncertainty

takes influences from a validation sample and looks what a second sample, which neither
the influences nor the selection have seen, says of the same labels. It writes
``docs/studies/uncertainty``: every measurement, a summary and a picture; it resumes
from the measurements it finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale

from salutary.influence.direction import influence_direction
from salutary.influence.factored import FactoredModel, factor_model
from salutary.influence.objectives import LogLoss, log_loss
from salutary.influence.scores import InfluenceScorer
from salutary.influence.softmax import softmax_model
from salutary.influence.uncertainty import influence_errors
from salutary.labeling.batch import choose_batches
from salutary.labeling.fitting import begin
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import find_rule
from salutary.pools.arrays import ArrayPool
from studies.writing import environment, real_data, write_study

SETS = ("digits", "waveform_40", "grid_stability", "celeba_attributes")
PENALTIES = (0.02, 0.1, 1.0)
N_VALIDATION = (100, 300)
SEEDS = range(30)
N_LABELED, N_RANDOM, N_SELECTED = 300, 100, 10
RULES = ("plausible", "paper")
WIDTH = 1.96
"""Half-width, in standard errors, of intervals that should cover 95%."""


LARGEST = 12_000
"""Number of rows above which a data set is sampled down to it."""


@lru_cache(maxsize=1)
def data_set(name: str) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """One-hot encoded, standardized features, and classes."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return scale(X), y
    frame = pd.read_parquet(real_data() / f"{name}.parquet")
    if len(frame) > LARGEST:
        frame = frame.sample(LARGEST, random_state=0)
    labels = frame.pop("label")
    y = np.unique(labels, return_inverse=True)[1]
    return scale(pd.get_dummies(frame).to_numpy(np.float64)), y


def influence_of(
    factored: FactoredModel,
    X: NDArray[np.float64],
    labels: NDArray[np.intp],
    sample: LabeledRows,
) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
    """Influence of each row under its label on a sample, and the standard errors."""
    objective = LogLoss(sample.labels, sample.weight)
    direction = influence_direction(factored, sample.X, objective)
    influence, _ = InfluenceScorer(factored, direction, X.dtype)(X)
    gradient = factored.model.probability(X)
    gradient[np.arange(len(labels)), labels] -= 1
    errors = influence_errors(factored, X, gradient, sample.X, log_loss, sample.truth)
    return influence[np.arange(len(labels)), labels], errors


def measure(data: str, C: float, seed: int) -> Iterator[dict[str, float | str]]:
    """Compare what two samples say of random and of selected labels, for one draw.

    What is neither labeled nor in the first sample is the pool and the second sample,
    half each.
    """
    X, y = data_set(data)
    rng = np.random.default_rng(seed)
    labeled, first, rest = np.split(
        rng.permutation(len(y)), [N_LABELED, N_LABELED + max(N_VALIDATION)]
    )
    pool, second = np.array_split(rest, 2)

    def rows(chosen: NDArray[np.intp]) -> LabeledRows:
        return LabeledRows(X[chosen], y[chosen], np.ones(len(chosen)))

    problem = Problem(
        estimator=LogisticRegression(C=C),
        classes=np.unique(y),
        labeled=rows(labeled),
        validation=rows(first),
        folds=(),
        pool=ArrayPool.of(X[pool]),
        rule=find_rule("plausible"),
        hessian="train",
        batch_size=N_SELECTED,
    )
    snapshot, fresh = begin(problem), rows(second)
    model = softmax_model(snapshot.model)
    factored = factor_model(model, X[labeled], np.ones(N_LABELED))
    some = rng.choice(len(pool), N_RANDOM, replace=False)
    classes = rng.integers(model.n_classes, size=N_RANDOM)
    for n_validation in N_VALIDATION:
        validation = rows(first[:n_validation])
        choices = {"random": (some, classes)}
        for rule in RULES:
            ruled = replace(problem, rule=find_rule(rule))
            (best,) = choose_batches(ruled, validation, snapshot, N_SELECTED).values()
            choices[rule] = best.rows, best.labels
        for choice, (chosen, labels) in choices.items():
            of_pool = X[pool[chosen]]
            found, error = influence_of(factored, of_pool, labels, validation)
            truth, its_error = influence_of(factored, of_pool, labels, fresh)
            apart = np.abs(found - truth) / np.hypot(error, its_error)
            yield {
                "n_validation": n_validation,
                "choice": choice,
                "covered": np.mean(apart <= WIDTH),
                "z": np.mean(found / error),
                "excess": np.mean((found - truth) / error),
                "influence": found.mean(),
                "fresh_influence": truth.mean(),
            }


@dataclass(frozen=True)
class Uncertainty:
    """Coverage of random labels' intervals, and how overrated selected labels are.

    Parameters
    ----------
    found : DataFrame
        All measurements.
    """

    found: pd.DataFrame

    def means(self) -> pd.DataFrame:
        """Means over draws by data, n_validation, C and choice.

        ``kept`` is the part of the labels' influence that the second sample confirms.
        """
        keys = ["data", "n_validation", "C", "choice"]
        columns = ["covered", "z", "excess", "influence", "fresh_influence"]
        means = self.found.groupby(keys)[columns].mean()
        # A ratio of means, as the ratio of a single draw has a noisy denominator.
        means["kept"] = means["fresh_influence"] / means["influence"]
        return means

    def frame(self) -> pd.DataFrame:
        """The figures of the picture: a row for each data set, sample size and C."""
        wide = self.means().unstack("choice")
        columns = {"random: covered": wide["covered", "random"].round(3)}
        for rule in RULES:
            columns |= {
                f"{rule}: covered": wide["covered", rule].round(3),
                f"{rule}: z": wide["z", rule].round(2),
                f"{rule}: excess / se": wide["excess", rule].round(2),
                f"{rule}: fresh / found": wide["kept", rule].round(2),
            }
        return pd.DataFrame(columns).reset_index()

    def plot(self) -> Figure:
        """Coverage above, and below the part of the influence that is confirmed."""
        means = self.means()
        figure = Figure(figsize=(9, 5), layout="constrained")
        panels = figure.subplots(2, len(SETS), sharex=True, sharey="row")
        colors = {"random": "0.4", "plausible": "tab:red", "paper": "tab:orange"}
        for column, name in enumerate(SETS):
            for choice, color in colors.items():
                for n_validation, line in zip(N_VALIDATION, ("--", "-"), strict=True):
                    of_set = means.xs(
                        (name, n_validation, choice),
                        level=("data", "n_validation", "choice"),
                    )
                    label = f"{choice}, {n_validation} validation rows"
                    drawn = {"color": color, "linestyle": line, "marker": "."}
                    panels[0, column].semilogx(of_set["covered"], **drawn, label=label)
                    if choice != "random":
                        panels[1, column].semilogx(of_set["kept"], **drawn)
            panels[0, column].set_title(name, fontsize=9)
            panels[0, column].axhline(0.95, color="0.8", linewidth=0.8, zorder=0)
            panels[1, column].axhline(1, color="0.8", linewidth=0.8, zorder=0)
            panels[1, column].set_xlabel("C")
        panels[0, 0].set_ylabel("95% intervals that cover")
        panels[1, 0].set_ylabel("influence, fresh / found")
        panels[0, 0].legend(fontsize=6)
        return figure


def main() -> None:
    write_study(
        "uncertainty",
        {"data": SETS, "C": PENALTIES, "seed": SEEDS},
        measure,
        lambda found: {"Random and selected rows": Uncertainty(found)},
        heading=(
            "How sure is an influence, and how overrated are selected rows?",
            f"{N_LABELED} labeled rows; influences from 100 or 300 validation rows "
            "(found) and from a second, larger sample that nothing was chosen by "
            "(fresh); half of the other rows are that sample, half the pool, from 599 "
            "rows (digits) to 5,700 (CelebA). An interval covers when found and fresh "
            f"are at most {WIDTH} √(se² + fresh se²) apart: both samples are disjoint "
            "draws from one table, so that is exactly the variance of their difference "
            f"for a label named beforehand, such as the {N_RANDOM} random rows with "
            f"random classes. The {N_SELECTED} best rows by each rule are not named "
            "beforehand: z is their influence in standard errors, the excess what "
            "selection added to it, and fresh / found the part the fresh sample "
            f"confirms. Means over {len(SEEDS)} draws. {environment()}.",
        ),
    )


if __name__ == "__main__":
    main()
