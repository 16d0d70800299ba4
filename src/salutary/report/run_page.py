"""What a page says of a run of ``salutary label``, ``relabel`` or ``finetune``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from salutary.displays.frames import RunFrames
from salutary.ledgers.decisions import Decision, current_decisions
from salutary.ledgers.record import Record
from salutary.report import plots
from salutary.report.answer import answer_of, baselines
from salutary.report.by_class import without_label
from salutary.report.calibration import Judged, confusions, judged_rows
from salutary.report.decided import decided_sentence
from salutary.report.doubts import (
    FAR,
    REASONS,
    RULE,
    Doubts,
    find_doubts,
    most_doubtful,
    near,
    reasons_in_words,
    rows_of_other_labels,
)
from salutary.report.label_table import PAGE, first_rows, script_safe, table_data
from salutary.report.made import (
    MOST_FEATURES,
    commands_of,
    features_of,
    next_steps,
    settings_of,
    tables_of,
)
from salutary.report.rows import OwnRows, own_rows
from salutary.report.visible import visible
from salutary.report.warnings import warnings_of
from salutary.report.words import words_of

FOREMOST = 10
"""Labels that are shown with their rows, of either kind."""

MOST_IN_MATRIX = 10
"""Classes of a table of all mistakes; of more, the most frequent ones are listed."""

MOODS = {"better": "good", "worse": "bad", "no labels": "bad", "no difference": "open"}

ENDINGS = {
    "budget": "The run ended with its budget.",
    "pool_exhausted": "The run ended as every row has one.",
    "guard": "The guard ended the run.",
    "no_positive_influence": "The run ended as no further one would help.",
}


@dataclass(frozen=True)
class RunPage:
    """A run, and what is read of its tables for its page.

    Parameters
    ----------
    run_dir : Path
    frames : RunFrames
    record : Record
        The content of its ledger.
    with_names : bool, default=False
        Whether columns that only name rows are among a row's own.
    """

    run_dir: Path
    frames: RunFrames
    record: Record
    with_names: bool = False

    @property
    def facts(self) -> dict[str, Any]:
        """Of the run, as in its ledger."""
        return self.record.facts

    @property
    def report(self) -> dict[str, Any]:
        """As in run.json; empty if the run has not finished."""
        return self.facts.get("report") or {}

    @property
    def labels(self) -> pd.DataFrame:
        """The labels of all rounds."""
        return self.frames.labels

    @property
    def words(self) -> tuple[str, str]:
        """What the run assigns, in the singular and the plural."""
        is_relabel = self.facts["kind"] == "relabel"
        return ("switch", "switches") if is_relabel else ("label", "labels")

    @property
    def least_z(self) -> float:
        """The standard errors that an influence had to reach."""
        return float(self.facts["settings"].get("min_influence_z") or 0)

    @property
    def has_ids(self) -> bool:
        """Whether rows are called by their ids, and not by their numbers."""
        return self.facts["settings"]["id"] is not None

    @property
    def place(self) -> str:
        """What the table is called whose rows get labels."""
        return "POOL" if "pool" in self.facts["files"] else "TRAIN"

    @cached_property
    def rows(self) -> OwnRows:
        """The rows of the labels, from the user's tables."""
        kinds = self.report["checks"]["features"] if self.report else {}
        rows = self.labels["row"].to_numpy(dtype=np.intp)
        return own_rows(self.facts, kinds, rows, self.with_names)

    @cached_property
    def decided(self) -> dict[int, Decision]:
        """What people have decided about labels of the run, by row."""
        holds = current_decisions(self.record.decisions)
        return {row: holds[row] for row in self.labels["row"] if row in holds}

    @cached_property
    def doubts(self) -> Doubts:
        """The reasons to distrust each label."""
        unseen, rows = None, self.labels["row"].tolist()
        if self.rows.table is not None:
            unseen = [at in self.rows.unseen for at in range(len(self.labels))]
        differ = rows_of_other_labels(self.record)
        return find_doubts(self.labels, unseen, [row in differ for row in rows])

    @cached_property
    def judged(self) -> Sequence[Judged] | str:
        """Probabilities before and after; or why there are none."""
        try:
            return judged_rows(self.run_dir, self.record)
        except (ValueError, OSError) as error:  # of a model that is another run's, too
            return str(error)


