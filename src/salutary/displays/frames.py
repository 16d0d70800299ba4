"""What a run did, as tables: from its directory, or from a fitted estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from salutary.arrays import IntArray
from salutary.errors import InputError
from salutary.files import refuse_links
from salutary.labeling.outcome import Outcome, history
from salutary.labeling.selection import Selection
from salutary.ledgers.run_ledger import Ledger
from salutary.ledgers.schema import APPLICATION, LEDGER
from salutary.ledgers.sealed import (
    UNREADABLE,
    application_of,
    damaged,
    not_as_written,
    open_ledger,
)

ROUNDS = (
    *("round", "n_labeled", "validation_loss", "validation_accuracy"),
    *("validation_balanced_accuracy", "canary_loss", "canary_fall", "canary_se"),
    *("canary_accuracy", "canary_balanced_accuracy", "largest_influence", "variant"),
    *("verdict", "undone", "seconds"),
)
LABELS = (
    *("position", "row", "id", "round", "label", "undone", "influence"),
    *("influence_se", "probability", "score", "rank", "distance", "guess"),
    *("guess_probability", "runner_up", "runner_up_influence"),
)
SCORES = ("position", "label", "influence", "probability")
CLASS_LOSSES = ("round", "label", "validation_loss", "canary_loss")
VARIANTS = ("round", "variant", "canary_loss", "chosen")
INFLUENCES = ("round", "lower", "upper", "n_rows")

WHOLE = ("round", "n_labeled", "position", "row", "rank", "n_rows")
"""Columns of whole numbers, none of which is ever missing."""

TRUTHS = ("undone", "chosen")
TEXTS = ("id", "label", "variant", "verdict", "guess", "runner_up")


@dataclass(frozen=True, eq=False)
class RunFrames:
    """What a run did, as tables.

    Parameters
    ----------
    classes : list of str
    rounds : DataFrame
        One row a round, from round 0, the start, with the columns of the ledger's view
        ``rounds_shown``, which are also the figures of ``history_``: round, n_labeled,
        validation_loss, validation_accuracy, validation_balanced_accuracy, canary_loss,
        canary_fall, canary_se, canary_accuracy, canary_balanced_accuracy,
        largest_influence, variant, verdict ("kept", "waiting" or "harmful"), undone,
        seconds. Those of canary rows are NaN without a guard.
    labels : DataFrame
        One row a label in the order of assignment, also of rounds that were undone,
        with the columns of the view ``labels_shown``: position, row, id, round, label,
        undone, influence, influence_se, probability, score (by which it was picked),
        rank (of its influence among the pool rows of its round, 1 for the largest),
        distance (to the nearest training row, in the model's features), guess (the
        class that was most probable to the model), guess_probability, runner_up (the
        class, besides the label, with the largest influence), runner_up_influence.
    scores : DataFrame
        One row a label and class: position, label, influence, probability.
    class_losses : DataFrame
        One row a round and class: round, label, validation_loss, canary_loss, which are
        mean log losses of the rows of the class.
    variants : DataFrame
        One row a round and variant of the rule that was tried: round, variant,
        canary_loss, chosen.
    influences : DataFrame
        Histogram of the pool rows' largest influences before each round: round, lower,
        upper, n_rows. Bins without rows are left out.
    best_round : int
        Number of the last round that was not undone.
    verdict : dict or None
        As `salutary.advice.verdict.Verdict.to_dict` has it.
    facts : dict
        Of a run directory, what else its ledger holds: settings, files, versions,
        options, features, started, command and more. Empty for an estimator.
    """

    classes: list[str]
    rounds: pd.DataFrame
    labels: pd.DataFrame
    scores: pd.DataFrame
    class_losses: pd.DataFrame
    variants: pd.DataFrame
    influences: pd.DataFrame
    best_round: int
    verdict: dict[str, Any] | None
    facts: dict[str, Any]

    @classmethod
    def of_run(cls, path: Path | str) -> Self:
        """Of the directory of a run of ``label``, ``relabel`` or ``finetune``.

        The run may still go on; then these are its rounds so far.

        Raises
        ------
        InputError
            If there is no run, or its ledger is damaged or of another version.
        """
        path = Path(path)
        file = path / LEDGER
        if not file.is_file() or not file.stat().st_size:
            raise InputError(f"{path}: holds no run; pass the --out of one")
        refuse_links(path)
        if application_of(file) != APPLICATION:
            raise InputError(
                f"{path}: holds no record of labels; pass the --out of 'salutary "
                "label', 'relabel' or 'finetune'"
            )
        with open_ledger(Ledger, file) as ledger:
            if ledger.is_empty() or not ledger.is_sound():
                raise not_as_written(file)
            try:
                return cls._of_ledger(ledger)
            except UNREADABLE as error:
                raise damaged(file, error) from None

    @classmethod
    def _of_ledger(cls, ledger: Ledger) -> Self:
        facts = ledger.facts()
        frames = {name: ledger.table(query) for name, query in QUERIES.items()}
        kept = frames["rounds"]["verdict"] == "kept"
        report = facts.get("report") or {}
        return cls(
            classes=frames.pop("classes")["label"].tolist(),
            **{name: _typed(frame) for name, frame in frames.items()},
            best_round=int(frames["rounds"].loc[kept, "round"].max()),
            verdict=report.get("outcome", {}).get("verdict"),
            facts=facts,
        )

    @classmethod
    def of_estimator(cls, estimator: Any) -> Self:
        """Of a fitted `SalutaryClassifier` or `SalutaryFineTuner`.

        Rows are those of ``X``, and have their numbers as ids.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it is another estimator.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "_outcomes"):
            raise TypeError(
                f"{type(estimator).__name__} labels no rows; pass a fitted "
                "SalutaryClassifier or SalutaryFineTuner"
            )
        verdict = getattr(estimator, "verdict_", None)
        return cls.of_outcomes(
            estimator.classes_,
            estimator._outcomes,
            estimator._best_round,
            None if verdict is None else verdict.to_dict(),
        )

    @classmethod
    def of_outcomes(
        cls,
        classes: Sequence[Any],
        outcomes: Sequence[Outcome],
        best_round: int,
        verdict: dict[str, Any] | None = None,
    ) -> Self:
        """Of a run in memory: of the start and all rounds."""
        named = [str(label) for label in classes]
        chosen = Selection.empty(len(named))
        for outcome in outcomes:
            chosen = chosen.followed_by(outcome.selection)
        sizes = [len(outcome.selection) for outcome in outcomes]
        rounds = np.repeat([outcome.number for outcome in outcomes], sizes)
        return cls(
            classes=named,
            rounds=_frame(ROUNDS, history(outcomes, best_round)),
            labels=_labels(named, chosen, rounds, best_round),
            scores=_scores(named, chosen),
            class_losses=_frame(CLASS_LOSSES, _class_losses(named, outcomes)),
            variants=_frame(VARIANTS, _variants(outcomes)),
            influences=_frame(INFLUENCES, _influences(outcomes)),
            best_round=best_round,
            verdict=verdict,
            facts={},
        )


