"""Write the rounds of a run to its ledger, and restore the run's state from there."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from salutary.labeling.fitting import Snapshot
from salutary.labeling.loop import Canary, Round, State, as_limit, canary_loss
from salutary.labeling.steps import Coefficients, Steps
from salutary.runs.ledger import Ledger
from salutary.runs.record import AssignedLabels, Record, RoundEntry


def restored(record: Record, problem: Steps) -> State:
    """Restore the state after the last round of a record, to continue the run.

    Parameters
    ----------
    record : Record
        The record of a run of ``problem``.
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
    """Whether the old budget made the last round smaller than the new one would.

    A run that had the new budget from the start would have a larger round in its place.
    So the last round must be removed before the run is continued.
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
    """Coefficients of a snapshot's model; for a deep model, of its last layer."""
    return snapshot.model.coef_, snapshot.model.intercept_


def commit(ledger: Ledger, record: Round, ids: pa.Array) -> None:
    """Write a round to the ledger; ``ids`` are the names of the pool rows."""
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
