"""Between a run's state and its ledger: write each round, and read the state back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from sklearn.linear_model import LogisticRegression

from salutary.errors import InputError
from salutary.fitting import Chain, refitted, training_rows
from salutary.ledger import AssignedLabels, Coefficients, Ledger, RoundEntry
from salutary.loop import (
    Canary,
    Round,
    State,
    canary_losses,
    mean_canary_loss,
    restored_model,
)
from salutary.objective import IntArray
from salutary.problem import LabeledRows, Problem

LARGEST_MOVE = 1e-3
"""Part of the largest coefficient that a refit of the same rows may move one by."""

LARGEST_GAIN = 1e-6
"""Or the part of the training loss that it may gain."""


def restored(ledger: Ledger, path: Path, problem: Problem, budget: int) -> State:
    """The state after the ledger's last round, from which the run goes on.

    Parameters
    ----------
    ledger : Ledger
        Of a run of this problem. A round that its budget cut short is taken out of it
        where the new one would not, so that the run becomes the one that ``budget``
        gives at once.
    path : Path
        Of the ledger, for messages.
    problem : Problem
    budget : int

    Raises
    ------
    InputError
        For a ledger whose labels are not those its coefficients were fitted on.
    """
    try:
        record = _Record(ledger, problem)
        sound = record.holds_together()
    except (LookupError, TypeError, ValueError):  # not even of the right shapes
        sound = False
    if not sound:
        raise InputError(
            f"{path}: its labels and coefficients do not belong together, so it was "
            "edited or damaged; restore it, or pass another --out"
        )
    if record.was_cut_short(ledger.fact("settings")["budget"], budget):
        ledger.forget(record.entries[-1].round)
        record = _Record(ledger, problem)
    return record.state()


class _Record:
    """What a ledger holds of a run, as chains."""

    def __init__(self, ledger: Ledger, problem: Problem) -> None:
        self.problem = problem
        self.entries = ledger.rounds()
        self.labels = ledger.labels(len(problem.classes))
        self.of_folds = ledger.fold_labels(len(problem.folds))
        self.kept = [entry for entry in self.entries if entry.verdict == "kept"][-1]

    def chain(self, entry: RoundEntry) -> Chain:
        found = self.labels
        labels = found.rows, found.classes, found.rounds
        return self._chain(entry, entry.model, *labels)

    def folds(self, entry: RoundEntry) -> tuple[Chain, ...]:
        pairs = zip(entry.folds, self.of_folds, strict=True)
        return tuple(self._chain(entry, model, *labels) for model, labels in pairs)

    def _chain(
        self,
        entry: RoundEntry,
        coefficients: Coefficients,
        rows: IntArray,
        classes: IntArray,
        rounds: IntArray,
    ) -> Chain:
        n_labels = int(np.searchsorted(rounds, entry.round, side="right"))
        model = restored_model(self.problem, *coefficients)
        return Chain(model, rows[:n_labels], classes[:n_labels])

    def holds_together(self) -> bool:
        """Whether all that the state is made of was fitted on the labels there are."""
        return all(
            _belongs(self.problem, chain)
            for entry in (self.entries[0], self.kept, self.entries[-1])
            for chain in (self.chain(entry), *self.folds(entry))
        )

    def was_cut_short(self, budget_then: int, budget: int) -> bool:
        """Whether the last round would have been larger under the new budget."""
        if len(self.entries) == 1:
            return False
        before = len(self.chain(self.entries[-2]))
        size = self.problem.batch_size
        return min(size, budget_then - before) < min(size, budget - before)

    def state(self) -> State:
        last = self.entries[-1]
        return State(
            chain=self.chain(last),
            folds=self.folds(last),
            rounds=last.round,
            kept=self.chain(self.kept),
            kept_rounds=self.kept.round,
            canary=Canary(
                canary_losses(self.problem, self.folds(self.entries[0])),
                canary_losses(self.problem, self.folds(self.kept)),
            ),
            termination="guard" if last.verdict == "harmful" else None,
        )


def _belongs(problem: Problem, chain: Chain) -> bool:
    """Whether a refit of a chain's rows leaves its coefficients where they are."""
    coef, intercept = coefficients_of(chain)
    n_pool, n_features = problem.pool.X.shape
    n_classes = len(problem.classes)
    fits = (
        np.isfinite(coef).all()
        and np.isfinite(intercept).all()
        and coef.shape == (1 if n_classes == 2 else n_classes, n_features)
        and np.isin(chain.rows, np.arange(n_pool)).all()
        and len(np.unique(chain.rows)) == len(chain.rows)
        and np.isin(chain.labels, np.arange(n_classes)).all()
    )
    if not fits:
        return False
    model = refitted(problem, chain).model
    moved = np.abs(model.coef_ - coef).max(), np.abs(model.intercept_ - intercept).max()
    largest = max(np.abs(coef).max(), np.abs(intercept).max())
    if max(moved) <= LARGEST_MOVE * (1 + largest):
        return True
    # Under a weak penalty many coefficients do as well, and a fit stops anywhere.
    rows = training_rows(problem, chain.rows, chain.labels)
    before, after = (_training_loss(rows, each) for each in (chain.model, model))
    return before - after <= LARGEST_GAIN * (1 + after)


def _training_loss(rows: LabeledRows, model: LogisticRegression) -> float:
    """What a fit minimizes."""
    penalty = np.square(model.coef_).sum() / (2 * model.C)
    return float(rows.loss(model) @ rows.weight + penalty)


def start_entry(problem: Problem, state: State) -> RoundEntry:
    """Round 0: the model fitted on the labeled set."""
    return RoundEntry(
        round=0,
        n_labeled=len(problem.labeled),
        validation_loss=problem.validation.mean_loss(state.chain.model),
        canary_loss=_or_none(mean_canary_loss(problem, state.canary.start)),
        canary_fall=None,
        canary_se=None,
        largest_influence=None,
        variant=None,
        verdict="kept",
        seconds=0.0,
        model=coefficients_of(state.chain),
        folds=tuple(coefficients_of(chain) for chain in state.folds),
    )


def coefficients_of(chain: Chain) -> Coefficients:
    """Those of a chain's model."""
    return chain.model.coef_, chain.model.intercept_


def commit(ledger: Ledger, record: Round, ids: pa.Array) -> None:
    """Write a round to the ledger; ``ids`` are the names of the pool's rows."""
    figures = record.summary()
    for name in ("canary_loss", "canary_fall", "canary_se"):
        figures[name] = _or_none(getattr(record, name))
    entry = RoundEntry(
        **figures,
        verdict=record.verdict,
        model=coefficients_of(record.chain),
        folds=tuple(coefficients_of(chain) for chain in record.folds),
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
    of_folds = tuple((chain.rows, chain.labels) for chain in record.folds)
    ledger.commit(entry, labels, named, of_folds)


def _or_none(number: float) -> float | None:
    return None if np.isnan(number) else number
