"""What people's decisions make of the labels of a run, and the model fitted to that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salutary.arrays import IntArray
from salutary.errors import InputError
from salutary.files import refuse_links
from salutary.labeling.fitting import Snapshot, fit
from salutary.labeling.problem import Problem
from salutary.ledgers.decisions import (
    Decision,
    DecisionName,
    current_decisions,
)
from salutary.ledgers.record import AssignedLabels
from salutary.ledgers.run_ledger import Ledger
from salutary.ledgers.schema import APPLICATION, LEDGER
from salutary.ledgers.sealed import application_of, not_as_written, open_ledger

DECIDED: dict[DecisionName, str] = {
    "accept": "accepted",
    "change": "changed",
    "reject": "rejected",
}
"""Decisions, and what they make of a label."""


@dataclass(frozen=True)
class DecidedLabels:
    """The labels of a run after people's decisions about them.

    Parameters
    ----------
    labels : AssignedLabels
        As the run assigned them, without those that were rejected.
    classes : ndarray of shape (n,), dtype intp
        The class of each: the one a person holds right, else the assigned one.
    decisions : list of str or None
        "accept", "change" or, where nobody has decided, None.
    counts : dict of str to int
        How many of the run's labels were accepted, changed and rejected.
    """

    labels: AssignedLabels
    classes: IntArray
    decisions: list[str | None]
    counts: dict[str, int]

    @classmethod
    def of(
        cls, labels: AssignedLabels, made: Sequence[Decision], classes: Sequence[Any]
    ) -> DecidedLabels:
        """The labels after decisions.

        Parameters
        ----------
        labels : AssignedLabels
            Those that were not undone. Decisions about other rows change nothing.
        made : sequence of Decision
        classes : sequence
        """
        holds = current_decisions(made)
        codes = {str(label): code for code, label in enumerate(classes)}
        of_label = [holds.get(row) for row in labels.rows.tolist()]
        names = [None if one is None else one.decision for one in of_label]
        kept = np.flatnonzero([name != "reject" for name in names])
        labels_kept, decided = labels.take(kept), labels.classes.copy()
        for place, one in enumerate(of_label):
            if one is not None and one.label is not None:
                decided[place] = codes[one.label]
        counts = Counter(names)
        return cls(
            labels_kept,
            decided[kept],
            [names[place] for place in kept],
            {word: counts[name] for name, word in DECIDED.items()},
        )

    @property
    def any(self) -> bool:
        """Whether anybody has decided about any of the labels."""
        return any(self.counts.values())


def refitted(problem: Problem, best: Snapshot, decided: DecidedLabels) -> Snapshot:
    """The model of a run, fitted to the decided labels.

    The model itself if they are those it was fitted on.
    """
    rows, classes = decided.labels.rows, decided.classes
    if np.array_equal(rows, best.rows) and np.array_equal(classes, best.labels):
        return best
    return Snapshot(fit(problem, rows, classes, best.model), rows, classes)


def decided_figures(
    problem: Problem, best: Snapshot, after: Snapshot, decided: DecidedLabels
) -> dict[str, Any]:
    """Figures about decisions for run.json; empty if there are none.

    Parameters
    ----------
    problem : Problem
    best, after : Snapshot
        The model of the run, and the one fitted to the decided labels.
    decided : DecidedLabels
    """
    if not decided.any:
        return {}
    objective = problem.objective_of(problem.validation)
    losses = [
        float(objective(problem.validation.logits(snapshot.model))[0])
        for snapshot in (best, after)
    ]
    counts = np.bincount(decided.classes, minlength=len(problem.classes)).tolist()
    names = map(str, problem.classes.tolist())
    return {
        "decisions": {
            **decided.counts,
            "labels": len(decided.classes),
            "labels_by_class": dict(zip(names, counts, strict=True)),
            "validation_loss": losses,
        }
    }


@contextmanager
def reviewable(run_dir: Path) -> Iterator[Ledger]:
    """Open the ledger of a finished run whose labels people can decide about.

    Raises
    ------
    InputError
        If there is none, or it is not as it was written.
    """
    path = run_dir / LEDGER
    if not path.is_file() or not path.stat().st_size:
        raise InputError(f"{run_dir}: holds no run; pass the --out of one")
    refuse_links(run_dir)
    if application_of(path) != APPLICATION:
        raise _not_yet(run_dir, "advise")
    with open_ledger(Ledger, path) as ledger:
        if ledger.is_empty() or not ledger.is_sound():
            raise not_as_written(path)
        facts = ledger.facts()
        if facts["kind"] != "label":
            raise _not_yet(run_dir, facts["kind"])
        if not facts.get("report"):
            raise InputError(
                f"{run_dir}: holds a run that has not finished; finish it by 'salutary "
                f"resume {run_dir}'"
            )
        yield ledger


def _not_yet(run_dir: Path, command: str) -> InputError:
    return InputError(
        f"{run_dir}: holds a run of 'salutary {command}', which cannot be reviewed "
        "yet; pass the --out of 'salutary label'"
    )
