"""Tune a semi-supervised method by cross-validation, or leave the pool alone.

The regression of the labeled rows alone is among what is chosen from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.linear_model import LogisticRegression

from salutary.arrays import Float64Array, FloatArray, IntArray
from salutary.influence.softmax import softmax_model
from salutary.labeling.guard import mean_decrease
from salutary.labeling.rows import LabeledRows
from salutary.labeling.tuning import (
    N_PARTS,
    PENALTIES,
    TUNING_TOLERANCE,
    best_C,
    cross_validation_parts,
)
from salutary.names import SemiSupervisedMethod
from salutary.semisupervised import information, self_training, spreading
from salutary.semisupervised.calibration import HeldOut, calibrate, tempered
from salutary.semisupervised.task import Method, SemiSupervisedTask, Setting, drawn

METHODS: dict[SemiSupervisedMethod, Method] = {
    "information_maximization": information.METHOD,
    "self_training": self_training.METHOD,
    "label_spreading": spreading.METHOD,
}
"""The methods by name."""

MARGIN = 1.0
"""Standard errors by which the pool must lower the loss of held-out rows to be used.

The best of many settings is partly so by chance; with a smaller margin, pools of other
rows than the labeled ones come to be used. This is the rule of one standard error, for
a difference on the same rows (Breiman, Friedman, Olshen and Stone, Classification and
Regression Trees, 1984).
"""

TUNING_POOL = 2_000
"""Number of pool rows that settings are compared with; the last fit uses them all."""


@dataclass(frozen=True)
class Candidate:
    """A setting, and how models of it do on rows that they were not fitted on.

    Parameters
    ----------
    setting : Setting
    temperature : float
        By which logits of its model are to be divided.
    losses : ndarray of shape (n_rows,)
        Log loss of each held-out row, under a temperature found without its fold.
    loss : float
        Their weighted mean, in nats.
    """

    setting: Setting
    temperature: float
    losses: Float64Array
    loss: float


@dataclass(frozen=True)
class Tuned:
    """A model, and why it is this one.

    Parameters
    ----------
    model : LogisticRegression
        Fitted on all rows, its logits divided by the temperature of ``chosen``.
    chosen : Candidate
        Its setting is a bare `Setting` if the pool is left alone.
    plain : Candidate
        The regression that knows of no pool.
    """

    model: LogisticRegression
    chosen: Candidate
    plain: Candidate


Part = tuple[SemiSupervisedTask, LabeledRows]
"""A task without some of its rows, and these rows, of classes that the others have."""


@dataclass(frozen=True, eq=False)
class Tuning:
    """What every method of a task is judged by, and judged against.

    Parameters
    ----------
    task : SemiSupervisedTask
    parts : list of Part
        Of a cross-validation; one or more.
    held : HeldOut
        The held-out rows of all parts.
    plain : Candidate
        The regression that knows of no pool, under its best C.
    """

    task: SemiSupervisedTask
    parts: list[Part]
    held: HeldOut
    plain: Candidate

    def tuned(self, method: Method) -> Tuned:
        """Choose a setting of a method, or none, and fit it on all rows.

        Along a path the pool counts more and more, beginning with not at all, so the
        path is left once the loss rises. The pool is left alone where some fold could
        not judge some class.
        """
        rare = unjudged(self.task.rows)
        found: list[Candidate] = []
        for path in [] if len(rare) else method.paths(self.plain.setting.C):
            alike = path[0].C == self.plain.setting.C
            lowest = self.plain.loss if alike else np.inf
            for candidate in judged(self.parts, self.held, method, path):
                found.append(candidate)
                if candidate.loss >= lowest:
                    break
                lowest = candidate.loss
        chosen = choose(self.plain, found, self.held.weight)
        used = PLAIN if chosen is self.plain else method
        (model,) = used.models(self.task, [chosen.setting])
        return Tuned(tempered(model, chosen.temperature), chosen, self.plain)


def begin_tuning(task: SemiSupervisedTask) -> Tuning | None:
    """Split the rows of a task, and tune the regression that knows of no pool.

    All settings are judged by the log loss after calibration, on the same rows and with
    the same 2,000 rows drawn from a larger pool.

    Parameters
    ----------
    task : SemiSupervisedTask

    Returns
    -------
    Tuning, or None if too few rows are labeled to hold any out.
    """
    parts = tuning_parts(task)
    if not parts:
        return None
    pairs = [(part.rows, held) for part, held in parts]
    held = held_out(parts)
    C, _ = best_C(pairs, task.classes, PENALTIES, task.estimator)
    plain = next(judged(parts, held, PLAIN, [Setting(C)]))
    return Tuning(task, parts, held, plain)


def tune(task: SemiSupervisedTask, method: Method) -> Tuned | None:
    """Choose a setting by cross-validation, and fit it on all rows.

    Parameters
    ----------
    task : SemiSupervisedTask
    method : Method

    Returns
    -------
    Tuned, or None if too few rows are labeled to hold any out.
    """
    tuning = begin_tuning(task)
    return None if tuning is None else tuning.tuned(method)


def choose(
    plain: Candidate, found: Sequence[Candidate], weight: FloatArray
) -> Candidate:
    """The candidate with the lowest loss, if it is below the plain one's by a margin.

    Parameters
    ----------
    plain : Candidate
    found : sequence of Candidate
        Of equal ones, the first is preferred.
    weight : ndarray of shape (n_rows,)
        Weight of each held-out row.
    """
    best = min(found, key=lambda candidate: candidate.loss, default=plain)
    fall, error = mean_decrease(plain.losses, best.losses, weight)
    return best if fall > MARGIN * error else plain


def _plain_models(
    task: SemiSupervisedTask, settings: Sequence[Setting]
) -> Iterator[LogisticRegression]:
    """Fit the labeled rows alone."""
    for setting in settings:
        yield task.plain(setting.C)


PLAIN = Method(lambda C: [[Setting(C)]], _plain_models)
"""The method that leaves the pool alone."""


def unjudged(rows: LabeledRows) -> IntArray:
    """Positions of the classes of which some fold of the cross-validation has no row.

    What the pool does to such a class, that fold cannot show. scikit-learn warns of
    them in `sklearn.model_selection.StratifiedKFold`.
    """
    labels, counts = np.unique(rows.labels, return_counts=True)
    return np.asarray(labels[counts < N_PARTS])


def tuning_parts(task: SemiSupervisedTask) -> list[Part]:
    """The task with a part of its rows held out, for each fold of a cross-validation.

    Rows of a class that no other row has are not held out, as no model could know of
    them, nor are rows that would leave one class alone.
    """
    pool = drawn(task.pool, TUNING_POOL, task.seed)
    parts = []
    for fitted, held in cross_validation_parts(task.rows, task.seed):
        held = held.take(np.flatnonzero(np.isin(held.labels, fitted.labels)))
        if len(held) and len(np.unique(fitted.labels)) > 1:
            part = replace(task, rows=fitted, pool=pool, tolerance=TUNING_TOLERANCE)
            parts.append((part, held))
    return parts


def held_out(parts: Sequence[Part]) -> HeldOut:
    """The held-out rows of all parts, one part after the other."""
    return HeldOut(
        np.concatenate([rows.labels for _, rows in parts]),
        np.concatenate([rows.weight for _, rows in parts]),
        np.repeat(np.arange(len(parts)), [len(rows) for _, rows in parts]),
    )


def judged(
    parts: Sequence[Part], held: HeldOut, method: Method, path: Sequence[Setting]
) -> Iterator[Candidate]:
    """Yield each setting of a path, judged by the held-out rows of all parts."""
    models = [method.models(part, path) for part, _ in parts]
    for setting in path:
        logits = [
            _logits(next(fits), rows, part)
            for fits, (part, rows) in zip(models, parts, strict=True)
        ]
        temperature, losses = calibrate(np.concatenate(logits), held)
        loss = float(np.average(losses, weights=held.weight))
        yield Candidate(setting, temperature, losses, loss)


def _logits(
    model: LogisticRegression, rows: LabeledRows, task: SemiSupervisedTask
) -> Float64Array:
    """Logits of rows, minus infinity for classes that the model does not know."""
    logits = np.full((len(rows), len(task.classes)), -np.inf)
    known = np.searchsorted(task.classes, model.classes_)
    logits[:, known] = softmax_model(model).logits(rows.X)
    return logits
