"""Tune semi-supervised methods by cross-validation, or leave the pool alone.

The regression of the labeled rows alone is among what is chosen from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from sklearn.linear_model import LogisticRegression

from salutary.arrays import Float64Array, FloatArray, IntArray
from salutary.influence.softmax import softmax_model
from salutary.labeling.guard import mean_decrease
from salutary.labeling.rows import LabeledRows
from salutary.labeling.splits import repeated_parts
from salutary.labeling.tuning import (
    N_PARTS,
    PENALTIES,
    TUNING_TOLERANCE,
    best_C,
    n_repeats,
)
from salutary.names import SemiSupervisedMethod
from salutary.semisupervised import information, self_training, spreading
from salutary.semisupervised.calibration import HeldOut, calibrate, tempered
from salutary.semisupervised.task import Method, SemiSupervisedTask, Setting, drawn

Methods = Mapping[SemiSupervisedMethod, Method]
"""Methods by name."""

METHODS: Methods = {
    "information_maximization": information.METHOD,
    "self_training": self_training.METHOD,
    "label_spreading": spreading.METHOD,
}
"""All methods."""

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
        Log loss of each held-out row, under temperatures found without its fold; a mean
        over the times that it was held out.
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
    method : str or None
        Name of the method by which the pool takes part; None if it is left alone.
    chosen : Candidate
        Its setting is a bare `Setting` if the pool is left alone.
    plain : Candidate
        The regression that knows of no pool.
    """

    model: LogisticRegression
    method: SemiSupervisedMethod | None
    chosen: Candidate
    plain: Candidate


@dataclass(frozen=True, eq=False)
class Part:
    """A fold of a cross-validation.

    Parameters
    ----------
    task : SemiSupervisedTask
        Without some of its rows.
    held : LabeledRows
        These rows, of classes that the others have.
    numbers : ndarray of row numbers, dtype intp
        Their numbers among all rows.
    """

    task: SemiSupervisedTask
    held: LabeledRows
    numbers: IntArray


@dataclass(frozen=True, eq=False)
class Folds:
    """Folds that judge settings, and how the regression without a pool does on them.

    Parameters
    ----------
    parts : list of Part
        One or more.
    C : float
        Of the regression that knows of no pool.
    """

    parts: list[Part]
    C: float

    @cached_property
    def plain(self) -> Candidate:
        """The regression that knows of no pool."""
        return next(judged(self.parts, PLAIN, [Setting(self.C)]))


@dataclass(frozen=True, eq=False)
class Tuning:
    """What every method of a task is judged by, and judged against.

    Parameters
    ----------
    task : SemiSupervisedTask
    first : Folds
        Folds of one split of the rows: they compare settings.
    every : Folds
        Folds of all splits: they say whether the best setting is used.
    """

    task: SemiSupervisedTask
    first: Folds
    every: Folds

    def tuned(self, methods: Methods = METHODS) -> Tuned:
        """Choose one of some methods and its setting, or none, and fit it on all rows.

        The pool is left alone where some fold could not judge some class.
        """
        plain = chosen = self.every.plain
        name, method = None, PLAIN
        if not len(unjudged(self.task.rows)):
            best_name, best = self.best(methods)
            if helps(plain, best, self.task.rows.weight):
                name, method, chosen = best_name, methods[best_name], best
        (model,) = method.models(self.task, [chosen.setting])
        return Tuned(tempered(model, chosen.temperature), name, chosen, plain)

    def best(self, methods: Methods) -> tuple[SemiSupervisedMethod, Candidate]:
        """The method and setting with the lowest loss on the folds of one split.

        Judged on the folds of all splits.
        """
        found = [
            (name, candidate)
            for name, method in methods.items()
            for candidate in self.walked(method)
        ]
        name, best = min(found, key=lambda pair: pair[1].loss)
        if len(self.every.parts) > len(self.first.parts):
            (best,) = judged(self.every.parts, methods[name], [best.setting])
        return name, best

    def walked(self, method: Method) -> Iterator[Candidate]:
        """Settings of a method, judged on the folds of one split.

        Along a path the pool counts more and more, beginning with not at all, so the
        path is left once the loss rises.
        """
        plain = self.first.plain
        for path in method.paths(plain.setting.C):
            lowest = plain.loss if path[0].C == plain.setting.C else np.inf
            for candidate in judged(self.first.parts, method, path):
                yield candidate
                if candidate.loss >= lowest:
                    break
                lowest = candidate.loss


