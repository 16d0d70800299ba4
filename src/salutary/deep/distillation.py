"""Distillation: a deep model learns what a regression on its vectors says of the pool.

The teacher is a logistic regression on the vectors of the model as it comes, see
`salutary.deep.frozen`. Its probabilities of pool rows are trained on beside the labeled
rows. What is learned is the model of the run only if it does better on the canary rows,
which neither teacher nor student was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from salutary.deep.fine_tuning import FineTuning
from salutary.deep.frozen import Frozen, Taught
from salutary.deep.lesson import Lesson
from salutary.deep.soft_labels import SoftRows
from salutary.influence.objectives import row_log_loss
from salutary.labeling.fitting import Snapshot
from salutary.labeling.guard import decrease_in


@dataclass(frozen=True, eq=False)
class Distillation:
    """What came of a distillation.

    Parameters
    ----------
    figures : dict or None
        What `SalutaryFineTuner.distillation_` has; None if none was wanted.
    snapshot : Snapshot, optional
        The deep model that has learned from the teacher, and no label of the run. None
        if there is none.
    """

    figures: dict[str, Any] | None
    snapshot: Snapshot | None = None

    @property
    def is_better(self) -> bool:
        """Whether there is such a model, with the lower loss on canary rows."""
        return self.figures is not None and bool(self.figures["used"])

    def best(self, labeled: Snapshot) -> Snapshot:
        """The distilled model if it is better, else that of the best round."""
        if self.snapshot is None or not self.is_better:
            return labeled
        return self.snapshot


def distill(task: FineTuning, best: Snapshot) -> Distillation:
    """Train the deep model on a teacher's labels of the pool, and judge it.

    Parameters
    ----------
    task : FineTuning
    best : Snapshot
        The deep model of the best round, which it is compared with.

    Returns
    -------
    Distillation
    """
    if not task.distills or task.frozen is None:
        return Distillation(None)
    if not len(task.pool):
        return _without("there is no pool")
    if not len(task.canary_rows):
        return _without("without a guard no row shows whether it helps")
    figures = _teachers_figures(task, task.frozen)
    if figures["teacher_log_loss"] >= figures["guessing_log_loss"]:
        why = "the teacher does no better than guessing by class frequencies"
        return _without(why, figures)
    lesson = Lesson(
        "distilled",
        *task.with_labels(task.labeled),
        *task.with_labels(task.canary_rows),
        soft_rows(task, task.frozen.taught, len(task.labeled)),
    )
    model = task.fine_tune(lesson)
    snapshot = Snapshot(model, task.pool[:0], task.pool[:0])
    figures |= _students_figures(task, best, snapshot)
    return Distillation(figures, snapshot)


def soft_rows(task: FineTuning, taught: Taught, n_labeled: int) -> SoftRows:
    """Soft labels of pool rows, which together weigh as much as the labeled rows."""
    rows = task.rows(task.pool[taught.rows])
    return SoftRows(rows, taught.chance, n_labeled / len(taught.rows))


def _teachers_figures(task: FineTuning, frozen: Frozen) -> dict[str, Any]:
    """How the teacher, and guessing, do on the canary rows."""
    taught, canary = frozen.taught, frozen.canary
    seen = np.concatenate([task.codes[task.labeled], task.codes[task.own_rows]])
    share = np.bincount(seen, minlength=len(task.classes)) / len(seen)
    return {
        "teacher": taught.teacher,
        "pool_rows": len(taught.rows),
        "teacher_log_loss": canary.mean_loss(taught.model),
        "guessing_log_loss": float(-np.log(share[canary.labels]).mean()),
    }


def _students_figures(
    task: FineTuning, best: Snapshot, distilled: Snapshot
) -> dict[str, Any]:
    """How the distilled model does on the canary rows, beside the best round's."""
    truth = task.canary
    before, after = task.canary_logits(best), task.canary_logits(distilled)
    fall, error = decrease_in(task.objective, truth, before, after)
    return {
        "log_loss": float(row_log_loss(after, truth.labels).mean()),
        "accuracy": float(np.mean(after.argmax(axis=1) == truth.labels)),
        "decrease": fall,
        "se": error,
        "used": bool(fall > 0),
        "reason": None,
    }


def _without(reason: str, figures: dict[str, Any] | None = None) -> Distillation:
    """No distillation, and why."""
    return Distillation({**(figures or {}), "used": False, "reason": reason})
