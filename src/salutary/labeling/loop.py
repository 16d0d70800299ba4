"""One round as pure steps over an explicit state: choose_batches, try, refit, judge.

A run is `start` and then `advance` until the state's ``termination`` is set, as `run`
does where nothing has to happen between rounds. The caller keeps what each round
decided (the classifier in ``history_``, the command line in its ledger), so a run
resumes from that exactly where it stopped.

With a guard the run is cross-validated as it goes: beside it runs one fold for each
part of the validation rows, whose influences see the other parts only. What the folds'
models do on the parts they never saw decides which of a rule's variants a round uses,
and which rounds stay.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from salutary.arrays import FloatArray
from salutary.influence.objectives import bind
from salutary.labeling.batch import available, choose_batches
from salutary.labeling.fitting import (
    REFIT_TOLERANCE,
    TRIAL_TOLERANCE,
    Snapshot,
    begin,
    extend,
    training_rows,
)
from salutary.labeling.guard import Verdict, decrease_in, judge
from salutary.labeling.problem import Problem
from salutary.labeling.selection import Selection


@dataclass(frozen=True)
class Canary:
    """Logits of the validation rows, each under the fold that never saw it.

    Parameters
    ----------
    start, best : ndarrays of shape (n_val, n_classes)
        Before the first round and after the best; empty without a guard.
    """

    start: FloatArray
    best: FloatArray


@dataclass(frozen=True)
class State:
    """Where a run stands.

    Parameters
    ----------
    latest : Snapshot
        The model, and the pool rows labeled so far, also in rounds that may be undone.
    folds : tuple of Snapshot
        The same for each fold of the problem.
    rounds : int
        Rounds run.
    best : Snapshot
        As it was after the best round.
    best_round : int
        Its number; 0 for the start.
    canary : Canary
    termination : str or None
        Why no further round can be run, if so.
    """

    latest: Snapshot
    folds: tuple[Snapshot, ...]
    rounds: int
    best: Snapshot
    best_round: int
    canary: Canary
    termination: Termination | None = None

    @property
    def ending(self) -> Termination | None:
        """Why the run ended: "guard" also where the last rounds do not stay."""
        return "guard" if self.best_round < self.rounds else self.termination


@dataclass(frozen=True)
class Round:
    """What a round decided and what came of it.

    Parameters
    ----------
    number : int
        From 1.
    selection : Selection
        The rows it labeled, with every class's influence and probability.
    snapshot : Snapshot
        With these labels.
    folds : tuple of Snapshot
    variant : str
        Of the rule, by which the rows were chosen.
    n_labeled : int
        Rows the model was fitted on.
    validation_loss : float
        The objective of the validation rows after the round.
    canary_loss, canary_fall, canary_se : float
        The same under the folds that never saw the rows; how much it has fallen since
        the start, and the standard error of that. NaN without a guard.
    verdict : {"kept", "waiting", "harmful"}
    seconds : float
    """

    number: int
    selection: Selection
    snapshot: Snapshot
    folds: tuple[Snapshot, ...]
    variant: str
    n_labeled: int
    validation_loss: float
    canary_loss: float
    canary_fall: float
    canary_se: float
    verdict: Verdict
    seconds: float

    def summary(self) -> dict[str, Any]:
        """What the round adds to a run's history."""
        return {
            "round": self.number,
            "n_labeled": self.n_labeled,
            "validation_loss": self.validation_loss,
            "canary_loss": self.canary_loss,
            "canary_fall": self.canary_fall,
            "canary_se": self.canary_se,
            "largest_influence": float(self.selection.assigned_influence.max()),
            "variant": self.variant,
            "seconds": self.seconds,
        }


def start(problem: Problem) -> State:
    """Fit the model on the labeled rows: the state before the first round."""
    snapshot = begin(problem)
    folds = (snapshot,) * len(problem.folds)
    logits = canary_logits(problem, folds)
    return State(snapshot, folds, 0, snapshot, 0, Canary(logits, logits))


def restored_model(
    problem: Problem, coef: FloatArray, intercept: FloatArray
) -> LogisticRegression:
    """A fitted model from its coefficients, without refitting."""
    model = clone(problem.estimator)
    model.classes_ = problem.classes
    model.coef_, model.intercept_ = coef, intercept
    model.n_features_in_ = coef.shape[1]
    model.n_iter_ = np.zeros(1, dtype=np.int32)
    return model


def canary_logits(problem: Problem, folds: Sequence[Snapshot]) -> FloatArray:
    """Logits of each fold's canary rows under its model, one fold after the other."""
    if not folds:
        return np.zeros((0, len(problem.classes)))
    return np.concatenate(
        [
            fold.canary.logits(snapshot.model)
            for fold, snapshot in zip(problem.folds, folds, strict=True)
        ]
    )


