"""Between a run's state and its ledger: write each round, and read the state back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from salutary.arrays import IntArray
from salutary.labeling.fitting import Snapshot
from salutary.labeling.loop import (
    Canary,
    Round,
    State,
    Termination,
    as_limit,
    canary_logits,
    canary_loss,
    restored_model,
)
from salutary.labeling.problem import Problem
from salutary.runs.entries import (
    AssignedLabels,
    Coefficients,
    RoundEntry,
    RowsAndClasses,
)
from salutary.runs.ledger import Ledger


def restored(ledger: Ledger, problem: Problem, budget: int) -> State:
    """The state after the ledger's last round, from which the run goes on.

    Parameters
    ----------
    ledger : Ledger
        Of a run of this problem, sound. A round that its budget cut short is taken out
        of it where the new one would not, so that the run becomes the one that
        ``budget`` gives at once.
    problem : Problem
    budget : int
    """
    record = whole_rounds(ledger, len(problem.classes), problem.batch_size, budget)
    of_folds = ledger.fold_labels(len(problem.folds))
    first, last = record.entries[0], record.entries[-1]

    def snapshot(entry: RoundEntry) -> Snapshot:
        return Snapshot(restored_model(problem, *entry.model), *record.labels_by(entry))

    def folds(entry: RoundEntry) -> tuple[Snapshot, ...]:
        return tuple(
            Snapshot(restored_model(problem, *coefficients), *_until(entry, *labels))
            for coefficients, labels in zip(entry.folds, of_folds, strict=True)
        )

    return State(
        latest=snapshot(last),
        folds=folds(last),
        rounds=last.round,
        best=snapshot(record.best),
        best_round=record.best.round,
        canary=Canary(
            canary_logits(problem, folds(first)),
            canary_logits(problem, folds(record.best)),
        ),
        termination=record.termination,
    )


@dataclass(frozen=True)
class Record:
    """What a ledger holds of a run.

    Parameters
    ----------
    entries : list of RoundEntry
        From round 0.
    labels : AssignedLabels
        Of all rounds.
    """

    entries: list[RoundEntry]
    labels: AssignedLabels

    @property
    def best(self) -> RoundEntry:
        """The best round."""
        return [entry for entry in self.entries if entry.verdict == "kept"][-1]

    @property
    def termination(self) -> Termination | None:
        """Why no further round can be run, if so."""
        return "guard" if self.entries[-1].verdict == "harmful" else None

    def labels_by(self, entry: RoundEntry) -> RowsAndClasses:
        """Pool rows that were labeled by the end of a round, and their classes."""
        found = self.labels
        return _until(entry, found.rows, found.classes, found.rounds)


def whole_rounds(
    ledger: Ledger, n_classes: int, batch_size: int, budget: int
) -> Record:
    """What a ledger holds, without a last round that its old budget had cut short."""
    record = Record(ledger.rounds(), ledger.labels(n_classes))
    if len(record.entries) > 1:
        before = len(record.labels_by(record.entries[-2])[0])
        budget_then = as_limit(ledger.fact("settings")["budget"])
        if min(batch_size, budget_then - before) < min(batch_size, budget - before):
            ledger.forget(record.entries[-1].round)
            record = Record(ledger.rounds(), ledger.labels(n_classes))
    return record


def _until(
    entry: RoundEntry, rows: IntArray, classes: IntArray, rounds: IntArray
) -> RowsAndClasses:
    n_labels = int(np.searchsorted(rounds, entry.round, side="right"))
    return rows[:n_labels], classes[:n_labels]


def start_entry(problem: Problem, state: State) -> RoundEntry:
    """Round 0: the model fitted on the labeled set."""
    return RoundEntry(
        round=0,
        n_labeled=len(problem.labeled),
        validation_loss=problem.loss(problem.validation, state.latest.model),
        canary_loss=_or_none(canary_loss(problem, state.canary.start)),
        canary_fall=None,
        canary_se=None,
        largest_influence=None,
        variant=None,
        verdict="kept",
        seconds=0.0,
        model=coefficients_of(state.latest),
        folds=tuple(coefficients_of(snapshot) for snapshot in state.folds),
    )


def coefficients_of(snapshot: Snapshot) -> Coefficients:
    """Those of a snapshot's model."""
    return snapshot.model.coef_, snapshot.model.intercept_


def commit(ledger: Ledger, record: Round, ids: pa.Array) -> None:
    """Write a round to the ledger; ``ids`` are the names of the pool's rows."""
    figures = record.summary()
    for name in ("canary_loss", "canary_fall", "canary_se"):
        figures[name] = _or_none(getattr(record, name))
    entry = RoundEntry(
        **figures,
        verdict=record.verdict,
        model=coefficients_of(record.snapshot),
        folds=tuple(coefficients_of(snapshot) for snapshot in record.folds),
    )
    chosen = record.selection
    labels = AssignedLabels(
        rows=chosen.rows,
        rounds=np.full(len(chosen), record.number),
        classes=chosen.labels,
        influence=chosen.influence,
        probability=chosen.probability,
        influence_se=chosen.influence_se,
    )
    named = [str(ids[row]) for row in chosen.rows.tolist()]
    of_folds = tuple((snapshot.rows, snapshot.labels) for snapshot in record.folds)
    ledger.commit(entry, labels, named, of_folds)


def _or_none(number: float) -> float | None:
    return None if np.isnan(number) else number
