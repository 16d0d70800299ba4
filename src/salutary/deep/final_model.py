"""The final model of a run that trains on the validation rows too.

No row is left to stop early by, and after all epochs a deep model has the rows by heart
and is far too certain of others. So it is trained without a part of people's rows, one
part after the other. That says how many epochs are best, whether to learn from a
teacher, and by which number logits are to be divided (temperature scaling).

References
----------
Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from salutary.arrays import Float64Array, IntArray
from salutary.deep.distillation import soft_rows
from salutary.deep.fine_tuning import FineTuning
from salutary.deep.lesson import Lesson
from salutary.labeling.fitting import Snapshot
from salutary.labeling.splits import stratified_parts
from salutary.semisupervised.calibration import HeldOut, calibrate

N_PARTS = 3
"""Number of parts of people's rows that the model is trained without, one at a time."""


@dataclass(frozen=True)
class Way:
    """A way to train the final model, and what cross-validation says of it.

    Parameters
    ----------
    epochs : int or None
        Number of epochs; None for a trainer whose number is not known.
    distilled : bool
        Whether a teacher's labels of the pool are trained on. If so, none of the run's
        labels is.
    temperature : float, default=1.0
        Number that logits are divided by.
    log_loss : float, optional
        Mean log loss of people's rows, each under a calibrated model trained without
        its part, in nats; None without cross-validation.
    """

    epochs: int | None
    distilled: bool
    temperature: float = 1.0
    log_loss: float | None = None


@dataclass(frozen=True, eq=False)
class FinalModel:
    """A fine-tuned trainer, and the ways to train it that were tried.

    Parameters
    ----------
    model : object
    n_labels : int
        Number of the run's labels that it was trained on.
    ways : tuple of Way
        That of the model first.
    """

    model: Any
    n_labels: int
    ways: tuple[Way, ...]

    def figures(self) -> dict[str, Any]:
        """What `SalutaryFineTuner.refit_` has."""
        best, *others = [asdict(way) for way in self.ways]
        return {**best, "labels": self.n_labels, "others": others}


def final_model(
    task: FineTuning, snapshot: Snapshot, distilled: bool = False
) -> FinalModel:
    """Fine-tune on a snapshot's rows and all validation rows, and calibrate.

    Parameters
    ----------
    task : FineTuning
    snapshot : Snapshot
        Its labels of pool rows are trained on.
    distilled : bool, default=False
        Whether to try to learn from a teacher, too.

    Returns
    -------
    FinalModel
        The number of epochs is halved as long as that lowers the cross-validated loss
        of the calibrated model. Each number that is tried takes `N_PARTS` fine-tunings.
        A trainer without ``set_temperature`` is fitted once, for all epochs.
    """
    if hasattr(snapshot.model, "set_temperature"):
        ways = [*_tried(task, snapshot, distilled=False)]
        if distilled:
            ways += _tried(task, snapshot, distilled=True)
        ways.sort(key=_loss)
    else:
        ways = [Way(task.epochs, distilled)]
    n_labels = 0 if ways[0].distilled else len(snapshot)
    return FinalModel(trained(task, snapshot, ways[0]), n_labels, tuple(ways))


def trained(task: FineTuning, snapshot: Snapshot, way: Way) -> Any:
    """The deep model of all people's rows, calibrated, in a way that was judged."""
    everyone = np.arange(len(_people(task)))
    model = _fitted(task, snapshot, way, "final", everyone)
    if way.temperature != 1:
        model.set_temperature(way.temperature)
    return model


def _tried(task: FineTuning, snapshot: Snapshot, distilled: bool) -> Iterator[Way]:
    """All epochs, and then half as many while the loss falls."""
    epochs, lowest = task.epochs, np.inf
    while True:
        way = _judged(task, snapshot, Way(epochs, distilled))
        yield way
        if epochs is None or epochs == 1 or not _loss(way) < lowest:
            return
        epochs, lowest = epochs // 2, _loss(way)


def _loss(way: Way) -> float:
    return np.inf if way.log_loss is None else way.log_loss


def _judged(task: FineTuning, snapshot: Snapshot, way: Way) -> Way:
    """A way with its temperature and loss, by cross-validation."""
    logits, held = _cross_validated(task, snapshot, way)
    temperature, losses = calibrate(logits, held)
    loss = float(losses.mean()) if len(losses) else None
    return Way(way.epochs, way.distilled, temperature, loss)


def _cross_validated(
    task: FineTuning, snapshot: Snapshot, way: Way
) -> tuple[Float64Array, HeldOut]:
    """Logits of people's rows, each under the model trained without its part.

    The only row of a class is left out: without it no model would know the class.
    """
    people = _people(task)
    codes = task.codes[people]
    logits = np.zeros((len(people), len(task.classes)))
    fold = np.zeros(len(people), dtype=np.intp)
    parts = stratified_parts(codes, N_PARTS, np.random.RandomState(task.seed))
    for number, (rest, part) in enumerate(parts, start=1):
        known = np.isin(codes[part], codes[rest])
        seen = np.sort(np.concatenate([rest, part[~known]]))
        name = f"without-part-{number}{'-distilled' if way.distilled else ''}"
        if way.epochs is not None:
            name += f"-{way.epochs}-epochs"
        model = _fitted(task, snapshot, way, name, seen)
        held, nothing = part[known], task.pool[:0]
        logits[held] = task.logits(Snapshot(model, nothing, nothing), people[held])
        fold[part] = number
    judged = np.flatnonzero(np.bincount(codes)[codes] > 1)
    held_out = HeldOut(judged, codes[judged], np.ones(len(judged)), fold[judged])
    return logits[judged], held_out


def _fitted(
    task: FineTuning, snapshot: Snapshot, way: Way, name: str, seen: IntArray
) -> Any:
    """The deep model of some of people's rows, and of what else the way says."""
    rows = _people(task)[seen]
    codes, soft = task.codes[rows], None
    if way.distilled:
        assert task.frozen is not None  # a distilled model has been made
        soft = soft_rows(task, task.frozen.taught_by(seen), len(rows))
    else:
        rows = np.concatenate([rows, snapshot.rows])
        codes = np.concatenate([codes, snapshot.labels])
    labels = task.classes[codes]
    lesson = Lesson(name, task.rows(rows), labels, soft=soft, epochs=way.epochs)
    return task.fine_tune(lesson)


def _people(task: FineTuning) -> IntArray:
    """All rows that a person has labeled."""
    return np.concatenate([task.labeled, task.own_rows, task.canary_rows])
