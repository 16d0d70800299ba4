"""One round of fine-tuning as pure steps: embed, assign, fine-tune, judge.

The deep model is fine-tuned on the labeled rows and those labeled so far; its
embeddings make a convex problem, the surrogate, on which a whole run of the loop
assigns labels; the model is fine-tuned again. `loop.State` says where that stands, with
deep models in its snapshots.

The guard is twofold. The surrogate's run is guarded as any run is, by folds of the
validation rows that influence looks at. And a part of the validation rows, the canary,
is kept from influence altogether: fine-tuning stops early by it, and a round whose deep
model does worse there is undone.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing
from threadpoolctl import threadpool_limits

from salutary.advice.after_run import labels_on_top
from salutary.arrays import FloatArray, IntArray
from salutary.deep.trainer import checked_output
from salutary.influence.objectives import Truth, log_loss, row_log_loss
from salutary.labeling import loop
from salutary.labeling.fitting import Snapshot
from salutary.labeling.guard import Verdict, decrease_in, judge
from salutary.labeling.loop import Canary, Round, State, Termination, before_round
from salutary.labeling.problem import Problem, split_folds
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import Rule
from salutary.labeling.selection import Selection
from salutary.labeling.splits import hold_out
from salutary.labeling.tuning import best_C_by_validation
from salutary.pools.arrays import ArrayPool
from salutary.progress import Stage, reporting, silent

CANARY = 0.3
"""Share of the validation rows that influence does not look at, with a guard."""

FEWEST_VALIDATION_ROWS = 20
"""With fewer there is no guard: of so few, none can be spared."""

SURROGATE_BATCH = 10
"""Labels that the surrogate assigns between two of its own refits."""

FineTune = Callable[[int, Any, NDArray[Any], Any, Any], Any]
"""Round (-1 for a last one with the validation rows), rows, labels, and rows and labels
to stop early by, or None and None."""


@dataclass(frozen=True)
class FineTuning:
    """What stays the same during a run.

    Parameters
    ----------
    fine_tune : callable
        Makes the deep model of a round, with ``embed`` and ``predict_proba``.
    X : sequence of rows
        All rows: labeled, unlabeled, and for validation.
    codes : ndarray of shape (n_rows,), dtype intp
        Position of each row's class, whatever for unlabeled ones.
    labeled : ndarray of row numbers, dtype intp
        At least one of each class.
    pool : ndarray of row numbers, dtype intp
    own, canary : ndarrays of row numbers, dtype intp
        Validation rows that influence looks at, and that only the guard does; no canary
        without a guard.
    classes : ndarray of shape (n_classes,), sorted
    rule : Rule
    batch_size : int
        Labels a round.
    seed : int
        Of the surrogate's runs.
    stage : callable
        Shows what is going on.
    """

    fine_tune: FineTune
    X: Any
    codes: IntArray
    labeled: IntArray
    pool: IntArray
    own: IntArray
    canary: IntArray
    classes: NDArray[np.generic]
    rule: Rule
    batch_size: int
    seed: int
    stage: Stage = silent


def part_validation(
    rows: IntArray, labels: IntArray, guard: bool, rng: np.random.RandomState
) -> tuple[IntArray, IntArray]:
    """Validation rows for influence, and for the guard alone.

    Parameters
    ----------
    rows : ndarray of row numbers, dtype intp
    labels : ndarray of shape (n_rows,), dtype intp
        Positions of their classes.
    guard : bool
    rng : numpy.random.RandomState

    Returns
    -------
    own, canary : ndarrays of row numbers, dtype intp

    Warns
    -----
    UserWarning
        If there are too few rows to part, which leaves the run unguarded.
    """
    if guard and len(rows) < FEWEST_VALIDATION_ROWS:
        warnings.warn(
            f"{len(rows)} validation rows are too few to guard the run with; pass "
            f"{FEWEST_VALIDATION_ROWS} or more, or switch the guard off to say that "
            "none is wanted",
            UserWarning,
            stacklevel=3,
        )
    if not guard or len(rows) < FEWEST_VALIDATION_ROWS:
        return rows, rows[:0]
    own, canary = hold_out(labels, CANARY, rng)
    return rows[own], rows[canary]


def start(task: FineTuning) -> State:
    """Fine-tune on the labeled rows alone: the state before the first round."""
    snapshot = fine_tuned(task, 0, task.pool[:0], task.pool[:0])
    logits = logits_of(task, snapshot, task.canary)
    return State(snapshot, (), 0, snapshot, 0, Canary(logits, logits))


def advance(task: FineTuning, state: State, budget: int) -> tuple[State, Round | None]:
    """Run one round, or find that none can be run.

    Parameters
    ----------
    task : FineTuning
    state : State
        Not terminated.
    budget : int
        Labels to assign in all.

    Returns
    -------
    state : State
    round : Round or None
        None when the run ended without a round.
    """
    began = time.perf_counter()
    before = state.latest
    reason = before_round(len(before), len(task.pool) - len(before), budget)
    if reason is not None:
        return replace(state, termination=reason), None
    selection, variant, reason = assign(
        task, before, min(task.batch_size, budget - len(before))
    )
    if len(selection) == 0:
        return replace(state, termination=reason), None
    snapshot = fine_tuned(
        task,
        state.rounds + 1,
        np.concatenate([before.rows, selection.rows]),
        np.concatenate([before.labels, selection.labels]),
    )
    logits = logits_of(task, snapshot, task.canary)
    verdict, fall, error = _judged(task, state.canary, logits)
    record = Round(
        number=state.rounds + 1,
        selection=selection,
        snapshot=snapshot,
        folds=(),
        variant=variant,
        n_labeled=len(task.labeled) + len(snapshot),
        validation_loss=mean_loss(task, logits_of(task, snapshot, task.own), task.own),
        canary_loss=mean_loss(task, logits, task.canary),
        canary_fall=fall,
        canary_se=error,
        verdict=verdict,
        seconds=time.perf_counter() - began,
    )
    return loop.after(state, record, logits), record


def fine_tuned(
    task: FineTuning, number: int, rows: IntArray, labels: IntArray
) -> Snapshot:
    """The deep model of the labeled rows and the given ones of the pool."""
    snapshot = Snapshot(None, rows, labels)
    trained, codes = _trained(task, snapshot)
    held: tuple[Any, Any] = (None, None)
    if len(task.canary):
        held = _rows(task, task.canary), task.classes[task.codes[task.canary]]
    model = task.fine_tune(number, _rows(task, trained), task.classes[codes], *held)
    return replace(snapshot, model=model)


def with_validation(task: FineTuning, snapshot: Snapshot) -> Any:
    """The deep model of a snapshot's rows and all validation rows, after all epochs."""
    trained, codes = _trained(task, snapshot)
    validation = np.concatenate([task.own, task.canary])
    everything = np.concatenate([trained, validation])
    labels = task.classes[np.concatenate([codes, task.codes[validation]])]
    return task.fine_tune(-1, _rows(task, everything), labels, None, None)


