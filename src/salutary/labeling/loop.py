"""A run as rounds over an explicit state: propose a batch, judge it, keep or undo it.

A run is `start` and then `rounds` until the state's ``termination`` is set. The caller
keeps what each round decided (the classifier in ``history_``, the command line in its
ledger), so a run resumes from that exactly where it stopped. What is labeled and what
is refitted is up to the `Steps`: a logistic regression's (`Problem`) or a deep model's
(`FineTuning`).

Rounds are judged on canary rows: validation rows that influence does not see. A round
is **undone** when the run ends and an earlier one has the lowest canary loss.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from salutary.arrays import FloatArray, IntArray
from salutary.influence.objectives import Objective, Truth, bind
from salutary.labeling.fitting import Snapshot
from salutary.labeling.guard import Verdict, decrease_in, judge
from salutary.labeling.selection import Selection

Termination = Literal["budget", "no_positive_influence", "guard", "pool_exhausted"]
"""Why a run ends."""

Coefficients = tuple[FloatArray, FloatArray]
"""scikit-learn's coef_ and intercept_, (1 or n_classes, n_features) and
(1 or n_classes,), float64."""


@dataclass(frozen=True)
class Proposal:
    """A batch, and the models refitted with it.

    Parameters
    ----------
    selection : Selection
        The rows it labels; at least one.
    variant : str
        Of the rule, by which the rows were chosen.
    snapshot : Snapshot
        With these labels.
    folds : tuple of Snapshot
        Each with the labels of its own batch.
    """

    selection: Selection
    variant: str
    snapshot: Snapshot
    folds: tuple[Snapshot, ...] = ()


class Steps(Protocol):
    """What the loop asks of whatever is labeled and refitted."""

    @property
    def classes(self) -> NDArray[np.generic]:
        """Sorted, shape (n_classes,)."""

    @property
    def batch_size(self) -> int:
        """Labels a round."""

    @property
    def objective(self) -> Objective:
        """What is to fall on the validation rows."""

    @property
    def canary(self) -> Truth:
        """The canary rows; none without a guard."""

    def first(self) -> tuple[Snapshot, tuple[Snapshot, ...]]:
        """The model of the labeled rows alone, and those of the folds."""

    def n_available(self, latest: Snapshot) -> int:
        """Pool rows that can still be labeled."""

    def n_trained_on(self, snapshot: Snapshot) -> int:
        """Rows a snapshot's model was fitted on."""

    def propose(
        self, number: int, latest: Snapshot, folds: tuple[Snapshot, ...], size: int
    ) -> Proposal | Termination:
        """The batch of a round, of ``size`` rows at most; or why there is none."""

    def canary_logits(
        self, latest: Snapshot, folds: tuple[Snapshot, ...]
    ) -> FloatArray:
        """Logits of the canary rows under models that have not seen them."""

    def validation_loss(self, snapshot: Snapshot) -> float:
        """The objective of the rows that influence looks at."""

    def restored(
        self, number: int, rows: IntArray, labels: IntArray, coefficients: Coefficients
    ) -> Snapshot:
        """The snapshot after a round, of what a record holds of it."""


@dataclass(frozen=True)
class Canary:
    """Logits of the canary rows, each under a model that never saw it.

    Parameters
    ----------
    start, best : ndarrays of shape (n_canary, n_classes)
        Before the first round and after the best; empty without a guard.
    """

    start: FloatArray
    best: FloatArray


