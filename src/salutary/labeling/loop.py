"""The loop of a run: in each round, propose a batch, refit with it, and judge it.

A run is `start` and then `rounds`, until the ``termination`` of the state is set. The
caller stores what each round decided, for instance in a ledger, so that a run can be
resumed exactly where it stopped. What is labeled and refitted is up to the `Steps`:
those of a logistic regression (`Problem`) or of a deep model (`FineTuning`).

Rounds are judged by canary rows: validation rows that influence does not see. The best
round is the one with the lowest canary loss so far, or the start. Rounds after it are
**undone** when the run ends (`State.undoes`): their labels are dropped, and the run's
model is the one after the best round. Without a guard no round is undone.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from salutary.arrays import FloatArray
from salutary.influence.objectives import bind
from salutary.labeling.fitting import Snapshot
from salutary.labeling.guard import Verdict, decrease_in, judge
from salutary.labeling.outcome import Outcome, Round
from salutary.labeling.quality import quality_of
from salutary.labeling.selection import Selection
from salutary.labeling.standing import Spread
from salutary.labeling.steps import Proposal, Steps, Termination

LOG = logging.getLogger("salutary")
"""Gets a line for each round of a run that a user asked for, at the level INFO."""


@dataclass(frozen=True)
class Canary:
    """Logits of the canary rows, each under a model that did not see the row.

    Parameters
    ----------
    start, best : ndarrays of shape (n_canary, n_classes)
        Before the first round and after the best round; empty without a guard.
    """

    start: FloatArray
    best: FloatArray


@dataclass(frozen=True)
class State:
    """How far a run has come.

    Parameters
    ----------
    latest : Snapshot
        The model, and all pool rows labeled so far, also in rounds that may be undone.
    folds : tuple of Snapshot
        The same for each fold.
    fold_history : tuple of tuple of Snapshot
        ``folds`` before the first round and after each.
    rounds : int
        Number of rounds that were run.
    best : Snapshot
        The snapshot after the best round.
    best_round : int
        Number of the best round; 0 for the start.
    canary : Canary
    first : Outcome
        Figures of the model before the first round.
    termination : str or None
        Why no further round can be run; None if one can.
    """

    latest: Snapshot
    folds: tuple[Snapshot, ...]
    fold_history: tuple[tuple[Snapshot, ...], ...]
    rounds: int
    best: Snapshot
    best_round: int
    canary: Canary
    first: Outcome
    termination: Termination | None = None

    @property
    def ending(self) -> Termination | None:
        """Why the run ended; "guard" whenever rounds are undone."""
        return "guard" if self.n_undone else self.termination

    @property
    def n_undone(self) -> int:
        """Number of rounds that are undone if the run ends here."""
        return self.rounds - self.best_round

    def undoes(self, number: int) -> bool:
        """Whether a round is undone if the run ends here: it is after the best."""
        return number > self.best_round


def start(problem: Steps) -> State:
    """Fit the model on the labeled rows: the state before the first round."""
    snapshot, folds = problem.first()
    logits = problem.canary_logits(snapshot, folds)
    return State(
        latest=snapshot,
        folds=folds,
        fold_history=(folds,),
        rounds=0,
        best=snapshot,
        best_round=0,
        canary=Canary(logits, logits),
        first=outcome_at_start(problem, snapshot, logits),
    )


def outcome_at_start(problem: Steps, first: Snapshot, logits: FloatArray) -> Outcome:
    """Round 0, of the first model and the logits of the canary rows."""
    unknown = float("nan")
    return Outcome(
        number=0,
        selection=Selection.empty(len(problem.classes)),
        variant=None,
        tried={},
        spread=Spread.empty(),
        n_labeled=problem.n_trained_on(first),
        validation=quality_of(
            problem.objective, problem.seen, problem.seen_logits(first)
        ),
        canary=quality_of(problem.objective, problem.canary, logits),
        canary_fall=unknown,
        canary_se=unknown,
        verdict="kept",
        seconds=0.0,
    )


def rounds(
    problem: Steps, budget: int, state: State
) -> Iterator[tuple[State, Round | None]]:
    """Run round after round from a state, until the run ends.

    Parameters
    ----------
    problem : Steps
    budget : int
        Total number of labels to assign.
    state : State

    Yields
    ------
    state : State
        The state after each round. Nothing is yielded if the given one has terminated.
    round : Round or None
        None, the last time, if the run ended without a further round.
    """
    while state.termination is None:
        state, record = advance(problem, state, budget)
        yield state, record


def run(
    problem: Steps,
    budget: int,
    state: State | None = None,
    tell: Callable[[Round], None] = lambda record: None,
) -> tuple[State, list[Round]]:
    """Run all rounds.

    Parameters
    ----------
    problem : Steps
    budget : int
        Total number of labels to assign.
    state : State, optional
        By default that of `start`.
    tell : callable, optional
        Called with each round when it is over.

    Returns
    -------
    state : State
    records : list of Round
        All rounds, also those that are undone.
    """
    state, records = start(problem) if state is None else state, []
    for after, record in rounds(problem, budget, state):
        state = after
        if record is not None:
            records.append(record)
            tell(record)
    return state, records


def outcomes_of(state: State, records: Iterable[Round]) -> list[Outcome]:
    """The start and all rounds, without their models."""
    return [state.first, *(record.outcome for record in records)]


def advance(problem: Steps, state: State, budget: int) -> tuple[State, Round | None]:
    """Run one round, or find that none can be run.

    Parameters
    ----------
    problem : Steps
    state : State
        A state that has not terminated.
    budget : int
        Total number of labels to assign.

    Returns
    -------
    state : State
        It has terminated if no round could be run, or the round was "harmful".
    round : Round or None
        None if no round could be run.
    """
    began = time.perf_counter()
    n_assigned = len(state.latest)
    reason = before_round(n_assigned, problem.n_available(state.latest), budget)
    if reason is not None:
        return replace(state, termination=reason), None
    number, size = state.rounds + 1, min(problem.batch_size, budget - n_assigned)
    found = problem.propose(number, state.latest, state.folds, size)
    if isinstance(found, str):
        return replace(state, termination=found), None
    logits = problem.canary_logits(found.snapshot, found.folds)
    record = _judged(problem, state, number, found, logits)
    record = replace(record, seconds=time.perf_counter() - began)
    return _after(state, record, logits), record


def before_round(n_assigned: int, n_available: int, budget: int) -> Termination | None:
    """Why no further round can start; None if one can.

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


