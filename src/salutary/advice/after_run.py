"""Compare a run's labels with what people's labels alone would give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from joblib import Parallel, delayed

from salutary.advice.cross_fitting import FoldResults, Judged, judge_fold, together
from salutary.advice.measure import Measure
from salutary.advice.options import OPTIONS, Option
from salutary.advice.task import AdviceTask, FittedOption
from salutary.advice.verdict import ASSIGNED, Verdict, reach_verdict
from salutary.arrays import FloatArray, Matrix, as_float64
from salutary.influence.objectives import bind
from salutary.labeling.definition import Definition, Fold
from salutary.labeling.edits import SwitchLabel
from salutary.labeling.fitting import (
    Snapshot,
    fit_converged,
    jobs_for_fits,
    training_rows,
    with_rows_of,
)
from salutary.labeling.guard import decrease_in
from salutary.labeling.loop import State
from salutary.labeling.rows import LabeledRows, join
from salutary.labeling.rules import RULES
from salutary.names import RELABELED, SALUTARY

BASELINES = {
    name: option for name, option in OPTIONS.items() if not name.startswith(ASSIGNED)
}
"""What people's labels alone can be used for: all that the advice compares labels with.

With fewer, a run's labels could seem better than the best of them here, and worse
there.
"""


Beside = Callable[[int], FoldResults]
"""Number of a fold -> further options without assigned labels, on its canary rows."""


def nothing(number: int) -> FoldResults:
    """No further options."""
    return {}


@dataclass(frozen=True)
class RunToJudge:
    """What the verdict on a run that has ended needs of it.

    Parameters
    ----------
    problem : Definition
        With a guard.
    kept : Snapshot
        After the best round.
    folds : tuple of Snapshot
        Of each fold, after the round that did best on the canary rows of the others.
    objective : str
        What users call the objective of the problem.
    """

    problem: Definition
    kept: Snapshot
    folds: tuple[Snapshot, ...]
    objective: str

    @classmethod
    def of(cls, problem: Definition, state: State, objective: str) -> RunToJudge:
        """What is needed of a run, with all of its pool."""
        rounds = _rounds_by_other_folds(problem, state)
        folds = (state.fold_history[chosen] for chosen in rounds)
        snapshots = tuple(each[number] for number, each in enumerate(folds))
        return cls(problem, state.best, snapshots, objective)

    def without_the_pool(self) -> RunToJudge:
        """The same, to be kept or pickled: with those pool rows that got labels."""
        problem, (kept, *folds) = with_rows_of(self.problem, [self.kept, *self.folds])
        # No rule is used any more, and one that a user wrote may not be pickled.
        return replace(
            self,
            problem=replace(problem, rule=RULES["paper"]),
            kept=kept,
            folds=tuple(folds),
        )

    def verdict(self, beside: Beside = nothing, n_jobs: int | None = None) -> Verdict:
        """Judge the run, see `verdict_on`."""
        problem = self.problem
        measure = Measure(problem.canary, problem.objective, self.objective)
        return reach_verdict(_judged(self, beside, n_jobs), measure)


def verdict_on(
    problem: Definition,
    state: State,
    objective: str = "log_loss",
    beside: Beside = nothing,
    n_jobs: int | None = None,
) -> Verdict | None:
    """The verdict on a run that has ended.

    The folds of the guard judge it. In each, the baselines and the labels that the
    fold assigned are judged by its canary rows. The baselines have their C tuned by
    rows that the fold sees. The labels are those up to the round that did best on
    the canary rows of the other folds: of a round that was chosen by the rows that
    judge it, too much would be promised.

    Parameters
    ----------
    problem : Definition
    state : State
        At the end of the run.
    objective : str
        What users call the objective of the problem.
    beside : Beside, optional
        Options to compare with as well, such as those of other features.
    n_jobs : int, optional
        Number of threads that judge folds at once, as in joblib.

    Returns
    -------
    Verdict or None
        None without a guard, as there are no rows to judge by.
    """
    if not problem.folds:
        return None
    return RunToJudge.of(problem, state, objective).verdict(beside, n_jobs)


def _judged(run: RunToJudge, beside: Beside, n_jobs: int | None) -> dict[str, Judged]:
    """The baselines and a run's labels on the canary rows, fold after fold."""
    problem, kept = run.problem, run.kept

    def judged(number: int, fold: Fold) -> FoldResults:
        # Without labels in the run, those of the folds are nobody's.
        labels = _with_labels(problem, run.folds[number], kept) if len(kept) else {}
        task, canary = task_of(problem, fold), in_float64(fold.canary)
        return {
            **judge_fold(task, canary, BASELINES),
            **beside(number),
            **judge_fold(task, canary, labels),
        }

    n_jobs = jobs_for_fits(n_jobs, problem.labeled, problem.validation)
    results = Parallel(n_jobs=n_jobs, require="sharedmem")(
        delayed(judged)(number, fold) for number, fold in enumerate(problem.folds)
    )
    ends = np.cumsum([len(fold.canary) for fold in problem.folds])
    held = np.split(np.arange(ends[-1]), ends[:-1])
    return together(list(zip(held, results, strict=True)), int(ends[-1]))


