"""Write the rounds of a run to its ledger, and restore the run's state from there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from salutary.labeling.fitting import Snapshot
from salutary.labeling.loop import Canary, State, as_limit, outcome_at_start
from salutary.labeling.outcome import Outcome, Round
from salutary.labeling.steps import Coefficients, Steps
from salutary.ledgers.decisions import DECISIONS
from salutary.ledgers.record import AssignedLabels, Record, RoundDetails, RoundEntry
from salutary.ledgers.run_ledger import Ledger


def restored(record: Record, problem: Steps, n_rows: int) -> State:
    """Restore the state after the last round of a record, to continue the run.

    Parameters
    ----------
    record : Record
        The record of a run of ``problem``.
    problem : Steps
    n_rows : int
        Number of rows that can get labels.

    Raises
    ------
    ValueError
        If the record cannot be of a run of ``problem``.
    """
    _check_labels(record, len(problem.classes), n_rows)
    _check_decisions(record, problem.classes.tolist())
    first, best, last = record.entries[0], record.best, record.entries[-1]

    def snapshot(entry: RoundEntry) -> Snapshot:
        return problem.restored(entry.round, *record.labels_by(entry), entry.model)

    def folds(entry: RoundEntry) -> tuple[Snapshot, ...]:
        return tuple(
            problem.restored(entry.round, *labels, coefficients, fold)
            for fold, (coefficients, labels) in enumerate(
                zip(entry.folds, record.fold_labels_by(entry), strict=True)
            )
        )

    at_start = snapshot(first)
    at_best, of_folds = snapshot(best), tuple(folds(entry) for entry in record.entries)
    logits_at_start = problem.canary_logits(at_start, of_folds[0])
    return State(
        latest=snapshot(last),
        folds=of_folds[-1],
        fold_history=of_folds,
        rounds=last.round,
        best=at_best,
        best_round=best.round,
        canary=Canary(
            logits_at_start,
            problem.canary_logits(at_best, of_folds[best.round]),
        ),
        first=outcome_at_start(problem, at_start, logits_at_start),
        termination=record.termination,
    )


def _check_labels(record: Record, n_classes: int, n_rows: int) -> None:
    """Refuse labels of rows or classes that there are none of."""
    of_folds = [(rows, classes) for rows, classes, _ in record.fold_labels]
    for rows, classes in ((record.labels.rows, record.labels.classes), *of_folds):
        for values, number, what in (
            (rows, n_rows, "row"),
            (classes, n_classes, "class"),
        ):
            beyond = values[(values < 0) | (values >= number)]
            if len(beyond):
                raise ValueError(f"a label of {what} {beyond[0]}")


def _check_decisions(record: Record, classes: list[Any]) -> None:
    """Refuse decisions that are none, and those for classes that there are none of."""
    names = {str(label) for label in classes}
    for one in record.decisions:
        has_label = one.decision in ("accept", "change")
        if one.decision not in DECISIONS or has_label != (one.label in names):
            raise ValueError(f"a decision {one.decision!r} for {one.label!r}")


def n_whole_rounds(record: Record, batch_size: int, budget: int) -> int:
    """Number of rounds that the run of another budget would have begun with as well.

    Near the end of its budget a run asks for fewer labels than a batch. The first such
    round, and so all after it, may differ from those of the run that the new budget
    gives at once, so a run that goes on must forget them first.

    Parameters
    ----------
    record : Record
    batch_size : int
        Number of labels in a round.
    budget : int
        The new budget.
    """
    budget_then = as_limit(record.facts["settings"]["budget"])
    for number, before in enumerate(record.entries[:-1]):
        n_labels = len(record.labels_by(before)[0])
        size = min(batch_size, budget_then - n_labels)
        if size < min(batch_size, budget - n_labels):
            return number
    return len(record.entries) - 1


def begin(ledger: Ledger, facts: dict[str, Any], problem: Steps, state: State) -> None:
    """Write the facts of a run and round 0, the start, to the ledger."""
    entry = _entry(state.first, state.latest, state.folds)
    ledger.begin(facts, problem.classes.tolist(), entry, _details(state.first))


def coefficients_of(snapshot: Snapshot) -> Coefficients:
    """Coefficients of a snapshot's model; for a deep model, of its last layer."""
    return snapshot.model.coef_, snapshot.model.intercept_


def commit(
    ledger: Ledger, record: Round, ids: pa.Array
) -> tuple[RoundEntry, list[str]]:
    """Write a round to the ledger; ``ids`` are the names of the pool rows.

    Returns
    -------
    entry : RoundEntry
        As the ledger has it.
    named : list of str
        Names of the rows that the round has labeled.
    """
    chosen = record.selection
    labels = AssignedLabels(
        rows=chosen.rows,
        rounds=np.full(len(chosen), record.number),
        classes=chosen.labels,
        influence=chosen.influence,
        probability=chosen.probability,
        influence_se=chosen.influence_se,
        scores=chosen.scores,
        rank=chosen.rank,
        distance=chosen.distance,
    )
    named = [str(ids[row]) for row in chosen.rows.tolist()]
    of_folds = tuple((snapshot.rows, snapshot.labels) for snapshot in record.folds)
    entry = _entry(record, record.snapshot, record.folds)
    ledger.commit(entry, _details(record), labels, named, of_folds)
    return entry, named


def _entry(
    outcome: Outcome, snapshot: Snapshot, folds: tuple[Snapshot, ...]
) -> RoundEntry:
    figures: dict[str, Any] = {
        name: None if isinstance(value, float) and np.isnan(value) else value
        for name, value in outcome.summary().items()
    }
    return RoundEntry(
        **figures,
        model=coefficients_of(snapshot),
        folds=tuple(coefficients_of(fold) for fold in folds),
    )


def _details(outcome: Outcome) -> RoundDetails:
    losses = outcome.validation.class_losses, outcome.canary.class_losses
    return RoundDetails(np.column_stack(losses), outcome.tried, outcome.spread)