def run_context(page: RunPage) -> dict[str, Any]:
    """All that the template of a run shows."""
    frames, facts, report = page.frames, page.facts, page.report
    one, unit = page.words
    outcome = report.get("outcome", {})
    verdict = frames.verdict
    features = features_of(report)
    foremost = most_doubtful(page.labels, page.doubts, FOREMOST)
    first: Any = page.labels.iloc[foremost[0]] if foremost else None
    context = {
        "title": f"salutary {facts['kind']}: {page.run_dir.name}",
        "kicker": _kicker(page),
        "mood": "open" if verdict is None else MOODS[verdict["finding"]],
        "one": one,
        "unit": unit,
        "deep": facts["kind"] == "finetune",
        "answer": answer_of(frames, outcome, one, unit, page.least_z),
        "ending": _ending(page, outcome),
        "verdict": verdict,
        "baselines": baselines(verdict),
        "decided": decided_sentence(page.run_dir, facts, len(page.decided)),
        "warnings": warnings_of(report),
        "contents": _contents(page),
        "curve": plots.learning_curve(frames) if len(frames.rounds) > 1 else None,
        "quality": _quality(frames) if frames.best_round else [],
        "words": words_of(facts["kind"], verdict, has_labels=len(page.labels) > 0),
        "labels_total": len(page.labels),
        "features": features[:MOST_FEATURES],
        "n_features_hidden": max(0, len(features) - MOST_FEATURES),
        "next_steps": next_steps(page.run_dir, facts, report, first),
        "commands": commands_of(page.run_dir, facts),
        "tables": tables_of(facts, report),
        "settings": settings_of(facts),
        "doubtful": [_label(page, at) for at in foremost],
    }
    context |= _mistakes(page)
    return context | (_of_labels(page, foremost) if len(page.labels) else {})


def _ending(page: RunPage, outcome: Mapping[str, Any]) -> str | None:
    """Why the run ended."""
    termination = outcome.get("termination", "")
    if termination == "no_positive_influence" and page.least_z:
        return (
            f"The run ended as no {page.words[0]} left to give reached {page.least_z:g}"
            " standard errors (--min-influence-z)."
        )
    return ENDINGS.get(termination)


def _kicker(page: RunPage) -> str:
    labels, (one, unit) = page.labels, page.words
    kept = int((~labels["undone"]).sum())
    counted = f"{kept} {one if kept == 1 else unit} kept"
    if kept < len(labels):
        counted += f", {len(labels) - kept} undone"
    rounds = len(page.frames.rounds) - 1
    began = str(page.facts.get("started") or "")[:16].replace("T", " ")
    began += " UTC" if began else ""
    parts = (
        f"salutary {page.facts['kind']}",
        f"run {visible(page.run_dir.name, 60)}",
        began,
        f"{rounds} round{'' if rounds == 1 else 's'}: {counted}",
    )
    return " · ".join(part for part in parts if part)


def _contents(page: RunPage) -> list[tuple[str, str]]:
    """Ids and names of the sections."""
    one, unit = page.words
    of_labels = {
        "promise": "Promised and real",
        "sure": f"How sure each {one} is",
        "classes": "By class and round",
    }
    more = {"rows": "Most influential, most doubtful"}
    has_labels = len(page.labels) > 0
    sections = {
        **({"curve": "Did it help?"} if len(page.frames.rounds) > 1 else {}),
        **(of_labels if has_labels else {}),
        "calibration": "Calibration and mistakes",
        **(more if has_labels else {}),
        "features": "Features",
        **({"labels": f"All {unit}"} if has_labels else {}),
        "made": "How it was made",
    }
    return [*sections.items()]


def _quality(frames: RunFrames) -> list[tuple[str, float, float]]:
    """Names of figures, each before the run and after its best round."""
    rounds = frames.rounds.set_index("round")
    names = {
        "canary_loss": "held-out loss",
        "validation_loss": "validation loss",
        "canary_accuracy": "held-out accuracy",
        "validation_accuracy": "validation accuracy",
        "canary_balanced_accuracy": "held-out balanced accuracy",
        "validation_balanced_accuracy": "validation balanced accuracy",
    }
    first: Any = rounds.loc[0]
    best: Any = rounds.loc[frames.best_round]
    found = [
        (name, float(first[column]), float(best[column]))
        for column, name in names.items()
        if column in rounds and np.isfinite(first[column])
    ]
    has_guard = bool(np.isfinite(first["canary_loss"]))
    column = "canary_loss" if has_guard else "validation_loss"
    losses = frames.class_losses.pivot_table(
        index="label", columns="round", values=column, sort=False, dropna=False
    )
    if 0 in losses and frames.best_round in losses and len(losses) <= 20:
        found += [
            (
                f"{'held-out' if has_guard else 'validation'} loss of class {label}",
                *pair,
            )
            for label, *pair in losses[[0, frames.best_round]].itertuples()
        ]
    return found


