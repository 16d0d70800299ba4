"""The figures of a finished run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from salutary.alternatives import train_on_both, train_on_validation
from salutary.entries import AssignedLabels, RoundEntry
from salutary.labeling.marker import absent_classes
from salutary.loop import State
from salutary.objective import IntArray
from salutary.problem import Problem
from salutary.request import Request


class Prepared(Protocol):
    """Tables made a problem, as far as every kind of run looks at it."""

    @property
    def problem(self) -> Any:
        """What the steps of the run work on; has ``classes``."""

    @property
    def ids(self) -> pa.Array:
        """Names of the rows that get labels."""

    @property
    def n_rows(self) -> dict[str, int]:
        """Rows of each table."""

    @property
    def embedder(self) -> str | None:
        """Fingerprint of the language model, if there is one."""


@dataclass(frozen=True)
class Finished:
    """A run that has ended, and all that its results are made of.

    Parameters
    ----------
    request : Request
    prepared : TableProblem or another
    state : State
    assigned : AssignedLabels
        Of all rounds.
    entries : list of RoundEntry
        All rounds, from round 0.
    """

    request: Request
    prepared: Any
    state: State
    assigned: AssignedLabels
    entries: list[RoundEntry]

    @property
    def labels(self) -> AssignedLabels:
        """Those that stayed."""
        return self.assigned.first(len(self.state.kept))


def outcome_of(finished: Finished) -> dict[str, Any]:
    """Figures that every kind of run has."""
    problem, state = finished.prepared.problem, finished.state
    first, last = finished.entries[0], finished.entries[state.kept_rounds]
    both = train_on_both(problem, state.canary.kept)
    alone = train_on_validation(problem, state.canary.kept)
    return {
        "termination": state.ending,
        "C": problem.estimator.C,
        "rounds": state.rounds,
        "refused_rounds": state.rounds - state.kept_rounds,
        "labels": len(finished.labels.rows),
        "labels_by_class": counts_by_class(problem.classes, finished.labels.classes),
        "validation_rows": len(problem.validation),
        "validation_loss": [first.validation_loss, last.validation_loss],
        "guessing_loss": _guessing_loss(problem),
        "canary_rows": len(problem.canary) if problem.folds else 0,
        "canary_loss": [first.canary_loss, last.canary_loss],
        "canary_se": last.canary_se,
        "both_tables": None if both is None else asdict(both),
        "validation_only": None if alone is None else asdict(alone),
        "recurring_validation_rows": finished.prepared.recurring,
        "classes_not_validated": absent_classes(
            problem.classes, problem.validation.labels
        ),
    }


def counts_by_class(classes: NDArray[Any], labels: IntArray) -> dict[str, int]:
    """How many of the labels are of each class."""
    counts = np.bincount(labels, minlength=len(classes))
    return {
        str(label): int(count)
        for label, count in zip(classes.tolist(), counts, strict=True)
    }


def _guessing_loss(problem: Problem) -> float:
    """The objective when every validation row gets the shares of the labeled rows."""
    labels = problem.labeled.labels
    share = np.bincount(labels, minlength=len(problem.classes)) / len(labels)
    logits = np.tile(np.log(share), (len(problem.validation), 1))
    return problem.objective_of(problem.validation)(logits)[0]