def worth_adding(task: FineTuning, first: Snapshot, kept: Snapshot) -> Snapshot:
    """A snapshot's labels if they help beside the validation rows, else none.

    Labels that were chosen for what they do to validation rows may do nothing for a
    model that is trained on these.

    Parameters
    ----------
    task : FineTuning
    first : Snapshot
        The deep model of the labeled rows alone.
    kept : Snapshot

    Returns
    -------
    Snapshot
        ``kept``, or ``first``, whose training rows have no labels of the run. Judged by
        surrogates on the embeddings of the latter, fold by fold, each with labels of
        its own; without a guard there is nothing to judge by, and they are kept.
    """
    if not len(kept):
        return kept
    problem, _ = surrogate(task, first)
    state, records = run_surrogate(problem, len(kept))
    if not state.best_round:
        return first
    found = labels_on_top(problem, records[state.best_round - 1].folds)
    return kept if found is None or found.fall > 0 else first


def assign(
    task: FineTuning, snapshot: Snapshot, size: int
) -> tuple[Selection, str, Termination | None]:
    """Labels for pool rows, by a whole run on a deep model's embeddings.

    Parameters
    ----------
    task : FineTuning
    snapshot : Snapshot
        The deep model, and the pool rows labeled so far.
    size : int
        Labels, at most.

    Returns
    -------
    selection : Selection
        Its rows are those of the task.
    variants : str
        Of the rule, by which rows were chosen.
    reason : str or None
        Why the surrogate's run ended.
    """
    problem, pool = surrogate(task, snapshot)
    state, records = run_surrogate(problem, size)
    selection = Selection.empty(len(task.classes))
    for record in records[: state.best_round]:
        selection = selection.then(record.selection)
    variants = {record.variant for record in records[: state.best_round]}
    selection = replace(selection, rows=pool[selection.rows])
    return selection, ", ".join(sorted(variants)), state.ending


