"""Salutary labels and a whole pool: each alone, and both together.

    python -m studies.together

gives both a draw of eight data sets, with and without the validation rows among those
that are trained on, judges the models by test rows, and writes
``docs/studies/together``. It resumes from the measurements it finds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from threadpoolctl import threadpool_limits

from salutary import SalutaryClassifier, SemiSupervisedClassifier
from salutary.arrays import Float64Array, IntArray
from salutary.labeling.rows import LabeledRows
from salutary.labeling.tuning import best_C_by_cross_validation
from salutary_benchmark.experiments.experiment import Display
from studies.finetuning import Ways
from studies.paired import difference, reach
from studies.worth_data import Drawn, draw_rows
from studies.writing import environment, write_study

SETS = (
    "waveform", "mnist", "digits", "ag_news", "celeba", "wine", "bank", "electric",
)  # fmt: skip
SEEDS = range(100, 105)
"""Not those of the study of the pool's worth."""

SIZE, BUDGET, BATCH = 200, 50, 10
"""Half of the rows with a label train, half validate."""

PLAIN, LABELS = "train", "train + salutary labels"
POOL, BOTH = "train + whole pool", "train + whole pool + salutary labels"
OWN = "train + whole pool + labels by its own influence"
VALIDATION = " + validation"

PAIRS = (
    (LABELS, PLAIN),
    (POOL, PLAIN),
    (BOTH, POOL),
    (OWN, POOL),
    (POOL, LABELS),
    (LABELS + VALIDATION, PLAIN + VALIDATION),
    (POOL + VALIDATION, PLAIN + VALIDATION),
    (BOTH + VALIDATION, POOL + VALIDATION),
)

READING = f"""\
A trial is a data set and a draw: {SIZE // 2} training rows and as many validation rows,
a pool of up to 2,000, up to 4,000 to test, prepared as in the
[study of the pool's worth](../worth/README.md). "Train" is a logistic regression whose
C cross-validation chooses. "Salutary labels" are those that `SalutaryClassifier` keeps
with what it does by default, of {BUDGET} at most in rounds of {BATCH}, under that C.
"Whole pool" is `SemiSupervisedClassifier`: information maximization, all tuned by
cross-validation of the rows with a label, and no pool where that shows no gain. Its
"own influence" chooses {BUDGET} labels, {BATCH} at a time, by the influence of
`label_influence` times the probability, and is tuned and fitted anew after each ten;
nothing undoes them. Where no pool takes part, there is no such influence, and the model
stays as it is. "+ validation": the validation rows are trained on as well, C and all
settings chosen anew; the salutary labels are the same.

Differences are paired over the draws, with 95% intervals by Student's t; below zero the
first has the lower log loss on test rows.

Measured before C of training on both tables was chosen by three splits into folds
([study](../weights/README.md)); one split did then."""


def measure(data: str, seed: int) -> Iterator[dict[str, Any]]:
    """Train in every way, once."""
    rows = draw_rows(data, SIZE, 0.0, seed)
    with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="blas"):
        # Of rows that stand twice, and of classes with too few rows for a pool.
        warnings.simplefilter("ignore", UserWarning)
        for name, model in _models(rows):
            chance = model.predict_proba(rows.test.X)
            truth, classes = rows.test.labels, np.arange(chance.shape[1])
            yield {
                "trained_on": name,
                "log_loss": float(log_loss(truth, chance, labels=classes)),
                "accuracy": float(accuracy_score(truth, chance.argmax(axis=1))),
            }


def _models(rows: Drawn) -> Iterator[tuple[str, Any]]:
    train, validation, pool = rows.train, rows.validation, rows.pool.X
    X, marked = np.vstack([train.X, pool]), _marked(train.labels, len(pool))
    plain = _regression(train)
    yield PLAIN, plain
    run = SalutaryClassifier(
        clone(plain), budget=BUDGET, batch_size=BATCH, random_state=0
    ).fit(X, marked, validation.X, validation.labels)
    yield LABELS, run
    semi = _semi_supervised(X, marked)
    yield POOL, semi
    labeled = np.asarray(run.transduction_)
    yield BOTH, _semi_supervised(X, labeled)
    yield OWN, _by_own_influence(semi, X, marked, validation)
    # With the validation rows first, and the rest as it was.
    everything = np.vstack([validation.X, X])
    kept = labeled != -1
    both = _all_labeled(validation, X[kept], labeled[kept])
    people = _all_labeled(validation, train.X, train.labels)
    yield PLAIN + VALIDATION, _regression(people)
    yield LABELS + VALIDATION, _regression(both)
    for name, own in ((POOL, marked), (BOTH, labeled)):
        labels = np.concatenate([validation.labels, own])
        yield name + VALIDATION, _semi_supervised(everything, labels)


