"""The figures of a finished run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salutary.advice.after_run import train_on_both, train_on_validation
from salutary.arrays import IntArray
from salutary.influence.labels import absent_classes
from salutary.labeling.problem import Problem
from salutary.runs.kind import Finished


def outcome_of(finished: Finished) -> dict[str, Any]:
    """Figures that every kind of run has."""
    problem, state = finished.prepared.problem, finished.state
    first, last = finished.entries[0], finished.entries[state.best_round]
    both = train_on_both(problem, state.canary.best)
    alone = train_on_validation(problem, state.canary.best)
    return {
        "termination": state.ending,
        "C": problem.estimator.C,
        "rounds": state.rounds,
        "refused_rounds": state.rounds - state.best_round,
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