def run_surrogate(problem: Problem, size: int) -> tuple[State, list[Round]]:
    """Label rows of a surrogate's pool until its run ends."""
    with threadpool_limits(limits=1, user_api="blas"):
        return loop.run(problem, size)


def surrogate(task: FineTuning, snapshot: Snapshot) -> tuple[Problem, IntArray]:
    """The convex problem that a deep model's embeddings make.

    Parameters
    ----------
    task : FineTuning
    snapshot : Snapshot

    Returns
    -------
    problem : Problem
        Of standardized embeddings, under the C that does best on the validation rows:
        the deep model has learned the labeled rows, so that among themselves they would
        ask for hardly any penalty.
    pool : ndarray of row numbers, dtype intp
        What its pool's rows are in the task.
    """
    pool = np.setdiff1d(task.pool, snapshot.rows)
    trained, codes = _trained(task, snapshot)
    with task.stage(f"embedding {len(task.codes)} rows") as report, reporting(report):
        vectors = snapshot.model.embed(task.X)
    vectors = StandardScaler().fit_transform(
        checked_output(vectors, len(task.codes), "embed")
    )
    labeled = LabeledRows(vectors[trained], codes, np.ones(len(codes)))
    own = LabeledRows(vectors[task.own], task.codes[task.own], np.ones(len(task.own)))
    C = best_C_by_validation(labeled, own, task.classes)
    problem = Problem(
        estimator=LogisticRegression(C=C),
        classes=task.classes,
        labeled=labeled,
        validation=own,
        folds=split_folds(own, len(task.canary) > 0, np.random.RandomState(task.seed)),
        pool=ArrayPool.of(vectors[pool]),
        rule=task.rule,
        hessian="train",
        batch_size=SURROGATE_BATCH,
    )
    return problem, pool


def logits_of(task: FineTuning, snapshot: Snapshot, rows: IntArray) -> FloatArray:
    """Logits of rows under a deep model, shape (n_rows, n_classes)."""
    if not len(rows):
        return np.zeros((0, len(task.classes)))
    chances = snapshot.model.predict_proba(_rows(task, rows))
    chances = checked_output(chances, len(rows), "predict_proba", len(task.classes))
    logits: FloatArray = np.log(np.clip(chances, np.finfo(np.float64).tiny, None))
    return logits


def mean_loss(task: FineTuning, logits: FloatArray, rows: IntArray) -> float:
    """Mean log loss of rows; NaN of none."""
    if not len(rows):
        return float("nan")
    return float(row_log_loss(logits, task.codes[rows]).mean())


def _rows(task: FineTuning, rows: IntArray) -> Any:
    return _safe_indexing(task.X, rows)


def _trained(task: FineTuning, snapshot: Snapshot) -> tuple[IntArray, IntArray]:
    """Rows a deep model is fine-tuned on, and their classes."""
    return (
        np.concatenate([task.labeled, snapshot.rows]),
        np.concatenate([task.codes[task.labeled], snapshot.labels]),
    )


def _judged(
    task: FineTuning, canary: Canary, logits: FloatArray
) -> tuple[Verdict, float, float]:
    if not len(task.canary):
        return "kept", float("nan"), float("nan")
    truth = Truth(task.codes[task.canary], np.ones(len(task.canary)))
    verdict = judge(*decrease_in(log_loss, truth, canary.best, logits))
    return verdict, *decrease_in(log_loss, truth, canary.start, logits)
