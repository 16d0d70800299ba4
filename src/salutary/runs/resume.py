"""Between a run's state and its ledger: write each round, and read the state back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from salutary.labeling.fitting import Snapshot
from salutary.labeling.loop import (
    Canary,
    Coefficients,
    Round,
    State,
    Steps,
    as_limit,
    canary_loss,
)
from salutary.runs.ledger import Ledger
from salutary.runs.record import AssignedLabels, Record, RoundEntry


def restored(record: Record, problem: Steps) -> State:
    """The state after a record's last round, from which the run goes on.

    Parameters
    ----------
    record : Record
        Of a run of this problem.
    problem : Steps
    """
    first, best, last = record.entries[0], record.best, record.entries[-1]

    def snapshot(entry: RoundEntry) -> Snapshot:
        return problem.restored(entry.round, *record.labels_by(entry), entry.model)

    def folds(entry: RoundEntry) -> tuple[Snapshot, ...]:
        return tuple(
            problem.restored(entry.round, *labels, coefficients)
            for coefficients, labels in zip(
                entry.folds, record.fold_labels_by(entry), strict=True
            )
        )

    at_best = snapshot(best)
    return State(
        latest=snapshot(last),
        folds=folds(last),
        rounds=last.round,
        best=at_best,
        best_round=best.round,
        canary=Canary(
            problem.canary_logits(snapshot(first), folds(first)),
            problem.canary_logits(at_best, folds(best)),
        ),
        termination=record.termination,
    )


def is_cut_short(record: Record, batch_size: int, budget: int) -> bool:
    """Whether the last round is smaller than it would be under another budget.

    The run that the new budget gives at once has a larger round in its place, so a run
    that goes on must take this one out first.
    """
    if len(record.entries) < 2:
        return False
    before = len(record.labels_by(record.entries[-2])[0])
    budget_then = as_limit(record.facts["settings"]["budget"])
    return min(batch_size, budget_then - before) < min(batch_size, budget - before)


def first_entry(problem: Steps, state: State) -> RoundEntry:
    """Round 0: the model fitted on the labeled set."""
    return RoundEntry(
        round=0,
        n_labeled=problem.n_trained_on(state.latest),
        validation_loss=problem.validation_loss(state.latest),
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
    """Those of a snapshot's model; a deep model has them in its last layer."""
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