def _marked(labels: IntArray, n_pool: int) -> IntArray:
    return np.concatenate([labels, np.full(n_pool, -1)])


def _all_labeled(rows: LabeledRows, X: Float64Array, labels: IntArray) -> LabeledRows:
    joined = np.vstack([rows.X, X]), np.concatenate([rows.labels, labels])
    return LabeledRows(*joined, np.ones(len(joined[1])))


def _regression(rows: LabeledRows) -> LogisticRegression:
    C = best_C_by_cross_validation(rows, np.unique(rows.labels), seed=0)
    model = LogisticRegression(C=C, tol=1e-8, max_iter=10_000)
    return model.fit(rows.X, rows.labels)


def _semi_supervised(X: Float64Array, marked: IntArray) -> SemiSupervisedClassifier:
    return SemiSupervisedClassifier(random_state=0).fit(X, marked)


def _by_own_influence(
    semi: SemiSupervisedClassifier,
    X: Float64Array,
    marked: IntArray,
    validation: LabeledRows,
) -> SemiSupervisedClassifier:
    """Labels by the influence on the model itself, ten at a time."""
    if not semi.parameters_:
        return semi
    for _ in range(BUDGET // BATCH):
        influence = semi.label_influence(
            X, X_train=X, y_train=marked, X_val=validation.X, y_val=validation.labels
        )
        score = influence * semi.predict_proba(X)
        score[marked != -1] = -np.inf
        best = np.argsort(-score.max(axis=1))[:BATCH]
        best = best[score[best].max(axis=1) > 0]
        marked = marked.copy()
        marked[best] = score[best].argmax(axis=1)
        semi = _semi_supervised(X, marked)
        if not semi.parameters_:
            break
    return semi


@dataclass(frozen=True)
class Gains:
    """Differences in log loss between two ways to train, set by set.

    Parameters
    ----------
    found : DataFrame
    """

    found: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Mean differences with 95% intervals; below zero the first has less loss."""
        rows = []
        for one, other in PAIRS:
            row: dict[str, Any] = {"of": one, "beside": other}
            for data, part in self.found.groupby("data", sort=False):
                row[str(data)] = _paired(difference(part, one, other))
            rows.append(row)
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """The mean difference of every set, for every pair."""
        figure = Figure(figsize=(9, 5), layout="constrained")
        axes = figure.subplots()
        for color, (data, part) in enumerate(self.found.groupby("data", sort=False)):
            means = [difference(part, *pair).mean() for pair in PAIRS]
            axes.plot(means, range(len(PAIRS)), "o", color=f"C{color}", label=data)
        axes.axvline(0, color="gray", linewidth=0.8)
        names = [f"{one}\nbeside {other}" for one, other in PAIRS]
        axes.set_yticks(range(len(PAIRS)), names, fontsize=7)
        axes.invert_yaxis()
        axes.set_xlabel("mean difference in log loss on test rows")
        figure.legend(loc="outside upper right", fontsize=7)
        return figure


def _paired(found: pd.Series[float]) -> str:
    mean, width = found.mean(), reach(found)
    if len(found) < 2:
        return f"{mean:+.3f}"
    return f"{mean:+.3f} ± {width:.3f}{'*' if abs(mean) > width else ''}"


def shown(found: pd.DataFrame) -> dict[str, Display]:
    """Differences first, then every way to train."""
    return {
        "Differences": Gains(found),
        "Log loss": Ways(found, "log_loss"),
        "Accuracy": Ways(found),
    }


def main() -> None:
    write_study(
        "together",
        {"data": SETS, "seed": SEEDS},
        measure,
        shown,
        heading=(
            "Salutary labels and the whole pool, alone and together",
            f"{environment()}.\n\n{READING}",
        ),
    )


if __name__ == "__main__":
    main()