QUERIES = {
    "classes": "SELECT label FROM classes ORDER BY class",
    "rounds": "SELECT * FROM rounds_shown",
    "labels": "SELECT * FROM labels_shown",
    "scores": (
        "SELECT position, label, influence, probability FROM class_scores "
        "JOIN classes USING (class) ORDER BY position, class"
    ),
    "class_losses": (
        "SELECT round, label, validation_loss, canary_loss FROM class_losses "
        "JOIN classes USING (class) ORDER BY round, class"
    ),
    "variants": (
        "SELECT tried.round, tried.variant, tried.canary_loss, "
        "tried.variant = rounds.variant AS chosen FROM variants AS tried "
        "JOIN rounds USING (round) ORDER BY tried.round, tried.rowid"
    ),
    "influences": "SELECT * FROM influences ORDER BY round, lower",
}


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with one type for each column, also where there are no rows."""
    kinds: dict[str, Any] = {
        **dict.fromkeys(WHOLE, np.int64),
        **dict.fromkeys(TRUTHS, bool),
        **dict.fromkeys(TEXTS, object),
    }
    frame = frame.astype({name: kinds.get(name, np.float64) for name in frame.columns})
    for name in frame.columns.intersection(list(TEXTS)):
        frame[name] = frame[name].where(frame[name].notna(), None)
    return frame


def _frame(
    names: Sequence[str], content: Sequence[dict[str, Any]] | dict[str, Any]
) -> pd.DataFrame:
    return _typed(pd.DataFrame(content, columns=list(names)))


def _scores(classes: list[str], chosen: Selection) -> pd.DataFrame:
    columns = (
        np.repeat(np.arange(len(chosen)), len(classes)),
        classes * len(chosen),
        chosen.influence.ravel(),
        chosen.probability.ravel(),
    )
    return _frame(SCORES, dict(zip(SCORES, columns, strict=True)))


def _labels(
    classes: list[str], chosen: Selection, rounds: IntArray, best_round: int
) -> pd.DataFrame:
    positions, named = np.arange(len(chosen)), np.array(classes, dtype=object)
    others = chosen.influence.copy()
    others[positions, chosen.labels] = -np.inf
    guess, second = chosen.probability.argmax(axis=1), others.argmax(axis=1)
    columns = (
        *(positions, chosen.rows, [str(row) for row in chosen.rows.tolist()]),
        *(rounds, named[chosen.labels], rounds > best_round),
        *(chosen.assigned_influence, chosen.influence_se),
        *(chosen.assigned_probability, chosen.scores, chosen.rank, chosen.distance),
        *(named[guess], chosen.probability[positions, guess]),
        *(named[second], others[positions, second]),
    )
    return _frame(LABELS, dict(zip(LABELS, columns, strict=True)))


def _class_losses(
    classes: list[str], outcomes: Sequence[Outcome]
) -> list[dict[str, Any]]:
    return [
        dict(zip(CLASS_LOSSES, (outcome.number, *losses), strict=True))
        for outcome in outcomes
        for losses in zip(
            classes,
            outcome.validation.class_losses.tolist(),
            outcome.canary.class_losses.tolist(),
            strict=True,
        )
    ]


def _variants(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [
        dict(zip(VARIANTS, (outcome.number, *tried), strict=True))
        for outcome in outcomes
        for tried in (
            (name, loss, name == outcome.variant)
            for name, loss in outcome.tried.items()
        )
    ]


def _influences(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [
        dict(zip(INFLUENCES, (outcome.number, *held), strict=True))
        for outcome in outcomes
        for held in zip(
            outcome.spread.lower.tolist(),
            outcome.spread.upper.tolist(),
            outcome.spread.n_rows.tolist(),
            strict=True,
        )
    ]
