"""The figures of a finished run, as in run.json."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from salutary.advice.after_run import verdict_on
from salutary.advice.verdict import Verdict
from salutary.arrays import IntArray
from salutary.influence.labels import absent_classes
from salutary.labeling.definition import Definition
from salutary.runs.kind import FinishedRun


def run_figures(finished: FinishedRun, validation_labels: IntArray) -> dict[str, Any]:
    """Figures that every kind of run has.

    Parameters
    ----------
    finished : FinishedRun
    validation_labels : ndarray of shape (n_rows,), dtype intp
        Positions of the classes of the validation rows that influence saw.
    """
    problem, state = finished.prepared.problem, finished.state
    first, best = finished.record.entries[0], finished.best_entry
    classes = problem.classes
    return {
        "termination": state.ending,
        "rounds": state.rounds,
        "refused_rounds": state.n_undone,
        "labels": len(finished.labels.rows),
        "labels_by_class": counts_by_class(classes, finished.labels.classes),
        "validation_rows": len(validation_labels),
        "validation_loss": [first.validation_loss, best.validation_loss],
        "canary_rows": len(problem.canary),
        "canary_loss": [first.canary_loss, best.canary_loss],
        "canary_se": best.canary_se,
        "recurring_validation_rows": finished.prepared.recurring,
        "classes_not_validated": absent_classes(classes, validation_labels),
    }


def convex_figures(finished: FinishedRun) -> dict[str, Any]:
    """Figures of a run whose model is a logistic regression on the tables' columns."""
    problem, request = finished.prepared.problem, finished.request
    verdict = verdict_on(
        problem, finished.state, request.settings.objective, n_jobs=request.jobs
    )
    return {
        **run_figures(finished, problem.validation.labels),
        "C": problem.estimator.C,
        "guessing_loss": _guessing_loss(problem),
        "train_by_class": counts_by_class(problem.classes, problem.labeled.labels),
        "verdict": figures_of(verdict),
    }


def figures_of(verdict: Verdict | None) -> dict[str, Any] | None:
    """Figures of a verdict; None if there were no canary rows to judge by."""
    return None if verdict is None else verdict.to_dict()


def counts_by_class(classes: NDArray[Any], labels: IntArray) -> dict[str, int]:
    """Number of labels of each class."""
    counts = np.bincount(labels, minlength=len(classes))
    return {
        str(label): int(count)
        for label, count in zip(classes.tolist(), counts, strict=True)
    }


def _guessing_loss(problem: Definition) -> float:
    """The objective if the class shares of labeled rows are predicted for every row."""
    labels = problem.labeled.labels
    share = np.bincount(labels, minlength=len(problem.classes)) / len(labels)
    logits = np.tile(np.log(share), (len(problem.validation), 1))
    return problem.objective_of(problem.validation)(logits)[0]
