"""May a few rows that are all right make a model certain of a whole pool?

    python -m studies.certainty

compares training on both tables with the options of the whole pool on small data sets
whose classes are nearly separable, where validation rows are few and nearly all right.
It says what each way to decide of the study of the pool's worth does there, writes
``docs/studies/certainty``, and resumes from the measurements it finds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from salutary.advice.comparison import drawn
from salutary.advice.cross_fitting import Judged, judge_fold, together
from salutary.advice.options import OPTIONS, POOL_OPTIONS, Option
from salutary.advice.task import AdviceTask
from salutary.influence.objectives import log_losses
from salutary.labeling.rows import LabeledRows
from salutary.labeling.splits import stratified_parts
from salutary.labeling.tuning import probabilities
from salutary.names import TRAIN_AND_VALIDATION, WHOLE_POOL
from salutary_benchmark.experiments.experiment import Display
from studies.worth_data import Drawn
from studies.worth_rules import Decide, lowest_by
from studies.worth_trials import REPEATS, SPLITS, row_losses, task_of
from studies.writing import environment, write_study

SETS = {"breast cancer": load_breast_cancer, "iris": load_iris, "wine": load_wine}
SEEDS = range(16)
SIZE = 100
"""Rows with a label, or half of all: half train, half validate."""

WAYS: dict[str, Decide] = {
    **{
        f"whole pool, lowest by {k:g} se": partial(
            lowest_by, errors=k, among=[WHOLE_POOL]
        )
        for k in (0, 1, 2)
    },
    **{
        f"whole pool, lowest with {m} errors more": partial(
            lowest_by, errors=0.0, among=[WHOLE_POOL], wrong=m
        )
        for m in (0.5, 1, 2, 4)
    },
}

READING = f"""\
Of each of scikit-learn's data sets, {SIZE} rows have a label (half of all rows where
they are fewer), half of them to train on and half to validate on, by class; five ninths
of the others are the pool, the rest tests. The options of the whole pool and training
on both tables are cross-fitted as `salutary advise` does, and fitted on all rows to be
judged by the test rows. Ways to decide are evaluated on the losses of the cross-fitting
([study of the pool's worth](../worth/README.md)). "Better, worse" counts draws that
differ by more than 0.001.

Nearly every row is right here, so a model that is more certain has the lower loss on
nearly every validation row, and standard errors are small: they do not see the errors
that fifty rows happen to lack. Counting two errors more does.

Measured before C of training on both tables was chosen by three splits into folds
([study](../weights/README.md)); one split did then."""


def measure(data: str, seed: int) -> Iterator[dict[str, Any]]:
    """Judge training on both tables, and the options of the whole pool."""
    rows = draw_small(data, seed)
    task, _ = drawn(task_of(rows, seed))
    names = [TRAIN_AND_VALIDATION, WHOLE_POOL]
    options = {name: {**OPTIONS, **POOL_OPTIONS}[name] for name in names}
    with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="blas"):
        warnings.simplefilter("ignore", UserWarning)
        judged = _judged(task, options)
        for name, option in options.items():
            chance = probabilities(option(task).model, rows.test.X, task.classes)
            yield {
                "option": name,
                "log_loss": float(log_losses(chance, rows.test.labels).mean()),
                "labels": float(judged[name].n_labels.mean()),
                "seen_losses": row_losses(judged[name], task.validation),
            }


def _judged(task: AdviceTask, options: dict[str, Option]) -> dict[str, Judged]:
    """Some options alone, by the cross-fitting of all."""
    rows, rng, done = task.validation, np.random.RandomState(task.seed), []
    for _ in range(REPEATS):
        for seen, held in stratified_parts(rows.labels, SPLITS, rng):
            seed = int(rng.randint(2**31))
            fold = replace(task, validation=rows.take(seen), seed=seed)
            done.append((held, judge_fold(fold, rows.take(held), options)))
    return together(done, len(rows))


def draw_small(data: str, seed: int) -> Drawn:
    """Draw rows of a small data set, scaled by those that are not for tests."""
    X, y = SETS[data](return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(y))
    labeled, rest = np.split(order, [min(SIZE, len(y) // 2)])
    labeled = labeled[np.argsort(y[labeled], kind="stable")]
    pool, test = np.split(rest, [int(len(rest) * 5 / 9)])
    scaled = StandardScaler().fit(X[np.concatenate([labeled, pool])]).transform(X)
    train, validation, pool, test = (
        LabeledRows(scaled[part], y[part].astype(np.intp), np.ones(len(part)))
        for part in (labeled[::2], labeled[1::2], pool, test)
    )
    return Drawn(train, validation, pool, test, train)


@dataclass(frozen=True)
class Decided:
    """What every way to decide does.

    Parameters
    ----------
    found : DataFrame
    """

    found: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """The mean change of the log loss against both tables, set by set."""
        rows = []
        for name, decide in WAYS.items():
            row: dict[str, Any] = {"decided by": name}
            for data, part in self.found.groupby("data", sort=False):
                change, both = self._changes(part, decide)
                better, worse = int((change < -1e-3).sum()), int((change > 1e-3).sum())
                row[str(data)] = (
                    f"{change.mean() / both:+z.1%} ± {change.sem() / both:.1%}"
                )
                row[f"{data}: better, worse"] = f"{better}, {worse} of {len(change)}"
            rows.append(row)
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Every draw's change, for every way to decide."""
        figure = Figure(figsize=(9, 4), layout="constrained")
        axes = figure.subplots()
        for color, (data, part) in enumerate(self.found.groupby("data", sort=False)):
            for place, decide in enumerate(WAYS.values()):
                change, _ = self._changes(part, decide)
                style: dict[str, Any] = {"color": f"C{color}", "alpha": 0.5}
                label = str(data) if not place else None
                places = np.full(len(change), place + 0.2 * (color - 1))
                axes.plot(change, places, "o", label=label, **style)
        axes.axvline(0, color="gray", linewidth=0.8)
        axes.set_yticks(range(len(WAYS)), WAYS, fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel("log loss less train + validation's, draw by draw")
        axes.legend()
        return figure

    @staticmethod
    def _changes(part: pd.DataFrame, decide: Decide) -> tuple[pd.Series[float], float]:
        """Changes of the log loss, draw by draw, and the mean loss of both tables."""
        changes, losses = [], []
        for _, trial in part.groupby("seed"):
            seen = trial[(trial["labels"] > 0) | (trial["option"] == _BOTH)]
            loss = trial.set_index("option")["log_loss"]
            losses.append(loss[_BOTH])
            taken = decide(seen) if len(seen) > 1 else _BOTH
            changes.append(loss[taken] - loss[_BOTH])
        return pd.Series(changes), float(np.mean(losses))


_BOTH = TRAIN_AND_VALIDATION


def shown(found: pd.DataFrame) -> dict[str, Display]:
    return {"Ways to decide": Decided(found)}


def main() -> None:
    write_study(
        "certainty",
        {"data": [*SETS], "seed": SEEDS},
        measure,
        shown,
        heading=(
            "May a few rows that are all right make a model certain?",
            f"{environment()}.\n\n{READING}",
        ),
    )


if __name__ == "__main__":
    main()