def advance(problem: Problem, state: State, budget: int) -> tuple[State, Round | None]:
    """Run one round, or find that none can be run.

    Parameters
    ----------
    problem : Problem
    state : State
        Not terminated.
    budget : int
        Labels to assign in all.

    Returns
    -------
    state : State
        After a round that made the canary rows' loss worse, with the termination
        "guard".
    round : Round or None
        None when the run ended without a round.
    """
    began = time.perf_counter()
    n_available = int(available(problem, state.latest).sum())
    reason = before_round(len(state.latest), n_available, budget)
    if reason is not None:
        return replace(state, termination=reason), None
    size = min(problem.batch_size, budget - len(state.latest))
    batches = choose_batches(problem, problem.validation, state.latest, size)
    batches = {name: found for name, found in batches.items() if len(found)}
    if not batches:
        return replace(state, termination="no_positive_influence"), None
    of_folds = [
        choose_batches(problem, fold.own, snapshot, size)
        for fold, snapshot in zip(problem.folds, state.folds, strict=True)
    ]
    variant = _best_variant(problem, state, batches, of_folds)
    batch = batches[variant]
    snapshot = extend(problem, state.latest, batch.rows, batch.labels)
    folds = _with_batches(problem, state.folds, of_folds, variant)
    logits = canary_logits(problem, folds)
    verdict, fall, error = _judged(problem, state.canary, logits)
    record = Round(
        number=state.rounds + 1,
        selection=batch,
        snapshot=snapshot,
        folds=folds,
        variant=variant,
        n_labeled=len(training_rows(problem, snapshot.rows, snapshot.labels)),
        validation_loss=problem.loss(problem.validation, snapshot.model),
        canary_loss=canary_loss(problem, logits),
        canary_fall=fall,
        canary_se=error,
        verdict=verdict,
        seconds=time.perf_counter() - began,
    )
    return after(state, record, logits), record


def run(
    problem: Problem, budget: int, *, verbose: bool = False
) -> tuple[State, list[Round]]:
    """Run to the end.

    Parameters
    ----------
    problem : Problem
    budget : int
        Labels to assign in all.
    verbose : bool
        Whether to print a line a round.

    Returns
    -------
    state : State
    rounds : list of Round
        Those that were undone, too.
    """
    state, rounds = start(problem), []
    while state.termination is None:
        state, record = advance(problem, state, budget)
        if record is not None:
            rounds.append(record)
            if verbose:
                print(describe(record))
    return state, rounds


def after(state: State, record: Round, logits: FloatArray) -> State:
    """The state once a round stands, whose canary rows have the given logits."""
    state = replace(
        state, latest=record.snapshot, folds=record.folds, rounds=record.number
    )
    if record.verdict == "harmful":
        return replace(state, termination="guard")
    if record.verdict == "waiting":
        return state
    return replace(
        state,
        best=record.snapshot,
        best_round=record.number,
        canary=replace(state.canary, best=logits),
    )


def _best_variant(
    problem: Problem,
    state: State,
    batches: dict[str, Selection],
    of_folds: list[dict[str, Selection]],
) -> str:
    """The variant whose refitted models do best on the canary rows; ties: the first."""
    if len(batches) == 1:
        return next(iter(batches))
    losses = {}
    for name in batches:
        folds = _with_batches(problem, state.folds, of_folds, name, TRIAL_TOLERANCE)
        losses[name] = canary_loss(problem, canary_logits(problem, folds))
    return min(losses, key=losses.__getitem__)


def _with_batches(
    problem: Problem,
    folds: tuple[Snapshot, ...],
    of_folds: list[dict[str, Selection]],
    variant: str,
    tolerance: float = REFIT_TOLERANCE,
) -> tuple[Snapshot, ...]:
    return tuple(
        extend(
            problem, snapshot, batches[variant].rows, batches[variant].labels, tolerance
        )
        for snapshot, batches in zip(folds, of_folds, strict=True)
    )


def _judged(
    problem: Problem, canary: Canary, logits: FloatArray
) -> tuple[Verdict, float, float]:
    """The verdict, the canary loss's fall since the start, and its standard error."""
    if not problem.folds:
        return "kept", float("nan"), float("nan")
    objective, truth = problem.objective, problem.canary
    verdict = judge(*decrease_in(objective, truth, canary.best, logits))
    return verdict, *decrease_in(objective, truth, canary.start, logits)


def canary_loss(problem: Problem, logits: FloatArray) -> float:
    """The objective of the canary rows; NaN without a guard."""
    if not problem.folds:
        return float("nan")
    return bind(problem.objective, problem.canary)(logits)[0]


VERDICTS: dict[Verdict, str] = {
    "kept": "",
    "waiting": " (later rounds decide whether this one stays)",
    "harmful": " (worse: undone by the guard)",
}


def describe(record: Round) -> str:
    """One line about a round, for people."""
    line = (
        f"round {record.number}: {record.n_labeled} labeled rows, "
        f"validation loss {record.validation_loss:.4f}"
    )
    if not np.isnan(record.canary_loss):
        line += f", canary loss {record.canary_loss:.4f}"
    return line + VERDICTS[record.verdict]


Termination = Literal["budget", "no_positive_influence", "guard", "pool_exhausted"]


def before_round(n_assigned: int, n_available: int, budget: int) -> Termination | None:
    """Why no further round can start, if none can.

    Parameters
    ----------
    n_assigned : int
        Labels assigned so far.
    n_available : int
        Pool rows without a label.
    budget : int
        Labels to assign.

    Returns
    -------
    {"budget", "pool_exhausted"} or None

    Examples
    --------
    >>> before_round(n_assigned=10, n_available=5, budget=10)
    'budget'
    """
    if n_assigned >= budget:
        return "budget"
    if n_available == 0:
        return "pool_exhausted"
    return None


def as_limit(budget: int | None) -> int:
    """A budget as a number; as large as can be for None."""
    return sys.maxsize if budget is None else budget
