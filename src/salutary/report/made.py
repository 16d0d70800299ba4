"""How a run was made: its columns, tables and settings, and what can be done next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salutary.advice.verdict import ASSIGNED
from salutary.names import RELABELED, SALUTARY
from salutary.report.visible import number, visible
from salutary.runs.artifacts import CONFIG

MOST_FEATURES = 150
"""Columns that are listed; of more, those with marks come first."""

TABLES = {"train": "TRAIN", "validation": "VAL", "pool": "POOL", "costs": "costs"}


@dataclass(frozen=True)
class Feature:
    """A column of the training table, and what to know of it."""

    name: str
    kind: str
    marks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """What can be done next, and the command for it if there is one."""

    text: str
    command: str | None = None


def features_of(report: Mapping[str, Any]) -> list[Feature]:
    """The columns of TRAIN that a run met, those with marks first if there are many."""
    if not report:
        return []
    checks = report["checks"]
    found = [
        Feature(name, "left out", [f"names rows: {visible(what, 80)}"])
        for name, what in checks["left_out"].items()
    ]
    for name, kind in checks["features"].items():
        found.append(Feature(name, kind.replace(":", ": "), [*_marks(name, checks)]))
    if len(found) > MOST_FEATURES:
        found.sort(key=lambda feature: not feature.marks)
    return found


def _marks(name: str, checks: Mapping[str, Any]) -> Iterator[str]:
    if name in checks["constant"]:
        yield "one value at most in TRAIN, so of no use"
    for table, beside in checks["beside"].items():
        called, rows = TABLES.get(table, table), checks["rows"].get(table)
        for key, what in (
            ("unseen_categories", "a value that no training row has"),
            ("far_outside", "a number far outside TRAIN's"),
        ):
            if name in beside[key]:
                yield f"{beside[key][name]} of {rows} rows of {called} have {what}"
        if name in beside["empty"]:
            yield f"empty in {called}"
        if name in beside["most_different"]:
            share = number(beside["most_different"][name], 2)
            yield f"among those that differ most between TRAIN and {called} ({share})"


def tables_of(facts: Mapping[str, Any], report: Mapping[str, Any]) -> list[Any]:
    """File, fingerprint and number of rows of each table."""
    rows = report.get("data", {})
    found = [
        {
            "name": TABLES.get(name, name),
            "file": path,
            "sha256": facts["data"].get(name, ""),
            "rows": rows.get(name, {}).get("rows") or "",
        }
        for name, path in facts["files"].items()
    ]
    fraction = facts["settings"].get("validation_fraction")
    if fraction is not None:
        held = rows.get("validation", {}).get("rows", "")
        part = f"{fraction:g} of TRAIN, drawn by the seed"
        found.append({"name": "VAL", "file": part, "sha256": "", "rows": held})
    return found


def settings_of(facts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Settings and versions by their names."""
    settings = [
        (name, "none" if value in (None, [], {}) else value)
        for name, value in facts["settings"].items()
    ]
    started = [("started", facts["started"])] if facts.get("started") else []
    versions = [*facts["versions"].items()]
    return [*started, *settings, *versions]


def commands_of(run_dir: Path, facts: Mapping[str, Any]) -> list[str]:
    """A command that repeats a run from here, and the one it was started by."""
    config = shlex.quote(str(run_dir / CONFIG))
    found = [f"salutary {facts['kind']} --config {config} --out NEW_DIR"]
    if facts.get("command"):
        found.append(shlex.join(map(str, facts["command"])))
    return found


def next_steps(
    run_dir: Path,
    facts: Mapping[str, Any],
    report: Mapping[str, Any],
    doubtful: Mapping[str, Any] | None,
) -> list[Step]:
    """What can be done next, the most useful first.

    Parameters
    ----------
    run_dir : Path
    facts : mapping
    report : mapping
        As in run.json; empty for a run that has not finished.
    doubtful : mapping or None
        The label to distrust first, with its row and id.
    """
    folder = shlex.quote(str(run_dir))
    if not report:
        return [Step("Go on with the run.", f"salutary resume {folder}")]
    outcome = report["outcome"]
    steps = [*_by_verdict(folder, facts, outcome)]
    if doubtful is not None:
        name = str(doubtful["id"])
        # What cannot be typed is no help on a command line.
        name = shlex.quote(name) if name.isprintable() and len(name) <= 60 else "ID"
        has_ids = facts["settings"]["id"] is not None
        which = f"--id {name}" if has_ids else f"--row {doubtful['row']}"
        steps.append(
            Step(
                "See why a label was given, and what speaks against it.",
                f"salutary explain {folder} {which}",
            )
        )
    verdict = outcome.get("verdict")
    advised = verdict is None or verdict["option"].startswith(ASSIGNED)
    ended = outcome.get("termination") == "budget" and not outcome["refused_rounds"]
    # Nobody is told to get more of what the advice leaves out.
    if ended and advised:
        more = 2 * (facts["settings"]["budget"] or 50)
        steps.append(
            Step(
                "The run ended with its budget. More may be had.",
                f"salutary resume {folder} --budget {more}",
            )
        )
    return steps


def _by_verdict(
    folder: str, facts: Mapping[str, Any], outcome: Mapping[str, Any]
) -> Iterator[Step]:
    """What follows from the verdict of a run, or from advice."""
    kind = facts["kind"]
    verdict = outcome if kind == "advise" else outcome.get("verdict")
    predict = f"salutary predict {folder} NEW_TABLE --out predictions.csv"
    if verdict is None:
        yield Step(
            "Compare with what people's labels give: run 'salutary advise' on the same "
            "tables, or this command again with its guard on."
        )
        yield Step("Use the model all the same.", predict)
        return
    if kind == "advise":
        yield Step("Use the model of what is advised; it is in this folder.", predict)
        return
    option = verdict["option"]
    if option in (SALUTARY, RELABELED):
        yield Step("Use the model, which was trained with these labels.", predict)
    elif option.startswith((SALUTARY, RELABELED)):
        yield Step(
            "Train on both tables and these labels: the model in this folder was not "
            "trained on VAL."
        )
    else:
        yield Step(
            "Follow the advice above without these labels. 'salutary advise' on the "
            "same tables with --out leaves such a model in a folder, and tries to let "
            "the whole pool take part, too."
        )
    if verdict["finding"] == "no difference":
        yield Step("More validation rows would make the verdict surer.")
