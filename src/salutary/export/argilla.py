"""Labels as a dataset of Argilla 2 in a folder, and people's responses from there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from salutary.errors import InputError
from salutary.export import columns
from salutary.export.label_studio import COLUMNS, answer_of, reject_of, text_names
from salutary.export.labeled_rows import LabeledRows
from salutary.export.reviews import REJECT, Review, RunLabels
from salutary.export.values import json_text, plain_rows
from salutary.files import write_text
from salutary.influence.label_values import shown

RECORDS = "records.json"
SETTINGS = Path(".argilla", "settings.json")
DATASET = Path(".argilla", "dataset.json")

QUESTION = "label"

GUIDELINES = (
    "The suggested label was assigned by salutary, not by a person. Submit the label "
    "that is right, or reject the label if none is."
)

TEMPLATE = (
    "<table>{{#each record.fields.columns}}<tr><th>{{@key}}</th><td>{{this}}</td></tr>"
    "{{/each}}</table>"
)
"""How a row's own columns are shown. Argilla fills it in by Handlebars, which escapes
what is between two braces."""

NUMBERS = {
    columns.PROBABILITY: "float",
    columns.INFLUENCE: "float",
    columns.INFLUENCE_SE: "float",
    columns.ROUND: "integer",
}
"""Metadata by which records can be filtered and sorted."""


def write(rows: LabeledRows, folder: Path, user: str | None) -> None:
    """Write a dataset into a new folder, as Argilla's `Dataset.to_disk` does.

    Parameters
    ----------
    rows : LabeledRows
    folder : Path
    user : str or None
        Id of the user whose responses people's decisions become.

    Raises
    ------
    InputError
        If there are decisions and no user: a server refuses responses of nobody.
    """
    if rows.n_reviewed and user is None:
        raise InputError(
            "--user: is missing, and people have decided about some labels; Argilla "
            "takes responses of its users only, so pass the id of one"
        )
    names = text_names(rows.texts)
    choices = {label: label for label in rows.classes}
    rejection = reject_of(rows.classes)
    own, given, reviewed = map(plain_rows, (rows.typed(), rows.given, rows.reviewed))
    records = [
        {
            "id": str(of_run[columns.ROW]),
            "status": "pending",
            "fields": {
                **{key: str(of_row[name] or "") for name, key in names.items()},
                COLUMNS: of_row,
            },
            "metadata": {
                key: value for key, value in of_run.items() if value is not None
            },
            "suggestions": {
                QUESTION: {
                    "value": of_run[columns.LABEL],
                    "score": of_run[columns.PROBABILITY],
                    "agent": of_run[columns.SOURCE],
                    "type": "model",
                }
            },
            "responses": _responses(answer_of(of_person, choices, rejection), user),
            "vectors": {},
        }
        for of_row, of_run, of_person in zip(own, given, reviewed, strict=True)
    ]
    (folder / SETTINGS).parent.mkdir()
    write_text(folder / DATASET, json_text(_dataset(rows.run)))
    settings = _settings([*choices, rejection], names)
    write_text(folder / SETTINGS, json_text(settings))
    write_text(folder / RECORDS, json_text(records))


def _responses(answer: str | None, user: str | None) -> dict[str, Any]:
    if answer is None:
        return {}
    return {QUESTION: [{"value": answer, "user_id": user}]}


def _dataset(run: str) -> dict[str, Any]:
    return {
        "name": f"salutary-{run}",
        "status": "draft",
        "guidelines": GUIDELINES,
        "allow_extra_metadata": True,
    }


def _settings(choices: Sequence[str], names: Mapping[str, str]) -> dict[str, Any]:
    """Fields to look at, the question, and the metadata to sort by."""
    texts = [
        {"name": key, "title": key, "required": True, "settings": {"type": "text"}}
        for key in names.values()
    ]
    table = {"type": "custom", "template": TEMPLATE, "advanced_mode": False}
    question = {
        "type": "label_selection",
        "options": [{"value": choice, "text": choice} for choice in choices],
    }
    return {
        "guidelines": GUIDELINES,
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "fields": [
            *texts,
            {"name": COLUMNS, "title": COLUMNS, "required": True, "settings": table},
        ],
        "questions": [
            {
                "name": QUESTION,
                "title": "Which label is right?",
                "required": True,
                "settings": question,
            }
        ],
        "metadata": [
            {"name": name, "title": name, "settings": {"type": kind}}
            for name, kind in NUMBERS.items()
        ],
        "vectors": [],
    }


def read(path: Path, records: Any, run: RunLabels) -> Iterator[Review]:
    """What people have answered, of records that Argilla wrote as JSON.

    Raises
    ------
    InputError
    """
    rejection = reject_of(run.classes)
    for number, record in enumerate(records):
        place = f"{path}: record {number}"
        try:
            given = record["metadata"]
            of_row = {
                "row": given.get(columns.ROW, record.get("id")),
                "id": (record["fields"].get(COLUMNS) or {}).get(run.id_column),
                "label": given.get(columns.LABEL),
                "run": given.get(columns.RUN),
            }
            responses = record.get("responses") or {}
            others = [name for name in responses if name != QUESTION]
            answers = [response["value"] for response in responses.get(QUESTION) or ()]
        except (TypeError, KeyError, AttributeError):
            raise InputError(
                f"{path}: record {number} is no record of Argilla; write them by "
                "its Dataset.to_disk"
            ) from None
        if others and QUESTION not in responses:
            raise InputError(
                f"{place}: has answers to {shown(others[0])}, and labels are answers "
                f"to {QUESTION!r}; rename the question"
            )
        for answer in answers or [None]:
            if answer == rejection:
                yield Review(place, **of_row, reviewed=REJECT)
            else:
                yield Review(place, **of_row, reviewed_label=answer)