def _rounds_by_other_folds(problem: Definition, state: State) -> list[int]:
    """For each fold, the round that does best on the canary rows of the others."""
    logits = [
        [
            fold.canary.logits(snapshot.model)
            for fold, snapshot in zip(problem.folds, snapshots, strict=True)
        ]
        for snapshots in state.fold_history
    ]
    sizes = [len(fold.canary) for fold in problem.folds]
    fold_of_row = np.repeat(np.arange(len(sizes)), sizes)
    chosen = []
    for number in range(len(sizes)):
        others = np.flatnonzero(fold_of_row != number)
        loss = bind(problem.objective, problem.canary.take(others))
        losses = [loss(np.concatenate(found)[others])[0] for found in logits]
        chosen.append(int(np.argmin(losses)))
    return chosen


def in_float64(rows: LabeledRows) -> LabeledRows:
    """The rows as every option has them."""
    return replace(rows, X=as_float64(rows.X))


def task_of(problem: Definition, fold: Fold, pool: Matrix | None = None) -> AdviceTask:
    """What options may use in a fold; baselines need no pool."""
    return AdviceTask(
        classes=problem.classes,
        train=in_float64(problem.labeled),
        validation=in_float64(fold.own),
        pool=pool,
        budget=0,
        batch_size=problem.batch_size,
        seed=0,
        estimator=problem.estimator,
    )


def _with_labels(
    problem: Definition, fold_labels: Snapshot, kept: Snapshot
) -> dict[str, Option]:
    """A fold's labels as options: alone, and with the validation rows.

    They stand for those that the run kept, which are the ones that are counted.
    """

    def alone(task: AdviceTask) -> FittedOption:
        model = fold_labels.model
        return FittedOption(model, model.C, 0.0, kept.rows, kept.labels)

    def with_validation(task: AdviceTask) -> FittedOption:
        rows = training_rows(problem, fold_labels.rows, fold_labels.labels)
        model = task.fit(task.both_C, join(rows, task.validation))
        return FittedOption(model, task.both_C, 1.0, kept.rows, kept.labels)

    name = RELABELED if isinstance(problem.edit, SwitchLabel) else SALUTARY
    return {name: alone, f"{name} + validation": with_validation}


def labels_on_top(
    problem: Definition, folds: Sequence[Snapshot]
) -> tuple[float, float] | None:
    """Compare train + validation + the run's labels with train + validation.

    Parameters
    ----------
    problem : Definition
    folds : sequence of Snapshot
        The snapshot of each fold after the best round.

    Returns
    -------
    decrease, error : float, or None
        How much lower the objective is on the canary rows with the labels, and the
        standard error of that, all models under the C of the problem. Each fold uses
        its own labels, whose influences did not see the canary rows. None without a
        guard.
    """
    if not problem.folds:
        return None
    snapshots = iter(folds)

    def with_labels(fold: Fold) -> LabeledRows:
        snapshot = next(snapshots)
        return join(training_rows(problem, snapshot.rows, snapshot.labels), fold.own)

    without = _canary_logits(problem, lambda fold: join(problem.labeled, fold.own))
    logits = _canary_logits(problem, with_labels)
    return decrease_in(problem.objective, problem.canary, without, logits)


def _canary_logits(
    problem: Definition, rows_of: Callable[[Fold], LabeledRows]
) -> FloatArray:
    """Logits of each fold's canary rows under a model of the rows made of the fold."""
    return np.concatenate(
        [
            fold.canary.logits(
                fit_converged(problem.estimator, rows_of(fold), problem.classes)
            )
            for fold in problem.folds
        ]
    )
