"""How far a model can be believed before and after a run: calibration and mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, log_loss

from salutary.arrays import Float64Array, IntArray
from salutary.errors import InputError
from salutary.labeling.guard import FOLDS
from salutary.labeling.splits import stratified_parts
from salutary.labeling.steps import Coefficients
from salutary.ledgers.record import Record
from salutary.report.rows import validation_rows
from salutary.runs.artifacts import load
from salutary.tables.casting import cast_features

MOST_BINS = 10
FEWEST_IN_BIN = 10
"""Bins of the calibration, and the fewest rows of one."""

SAME = 1e-4
"""Largest difference between a loss computed here and that of the ledger."""


@dataclass(frozen=True)
class Judged:
    """Probabilities of rows before and after a run.

    Parameters
    ----------
    name : str
        What the rows are called.
    truth : ndarray of shape (n_rows,), dtype intp
    before, after : ndarrays of shape (n_rows, n_classes)
    """

    name: str
    truth: IntArray
    before: Float64Array
    after: Float64Array

    @property
    def calibration(self) -> pd.DataFrame:
        """How sure the model was of its guesses, and how often they were right."""
        parts = [
            calibration(probability, self.truth).assign(model=model)
            for model, probability in (("before", self.before), ("after", self.after))
        ]
        return pd.concat(parts, ignore_index=True)

    @property
    def confusion(self) -> tuple[IntArray, IntArray]:
        """Numbers of rows by class and guess, before and after."""
        n_classes = self.before.shape[1]
        before, after = (
            confusion_matrix(
                self.truth, probability.argmax(axis=1), labels=range(n_classes)
            )
            for probability in (self.before, self.after)
        )
        return before, after


def calibration(probability: Float64Array, truth: IntArray) -> pd.DataFrame:
    """Compare how sure a model is of its guesses with how often they are right.

    Parameters
    ----------
    probability : ndarray of shape (n_rows, n_classes)
    truth : ndarray of shape (n_rows,), dtype intp

    Returns
    -------
    DataFrame
        A row for each of at most ten parts of the rows, from those whose guess the
        model is least sure of: ``rows``, ``sure``, the mean probability of the guesses,
        and ``right``, the share of guesses that are right.

    Examples
    --------
    >>> import numpy as np
    >>> calibration(np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([0, 0]))
       rows  sure  right
    0     2   0.8    0.5
    """
    sure, right = probability.max(axis=1), probability.argmax(axis=1) == truth
    n_bins = int(np.clip(len(truth) // FEWEST_IN_BIN, 1, MOST_BINS))
    parts = np.array_split(np.argsort(sure, kind="stable"), n_bins)
    return pd.DataFrame(
        {
            "rows": [len(part) for part in parts],
            "sure": [float(sure[part].mean()) for part in parts],
            "right": [float(right[part].mean()) for part in parts],
        }
    )


def judged_rows(run_dir: Path, record: Record) -> Sequence[Judged]:
    """Probabilities of the validation rows before and after a run.

    With a guard, those of its folds come first, each of rows that the fold's labels
    were not chosen by.

    Parameters
    ----------
    run_dir : Path
    record : Record

    Raises
    ------
    InputError
        If there is no model, the rows cannot be read or have changed, or their loss is
        not that of the ledger. Of texts, if the run has not finished.
    """
    facts = record.facts
    judged = _kept(facts) if facts["settings"].get("text") else _again(run_dir, record)
    first, best = record.entries[0], record.best
    losses = [
        (first.canary_loss or 0.0, best.canary_loss or 0.0),
        (first.validation_loss, best.validation_loss),
    ]
    if facts["settings"].get("objective", "log_loss") == "log_loss":
        for found, expected in zip(judged, losses[-len(judged) :], strict=True):
            _check(found, expected)
    return judged


def _kept(facts: Mapping[str, Any]) -> list[Judged]:
    """What the run has left in its ledger."""
    if not facts.get("judged"):
        raise InputError("a run of texts leaves these figures when it has finished")
    return [
        Judged(
            each["name"],
            np.array(each["truth"], dtype=np.intp),
            np.array(each["before"], dtype=np.float64),
            np.array(each["after"], dtype=np.float64),
        )
        for each in facts["judged"]
    ]


def _again(run_dir: Path, record: Record) -> list[Judged]:
    """The rows read again, and judged by the coefficients of the ledger."""
    facts = record.facts
    model = load(run_dir)
    table, truth = validation_rows(facts, model.classes_)
    features = cast_features(table, model["types"].kinds, "VAL")
    X = model[1:-1].transform(features)
    first, best = record.entries[0], record.best
    judged = [
        Judged(
            "validation rows",
            truth,
            _probability(model[-1], first.model, X),
            _probability(model[-1], best.model, X),
        )
    ]
    if first.folds:
        rng = np.random.RandomState(facts["settings"]["seed"])
        parts = [part for _, part in stratified_parts(truth, FOLDS, rng)]
        rows = np.concatenate(parts)
        before, after = (
            np.concatenate(
                [
                    _probability(model[-1], coefficients, X.iloc[part])
                    for coefficients, part in zip(folds, parts, strict=True)
                ]
            )
            for folds in (first.folds, best.folds)
        )
        judged.insert(0, Judged("held-out rows", truth[rows], before, after))
    return judged


def _probability(
    classifier: LogisticRegression, coefficients: Coefficients, X: pd.DataFrame
) -> Float64Array:
    of_round = copy(classifier)
    of_round.coef_, of_round.intercept_ = coefficients
    return np.asarray(of_round.predict_proba(X), dtype=np.float64)


def _check(found: Judged, expected: tuple[float, float]) -> None:
    """Refuse figures of other rows or models than those of the ledger."""
    labels = range(found.before.shape[1])
    for probability, loss in zip((found.before, found.after), expected, strict=True):
        own = log_loss(found.truth, probability.clip(1e-300), labels=labels)
        if abs(own - loss) > SAME * max(1, abs(loss)):
            raise InputError(
                f"the loss of the {found.name} is {own:.4f}, not {loss:.4f} as then"
            )


def confusions(
    judged: Judged, classes: Sequence[str], most: int
) -> list[dict[str, Any]]:
    """The most frequent mistakes, for many classes: truth, guess and their numbers."""
    before, after = judged.confusion
    mistakes = before + after
    np.fill_diagonal(mistakes, 0)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:most]
    pairs = zip(*np.unravel_index(order, mistakes.shape), strict=True)
    return [
        {
            "truth": classes[row],
            "guess": classes[column],
            "before": int(before[row, column]),
            "after": int(after[row, column]),
        }
        for row, column in pairs
        if mistakes[row, column]
    ]