@dataclass(frozen=True)
class State:
    """How far a run has come.

    Parameters
    ----------
    latest : Snapshot
        The model, and the pool rows labeled so far, also in rounds that may be undone.
    folds : tuple of Snapshot
        The same for each fold of the problem.
    rounds : int
        Rounds run.
    best : Snapshot
        As it was after the round with the lowest canary loss.
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
        """Why the run ended: "guard" whenever rounds are undone."""
        return "guard" if self.n_undone else self.termination

    @property
    def n_undone(self) -> int:
        """Rounds after the best, which are undone if the run ends here."""
        return self.rounds - self.best_round

    def undoes(self, number: int) -> bool:
        """Whether a round is undone if the run ends here."""
        return number > self.best_round


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
        The objective of the canary rows; how much it has decreased since the start, and
        the standard error of that. NaN without a guard.
    verdict : {"kept", "waiting", "harmful"}
        See `salutary.labeling.guard.judge`.
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


def start(problem: Steps) -> State:
    """Fit the model on the labeled rows: the state before the first round."""
    snapshot, folds = problem.first()
    logits = problem.canary_logits(snapshot, folds)
    return State(snapshot, folds, 0, snapshot, 0, Canary(logits, logits))


def rounds(
    problem: Steps, budget: int, state: State
) -> Iterator[tuple[State, Round | None]]:
    """Run round after round from a state, to the end.

    Parameters
    ----------
    problem : Steps
    budget : int
        Labels to assign in all.
    state : State

    Yields
    ------
    state : State
        After each round; nothing where the given state has terminated.
    round : Round or None
        None, the last time, where the run ended without a further round.
    """
    while state.termination is None:
        state, record = advance(problem, state, budget)
        yield state, record


def run(
    problem: Steps, budget: int, state: State | None = None, *, verbose: bool = False
) -> tuple[State, list[Round]]:
    """Run to the end.

    Parameters
    ----------
    problem : Steps
    budget : int
        Labels to assign in all.
    state : State, optional
        From `start` by default.
    verbose : bool
        Whether to print a line a round.

    Returns
    -------
    state : State
    records : list of Round
        Those that are undone, too.
    """
    state, records = start(problem) if state is None else state, []
    for after, record in rounds(problem, budget, state):
        state = after
        if record is not None:
            records.append(record)
            if verbose:
                print(describe(record))
    return state, records


def advance(problem: Steps, state: State, budget: int) -> tuple[State, Round | None]:
    """Run one round, or find that none can be run.

    Parameters
    ----------
    problem : Steps
    state : State
        Not terminated.
    budget : int
        Labels to assign in all.

    Returns
    -------
    state : State
        After a round that made the canary loss clearly worse, with the termination
        "guard".
    round : Round or None
        None when the run ended without a round.
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
    verdict, decrease, error = _judged(problem, state.canary, logits)
    record = Round(
        number=number,
        selection=found.selection,
        snapshot=found.snapshot,
        folds=found.folds,
        variant=found.variant,
        n_labeled=problem.n_trained_on(found.snapshot),
        validation_loss=problem.validation_loss(found.snapshot),
        canary_loss=canary_loss(problem, logits),
        canary_fall=decrease,
        canary_se=error,
        verdict=verdict,
        seconds=time.perf_counter() - began,
    )
    return _after(state, record, logits), record


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


def canary_loss(problem: Steps, logits: FloatArray) -> float:
    """The objective of the canary rows; NaN without a guard."""
    if not len(problem.canary):
        return float("nan")
    return bind(problem.objective, problem.canary)(logits)[0]


def as_limit(budget: int | None) -> int:
    """A budget as a number; as large as can be for None."""
    return sys.maxsize if budget is None else budget


def _judged(
    problem: Steps, canary: Canary, logits: FloatArray
) -> tuple[Verdict, float, float]:
    """The verdict, the canary loss's decrease since the start, and its error."""
    objective, truth = problem.objective, problem.canary
    if not len(truth):
        return "kept", float("nan"), float("nan")
    verdict = judge(*decrease_in(objective, truth, canary.best, logits))
    return verdict, *decrease_in(objective, truth, canary.start, logits)


def _after(state: State, record: Round, logits: FloatArray) -> State:
    """The state once a round is judged, whose canary rows have the given logits."""
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


VERDICTS: dict[Verdict, str] = {
    "kept": "",
    "waiting": " (later rounds decide whether this one is undone)",
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