def canary_loss(problem: Steps, logits: FloatArray) -> float:
    """The objective on the canary rows; NaN without a guard."""
    if not len(problem.canary):
        return float("nan")
    return bind(problem.objective, problem.canary)(logits)[0]


def as_limit(budget: int | None) -> int:
    """A budget as a number; for None, which is no limit, the largest int."""
    return sys.maxsize if budget is None else budget


def _judged(
    problem: Steps, state: State, number: int, found: Proposal, logits: FloatArray
) -> Round:
    """What came of a round; ``logits`` are those of the canary rows."""
    objective, truth = problem.objective, problem.canary
    canary = quality_of(objective, truth, logits)
    verdict: Verdict = "kept"
    fall = error = float("nan")
    if len(truth):
        verdict = judge(*decrease_in(objective, truth, state.canary.best, logits))
        fall, error = decrease_in(objective, truth, state.canary.start, logits)
    return Round(
        number=number,
        selection=found.selection,
        variant=found.variant,
        tried=found.tried or {found.variant: canary.loss},
        spread=found.spread,
        n_labeled=problem.n_trained_on(found.snapshot),
        validation=quality_of(
            objective, problem.seen, problem.seen_logits(found.snapshot)
        ),
        canary=canary,
        canary_fall=fall,
        canary_se=error,
        verdict=verdict,
        seconds=0.0,
        snapshot=found.snapshot,
        folds=found.folds,
    )


def _after(state: State, record: Round, logits: FloatArray) -> State:
    """The state after a judged round; ``logits`` are those of the canary rows."""
    state = replace(
        state,
        latest=record.snapshot,
        folds=record.folds,
        fold_history=(*state.fold_history, record.folds),
        rounds=record.number,
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


VERDICTS: dict[Verdict, str] = {
    "kept": "",
    "waiting": " (later rounds decide whether this one is undone)",
    "harmful": " (worse: undone by the guard)",
}


def logged(record: Round) -> None:
    """Log a line about a round."""
    LOG.info("%s", describe(record))


def printed(record: Round) -> None:
    """Log a line about a round, and print it."""
    logged(record)
    print(describe(record))


def describe(record: Round) -> str:
    """Describe a round in one line."""
    line = (
        f"round {record.number}: {record.n_labeled} labeled rows, "
        f"validation loss {record.validation_loss:.4f}"
    )
    if not np.isnan(record.canary_loss):
        line += f", held-out loss {record.canary_loss:.4f}"
    return line + VERDICTS[record.verdict]
