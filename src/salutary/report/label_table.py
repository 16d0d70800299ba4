"""All labels of a run as the data of a table that sorts, filters and turns pages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from salutary.ledgers.decisions import Decision
from salutary.report.decided import decision_words
from salutary.report.doubts import REASONS, Doubts
from salutary.report.visible import decimals, number, short, visible

PAGE = 50
"""Rows of a page of the table, and of what is shown without a script."""

MOST = 20_000
"""Labels that a page holds; a file of all others stands in the run's directory."""

LONGEST_ID = 60

WORDS = dict(
    zip(
        REASONS,
        (
            "unsure",
            "against its guess",
            "far",
            "unseen value",
            "undone",
            "folds differ",
        ),
        strict=True,
    )
)
"""Reasons to distrust a label, as short as a cell of the table needs them."""

HEADINGS = (
    ("position", "no.", "number"),
    ("id", "id", "text"),
    ("label", "label", "class"),
    ("round", "round", "number"),
    ("influence", "influence", "number"),
    ("influence_se", "± error", "number"),
    ("probability", "probability", "number"),
    ("guess", "model's guess", "class"),
    ("rank", "rank in pool", "number"),
    ("distance", "distance", "number"),
    ("doubts", "doubts", "doubts"),
)
"""Key, heading and kind of each column."""

ERROR = [key for key, *_ in HEADINGS].index("influence_se")
"""Place of the column by which an influence and its error are rounded."""


def table_data(
    labels: pd.DataFrame,
    classes: Sequence[str],
    doubts: Doubts,
    called: str = "id",
    decided: Mapping[int, Decision] | None = None,
) -> dict[str, Any]:
    """The table's columns, as short as JSON can hold them.

    Parameters
    ----------
    labels : DataFrame
        As in `RunFrames`.
    classes : sequence of str
    doubts : Doubts
    called : str, default="id"
        Heading of the column that names rows.
    decided : mapping of int to Decision, optional
        What people have decided, by row; without any there is no column of it.

    Returns
    -------
    dict
        ``columns`` (key, heading and kind of each), ``values`` (a list for each column;
        classes by their positions, doubts by the bits of a number), ``classes``,
        ``doubts`` (their short names), ``page`` and ``total``.
    """
    shown = labels.iloc[:MOST]
    codes = {name: code for code, name in enumerate(classes)}
    values: dict[str, list[Any]] = {
        "position": (shown["position"] + 1).tolist(),
        "id": [visible(name, LONGEST_ID) for name in shown["id"]],
        "label": [codes.get(name) for name in shown["label"]],
        "round": shown["round"].tolist(),
        "guess": [codes.get(name) for name in shown["guess"]],
        "doubts": doubts.masks[:MOST],
    }
    for name in ("influence", "influence_se", "probability", "distance"):
        values[name] = [_number(value) for value in shown[name]]
    values["rank"] = [_whole(value) for value in shown["rank"]]
    headings = [*HEADINGS]
    if decided:
        headings.append(("decision", "decision", "text"))
        values["decision"] = [decision_words(decided.get(row)) for row in shown["row"]]
    return {
        "columns": [
            [key, called if key == "id" else heading, kind]
            for key, heading, kind in headings
        ],
        "values": [values[key] for key, *_ in headings],
        "classes": [visible(name, LONGEST_ID) for name in classes],
        "doubts": [WORDS[reason] for reason in REASONS],
        "page": PAGE,
        "total": len(labels),
    }


def _number(value: float) -> float | None:
    return float(f"{value:.4g}") if np.isfinite(value) else None


def _whole(value: float) -> int | None:
    return int(value) if np.isfinite(value) else None


def first_rows(data: dict[str, Any]) -> list[list[str]]:
    """The first page of the table as texts, for readers without a script."""
    rows = []
    for row in range(min(PAGE, len(data["values"][0]))):
        cells = []
        for (key, _, kind), values in zip(data["columns"], data["values"], strict=True):
            if key in ("influence", "influence_se"):
                digits = decimals(data["values"][ERROR][row])
                if digits is not None:
                    cells.append(number(values[row], digits))
                    continue
            cells.append(_cell(kind, values[row], data))
        rows.append(cells)
    return rows


def _cell(kind: str, value: Any, data: dict[str, Any]) -> str:
    if kind == "doubts":
        names = data["doubts"]
        return ", ".join(name for bit, name in enumerate(names) if value >> bit & 1)
    if kind == "class":
        return "–" if value is None else str(data["classes"][value])  # noqa: RUF001
    return short(value) if isinstance(value, float | None) else str(value)


def script_safe(data: Any) -> Markup:
    r"""JSON that may stand in a script element, whatever texts it holds.

    Examples
    --------
    >>> script_safe(["</script>", "\u2028", "é"])
    Markup('["\\u003c/script\\u003e","\\u2028","é"]')
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
