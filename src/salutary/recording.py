"""Between a run's state and its ledger: write each round, and read the state back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from salutary.entries import AssignedLabels, Coefficients, RoundEntry
from salutary.fitting import Chain
from salutary.labeling.stopping import as_limit
from salutary.ledger import Ledger
from salutary.loop import (
    Canary,
    Round,
    State,
    canary_logits,
    canary_loss,
    restored_model,
)
from salutary.objective import IntArray
from salutary.problem import Problem


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
    record = _Record(ledger, problem)
    if record.was_cut_short(as_limit(ledger.fact("settings")["budget"]), budget):
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
                canary_logits(self.problem, self.folds(self.entries[0])),
                canary_logits(self.problem, self.folds(self.kept)),
            ),
            termination="guard" if last.verdict == "harmful" else None,
        )


def start_entry(problem: Problem, state: State) -> RoundEntry:
    """Round 0: the model fitted on the labeled set."""
    return RoundEntry(
        round=0,
        n_labeled=len(problem.labeled),
        validation_loss=problem.loss(problem.validation, state.chain.model),
        canary_loss=_or_none(canary_loss(problem, state.canary.start)),
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
