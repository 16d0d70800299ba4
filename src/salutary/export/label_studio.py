"""Labels as tasks of Label Studio, and people's annotations back from there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from salutary.errors import InputError
from salutary.export import columns
from salutary.export.columns import named
from salutary.export.labeled_rows import LabeledRows
from salutary.export.reviews import REJECT, Review, RunLabels
from salutary.export.values import json_text, plain_rows
from salutary.files import write_text
from salutary.influence.label_values import shown

TASKS = "tasks.json"
CONFIG = "labeling_config.xml"

CONTROL = "label"
"""Name of the control by which people choose."""

COLUMNS = "columns"
"""Key of a task's data, and name of the table, that has the row's own columns."""


def write(rows: LabeledRows, folder: Path) -> None:
    """Write the tasks, and the labeling config that shows them, into a new folder.

    Parameters
    ----------
    rows : LabeledRows
    folder : Path
    """
    names = text_names(rows.texts)
    choices = choices_of(rows.classes)
    rejection = reject_of([*choices.values()])
    shown_in = next(iter(names.values()), COLUMNS)
    own = plain_rows(rows.typed())
    given, reviewed = plain_rows(rows.given), plain_rows(rows.reviewed)
    tasks = []
    for of_row, of_run, of_person in zip(own, given, reviewed, strict=True):
        texts = {key: str(of_row[name] or "") for name, key in names.items()}
        chosen = choices[of_run[columns.LABEL]]
        prediction = {
            "model_version": of_run[columns.SOURCE],
            "score": of_run[columns.PROBABILITY],
            "result": [_result(of_run[columns.ROW], chosen, shown_in)],
        }
        task = {
            "data": {**texts, COLUMNS: of_row, **of_run},
            "predictions": [prediction],
        }
        answer = answer_of(of_person, choices, rejection)
        if answer is not None:
            result = _result(of_run[columns.ROW], answer, shown_in)
            task["annotations"] = [{"result": [result]}]
        tasks.append(task)
    write_text(folder / TASKS, json_text(tasks))
    write_text(folder / CONFIG, config([*choices.values(), rejection], names))


def text_names(texts: Sequence[str]) -> dict[str, str]:
    """Names under which the texts of a row are shown, which every tool takes.

    Examples
    --------
    >>> text_names(["Titel", "Körper"])
    {'Titel': 'text', 'Körper': 'text_2'}
    """
    return {
        name: "text" if number == 1 else f"text_{number}"
        for number, name in enumerate(texts, start=1)
    }


def reject_of(names: Sequence[str]) -> str:
    """What people choose to reject a label; no class has this name."""
    choice = "(reject the label)"
    while choice in names:
        choice = f"({choice})"
    return choice


def choices_of(classes: Sequence[str]) -> dict[str, str]:
    """What is chosen for each class: the class itself, but for what XML cannot hold."""
    return {label: named(label) for label in classes}


def answer_of(
    of_person: Mapping[str, Any], choices: Mapping[str, str], rejection: str
) -> str | None:
    """What a person who has decided would choose; None if nobody has."""
    decision = of_person[columns.REVIEWED]
    if decision is None:
        return None
    return (
        rejection if decision == REJECT else choices[of_person[columns.REVIEWED_LABEL]]
    )


def _result(row: int, choice: str, shown_in: str) -> dict[str, Any]:
    return {
        "id": f"row-{row}",
        "from_name": CONTROL,
        "to_name": shown_in,
        "type": "choices",
        "value": {"choices": [choice]},
    }


def config(choices: Sequence[str], names: dict[str, str]) -> str:
    """The labeling config: the texts, the row's columns, and what to choose from."""
    view = ElementTree.Element("View")
    for key in names.values():
        ElementTree.SubElement(view, "Text", name=key, value=f"${key}")
    ElementTree.SubElement(view, "Table", name=COLUMNS, value=f"${COLUMNS}")
    shown_in = next(iter(names.values()), COLUMNS)
    control = ElementTree.SubElement(
        view, "Choices", name=CONTROL, toName=shown_in, choice="single"
    )
    for choice in choices:
        ElementTree.SubElement(control, "Choice", value=choice)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def read(path: Path, tasks: Any, run: RunLabels) -> Iterator[Review]:
    """What people have annotated, of the tasks that Label Studio exports as JSON.

    Annotations that were skipped count for nothing.

    Raises
    ------
    InputError
    """
    choices = choices_of(run.classes)
    classes = {choice: label for label, choice in choices.items()}
    rejection = reject_of([*classes])
    for number, task in enumerate(tasks):
        place = f"{path}: task {number}"
        try:
            data, annotations = task["data"], task.get("annotations") or []
            own = data.get(COLUMNS) or {}
            of_row = {
                "row": data.get(columns.ROW),
                "id": own.get(run.id_column),
                "label": data.get(columns.LABEL),
                "run": data.get(columns.RUN),
            }
            chosen = [
                _chosen(annotation, place)
                for annotation in annotations
                if not annotation.get("was_cancelled")
            ]
        except (TypeError, KeyError, AttributeError):
            raise InputError(
                f"{path}: task {number} is no task of Label Studio; export its project "
                "as JSON"
            ) from None
        for choice in chosen or [None]:
            if choice == rejection:
                yield Review(place, **of_row, reviewed=REJECT)
            else:
                label = None if choice is None else classes.get(choice, choice)
                yield Review(place, **of_row, reviewed_label=label)


def _chosen(annotation: dict[str, Any], place: str) -> str | None:
    """The one choice of an annotation; None for one without."""
    results = annotation["result"]
    others = {str(result.get("from_name")) for result in results} - {CONTROL}
    if others:
        raise InputError(
            f"{place}: has an answer named {shown(min(others))}, and labels are named "
            f"{CONTROL!r}; use the config of the export, or rename the answers"
        )
    found = {str(choice) for result in results for choice in result["value"]["choices"]}
    if len(found) > 1:
        raise InputError(f"{place}: one annotation has two choices; keep one of them")
    return found.pop() if found else None