def _mistakes(page: RunPage) -> dict[str, Any]:
    """The part of the context about calibration and mistakes."""
    judged = page.judged
    if isinstance(judged, str):
        return {"judged": judged, "changes": False}
    changes = page.frames.best_round > 0
    classes = page.frames.classes
    confusion = []
    if not changes and all(
        map(np.array_equal, judged[0].confusion, judged[-1].confusion)
    ):
        judged = judged[:1]  # the guard's runs make the run's own mistakes
    for rows in judged:
        before, after = rows.confusion
        matrix = []
        if len(classes) <= MOST_IN_MATRIX:
            for name, *pair in zip(classes, before, after, strict=True):
                cells = [
                    f"{old} → {new}" if changes and old != new else str(new)
                    for old, new in zip(*pair, strict=True)
                ]
                matrix.append((name, cells))
        mistakes = [] if matrix else confusions(rows, classes, 20)
        confusion.append(
            {
                "name": rows.name,
                "changes": changes,
                "matrix": matrix,
                "mistakes": mistakes,
            }
        )
    return {
        "judged": None,
        "changes": changes,
        "classes": classes,
        "confusion": confusion,
        "calibration": plots.calibration(judged[0], is_same=not changes),
    }


def _of_labels(page: RunPage, foremost: list[int]) -> dict[str, Any]:
    """The part of the context that a run without any label has not."""
    frames, labels = page.frames, page.labels
    called = "id" if page.has_ids else f"row of {page.place}"
    data = table_data(labels, frames.classes, page.doubts, called, page.decided)
    undone = labels["undone"].to_numpy(dtype=bool)
    order = np.lexsort((-labels["influence"].to_numpy(dtype=float), undone))
    shown = len(data["values"][0])
    unit = page.words[1]
    title = f"Three {unit} to distrust first"
    if len(foremost) < 3:
        title = f"The {unit} to distrust first"
    if undone.all():
        title = f"All {unit} were undone; the most doubtful of them"
    return {
        "promise": plots.promise(frames),
        "influence": plots.influences(frames),
        "by_class": plots.by_class(frames),
        "doubtful_title": title,
        "doubt_counts": _doubt_counts(page),
        "doubt_rule": RULE,
        "without_label": without_label(frames, unit),
        "influential": [_label(page, int(at)) for at in order[:FOREMOST]],
        "rows_note": _rows_note(page),
        "data": data,
        "reasons": REASONS,
        "first_rows": first_rows(data),
        "plain_note": f"The first {min(PAGE, shown)} of {len(labels)}, in order.",
        "json": script_safe(data),
    }


def _doubt_counts(page: RunPage) -> str:
    """How many labels there is each reason to distrust."""
    undone = page.labels["undone"].to_numpy(dtype=bool)
    among = undone if undone.all() else ~undone
    counts = page.doubts.reasons[among].sum()
    found = [f"{name}: {int(counts[name])}" for name in REASONS if counts[name]]
    kept = "undone" if undone.all() else "kept"
    text = f"Of {among.sum()} {page.words[1]} {kept} – {'; '.join(found)}."  # noqa: RUF001
    if counts[FAR]:
        text += f" Far: {near(page.doubts.far)} or more in the model's features."
    return text


def _rows_note(page: RunPage) -> str:
    if page.rows.why_not is not None:
        return (
            "The rows' own columns are left out, and so are values that no training "
            f"row has: {page.rows.why_not}."
        )
    if page.rows.n_left_out:
        return f"{page.rows.n_left_out} further columns of the rows are not shown."
    return ""


def _label(page: RunPage, at: int) -> dict[str, Any]:
    """What a card says of a label."""
    row = page.labels.iloc[at]
    return {
        "place": None if page.has_ids else page.place,
        "id": row["id"],
        "name": row["label"],
        "old": page.rows.old_label(at),
        "influence": row["influence"],
        "influence_se": row["influence_se"],
        "probability": row["probability"],
        "round": row["round"],
        "reasons": reasons_in_words(
            page.doubts, row, at, page.rows.unseen, page.words[1]
        ),
        "columns": page.rows.of(at),
    }
