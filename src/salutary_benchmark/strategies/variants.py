"""Strategies made of other strategies, each to answer one question.

What are the validation rows worth to a strategy that may train on them? How much of a
gain does a weaker penalty reach without any further label?
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from sklearn.base import clone

from salutary.labeling.fitting import fit_converged
from salutary_benchmark.strategies.task import (
    Step,
    Strategy,
    Task,
    as_labeled_rows,
    fit,
    joined,
)
from salutary_benchmark.strategies.true_labels import TRUE_LABELS

WEAKER = tuple(10.0**power for power in np.arange(-3, 2.25, 0.25))
"""Values of C, 0.001 to 100, among which the validation loss chooses."""


def _with_validation(strategy: Strategy, task: Task) -> Iterator[Step]:
    """The strategy when the validation rows are labeled rows too."""
    split = task.split
    labeled = joined(split.labeled, split.validation)
    return strategy(replace(task, split=replace(split, labeled=labeled)))


def train_unshrunk(task: Task) -> Iterator[Step]:
    """Train only, under the C of `WEAKER` with the lowest validation loss.

    A strong penalty shrinks the coefficients. This is what a model of the same rows
    reaches if it undoes that by the validation rows, which salutary labels use too.
    """
    X_val, y_val = task.split.validation
    model = fit(task, task.split.labeled)
    rows = as_labeled_rows(task.split.labeled, model.classes_)
    known = np.isin(y_val, model.classes_)
    judges = as_labeled_rows((X_val[known], y_val[known]), model.classes_)
    models = []
    for C in WEAKER:
        penalized = clone(model).set_params(C=C)
        model = fit_converged(penalized, rows, model.classes_, model)
        models.append(model)
    yield Step(min(models, key=judges.mean_loss), len(rows))


VARIANTS: dict[str, Strategy] = {
    "Margin+Validation": partial(_with_validation, TRUE_LABELS["Margin"]),
    "TrainUnshrunk": train_unshrunk,
}
"""Variants by name; "+Validation" trains on the validation rows from the start."""
