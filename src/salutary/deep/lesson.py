"""What a trainer is fitted on, and how it is fitted on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from salutary.deep.soft_labels import SoftRows, arguments_of
from salutary.deep.trainer import LinearProbe


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a deep model is fine-tuned on.

    Parameters
    ----------
    name : str
        The number of a round, or another name that no other lesson of the run has.
    X, y : rows and their labels
    X_val, y_val : rows and their labels, optional
        To stop early by. Without them all epochs are run.
    soft : SoftRows, optional
        Rows that are trained on as well, by soft labels.
    epochs : int, optional
        In place of the trainer's own number.
    """

    name: str
    X: Any
    y: NDArray[Any]
    X_val: Any = None
    y_val: Any = None
    soft: SoftRows | None = None
    epochs: int | None = None


FineTune = Callable[[Lesson], Any]
"""Makes a fine-tuned model."""


def with_seed(trainer: Any, rng: np.random.RandomState) -> Any:
    """A copy of a trainer; a ``random_state`` of None is set to a fixed number."""
    copy, seed = clone(trainer, safe=False), int(rng.randint(2**31))
    if hasattr(copy, "random_state") and copy.random_state is None:
        copy.random_state = seed
    return copy


def epochs_of(trainer: Any) -> int | None:
    """A trainer's number of epochs, if it has one."""
    epochs = getattr(trainer, "epochs", None)
    return int(epochs) if isinstance(epochs, Integral) else None


def fitted(trainer: Any, lesson: Lesson) -> Any:
    """A fitted copy of a trainer, which has ``predict_proba``."""
    model, held = clone(trainer, safe=False), {}
    if lesson.epochs is not None:
        model.epochs = lesson.epochs
    if lesson.X_val is not None and has_fit_parameter(trainer, "X_val"):
        held = {"X_val": lesson.X_val, "y_val": lesson.y_val}
    if not hasattr(model, "predict_proba"):
        model = LinearProbe(model)
    model.fit(lesson.X, lesson.y, **held, **arguments_of(lesson.soft))
    return model