def begin_tuning(task: SemiSupervisedTask) -> Tuning | None:
    """Split the rows of a task, and tune the regression that knows of no pool.

    All settings are judged by the log loss after calibration, on the same rows and with
    the same 2,000 rows drawn from a larger pool.

    Few rows are split three times (`salutary.labeling.tuning.n_repeats`): whether the
    pool seems to help with a hundred rows depends on how they happen to be split.

    Parameters
    ----------
    task : SemiSupervisedTask

    Returns
    -------
    Tuning, or None if too few rows are labeled to hold any out.
    """
    first, *others = tuning_splits(task)
    if not first:
        return None
    every = [*first, *(part for parts in others for part in parts)]
    pairs = [(part.task.rows, part.held) for part in every]
    C, _ = best_C(pairs, task.classes, PENALTIES, task.estimator)
    return Tuning(task, Folds(first, C), Folds(every, C))


def tune(task: SemiSupervisedTask, methods: Methods = METHODS) -> Tuned | None:
    """Choose a method and its setting by cross-validation, and fit it on all rows.

    Parameters
    ----------
    task : SemiSupervisedTask
    methods : mapping of str to Method
        To choose from.

    Returns
    -------
    Tuned, or None if too few rows are labeled to hold any out.
    """
    tuning = begin_tuning(task)
    return None if tuning is None else tuning.tuned(methods)


def helps(plain: Candidate, best: Candidate, weight: FloatArray) -> bool:
    """Whether the best candidate's loss is below the plain one's by a margin.

    Parameters
    ----------
    plain, best : Candidate
    weight : ndarray of shape (n_rows,)
        Weight of each held-out row.
    """
    fall, error = mean_decrease(plain.losses, best.losses, weight)
    return fall > MARGIN * error


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


def tuning_splits(task: SemiSupervisedTask) -> list[list[Part]]:
    """The task with a part of its rows held out, for each fold of each split.

    Rows of a class that no other row has are not held out, as no model could know of
    them, nor are rows that would leave one class alone.
    """
    rows, pool = task.rows, drawn(task.pool, TUNING_POOL, task.seed)
    n_splits = n_repeats(len(rows))
    folds = repeated_parts(rows.labels, N_PARTS, n_splits, task.seed)
    parts: list[list[Part]] = [[] for _ in range(n_splits)]
    for number, (rest, part) in enumerate(folds):
        held = part[np.isin(rows.labels[part], rows.labels[rest])]
        if len(held) and len(np.unique(rows.labels[rest])) > 1:
            without = replace(
                task, rows=rows.take(rest), pool=pool, tolerance=TUNING_TOLERANCE
            )
            own = number * n_splits // len(folds)
            parts[own].append(Part(without, rows.take(held), held))
    return parts


def judged(
    parts: Sequence[Part], method: Method, path: Sequence[Setting]
) -> Iterator[Candidate]:
    """Yield each setting of a path, judged by the held-out rows of all parts."""
    held = held_out(parts)
    weight = held.by_row(held.weight)
    models = [method.models(part.task, path) for part in parts]
    for setting in path:
        logits = [
            _logits(next(fits), part) for fits, part in zip(models, parts, strict=True)
        ]
        temperature, every = calibrate(np.concatenate(logits), held)
        losses = held.by_row(every)
        loss = float(np.average(losses, weights=weight))
        yield Candidate(setting, temperature, losses, loss)


def held_out(parts: Sequence[Part]) -> HeldOut:
    """The held-out rows of all parts, one part after the other."""
    return HeldOut(
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.held.labels for part in parts]),
        np.concatenate([part.held.weight for part in parts]),
        np.repeat(np.arange(len(parts)), [len(part.held) for part in parts]),
    )


def _logits(model: LogisticRegression, part: Part) -> Float64Array:
    """Logits of held-out rows, minus infinity for classes that the model lacks."""
    logits = np.full((len(part.held), len(part.task.classes)), -np.inf)
    known = np.searchsorted(part.task.classes, model.classes_)
    logits[:, known] = softmax_model(model).logits(part.held.X)
    return logits
