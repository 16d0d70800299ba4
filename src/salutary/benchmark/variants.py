"""Strategies made of others, as controls of a single question.

What are the validation rows worth to those who may train on them? What of a gain is
reached by rescaling the start model's logits, or by a weaker penalty?
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from salutary.benchmark.no_labels import CONTROLS, NO_LABELS
from salutary.benchmark.splits import Part
from salutary.benchmark.task import Step, Strategy, Task, fit, joined
from salutary.benchmark.true_labels import TRUE_LABELS
from salutary.fitting import fit_converged
from salutary.influence.softmax import softmax_model
from salutary.objective import row_log_loss
from salutary.problem import LabeledRows

FACTORS = (1e-3, 1e3)
"""Between which logits are rescaled."""

WEAKER = tuple(10.0**power for power in np.arange(-3, 2.25, 0.25))
"""Values of C, .001 to 100, among which the validation loss chooses."""


def _with_validation(strategy: Strategy, task: Task) -> Iterator[Step]:
    """The strategy where the validation rows are labeled rows too."""
    split = task.split
    labeled = joined(split.labeled, split.validation)
    return strategy(replace(task, split=replace(split, labeled=labeled)))


@dataclass(frozen=True)
class Rescaled:
    """A logistic regression whose logits are multiplied by one number.

    Parameters
    ----------
    model : LogisticRegression
        Fitted.
    factor : float
        The reciprocal of what calibration calls the temperature.
    """

    model: Any
    factor: float

    @property
    def classes_(self) -> NDArray[Any]:
        return np.asarray(self.model.classes_)

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Class probabilities, shape (n_rows, n_classes)."""
        logits = softmax_model(self.model).logits(X)
        return np.asarray(softmax(self.factor * logits, axis=1))


def rescaled(model: Any, rows: Part) -> Rescaled:
    """Temperature scaling: the factor with the lowest log loss on some rows.

    Rows of classes that the model never saw are left out.
    """
    X, y = rows
    known = np.isin(y, model.classes_)
    logits = softmax_model(model).logits(X[known])
    truth = np.searchsorted(model.classes_, y[known])

    def loss(log_factor: float) -> float:
        return float(row_log_loss(np.exp(log_factor) * logits, truth).mean())

    # The loss is convex in the factor, so it has one minimum in its logarithm too.
    found = minimize_scalar(loss, bounds=np.log(FACTORS), method="bounded")
    return Rescaled(model, float(np.exp(found.x)))


def _then_rescaled(strategy: Strategy, task: Task) -> Iterator[Step]:
    """The strategy, each model's logits rescaled to fit the validation rows."""
    for step in strategy(task):
        yield replace(step, model=rescaled(step.model, task.split.validation))


def train_unshrunk(task: Task) -> Iterator[Step]:
    """The labeled rows alone under the C of `WEAKER` that suits the validation rows.

    What a model of the very same rows reaches if, as salutary labels do, it looks at
    the validation rows to undo the shrinking.
    """
    X, y = task.split.labeled
    X_val, y_val = task.split.validation
    model = fit(task, (X, y))
    rows = _weighed(X, y, model.classes_)
    known = np.isin(y_val, model.classes_)
    judges = _weighed(X_val[known], y_val[known], model.classes_)
    models = []
    for C in WEAKER:
        model = fit_converged(model.set_params(C=C), rows, model.classes_, model)
        models.append(model)
    yield Step(min(models, key=judges.mean_loss), len(y))


def _weighed(X: Any, y: NDArray[Any], classes: NDArray[Any]) -> LabeledRows:
    return LabeledRows(X, np.searchsorted(classes, y), np.ones(len(y)))


VARIANTS: dict[str, Strategy] = {
    "Random+Validation": partial(_with_validation, TRUE_LABELS["Random"]),
    "Margin+Validation": partial(_with_validation, TRUE_LABELS["Margin"]),
    "TrainRescaled": partial(_then_rescaled, CONTROLS["TrainOnly"]),
    "TrainUnshrunk": train_unshrunk,
    "Salutary-paper-rescaled": partial(_then_rescaled, NO_LABELS["Salutary-paper"]),
    "Salutary-guarded-rescaled": partial(_then_rescaled, NO_LABELS["Salutary-guarded"]),
}
"""By name: "+Validation" trains on the validation rows too before it buys labels."""
