"""What Label Studio's own SDK makes of an export; run by the interpreter that has it.

The SDK needs an older NumPy than the tests do, so it has an environment of its own, and
this file imports nothing of salutary.

Usage: python label_studio.py check FOLDER | review FOLDER FILE
"""

import json
import sys
from pathlib import Path
from typing import Any


def read(folder: Path) -> tuple[Any, list[dict[str, Any]]]:
    """The labeling config and the tasks of an export."""
    # Imported here, as the tests' own interpreter imports this file for its doctests.
    from label_studio_sdk.label_interface import LabelInterface

    config = (folder / "labeling_config.xml").read_text("utf-8")
    return LabelInterface(config), json.loads((folder / "tasks.json").read_bytes())


def check(folder: Path) -> None:
    """Hold all of an export against the SDK's checks, and print what it shows."""
    from label_studio_sdk.label_interface.objects import (
        AnnotationValue,
        PredictionValue,
    )

    interface, tasks = read(folder)
    interface.validate()
    control = interface.get_control("label")
    for task in tasks:
        # Given a task with predictions, the SDK calls a function without its argument.
        assert interface.validate_task({"data": task["data"]})
        (prediction,) = task["predictions"]
        assert interface.validate_prediction(prediction, return_errors=True) == []
        PredictionValue(**prediction)
        for annotation in task.get("annotations", []):
            assert interface.validate_annotation(annotation)
            AnnotationValue(**annotation, completed_by=1)
    others = {"result": [{**tasks[0]["predictions"][0]["result"][0]}]}
    others["result"][0]["value"] = {"choices": ["no class"]}
    assert not interface.validate_prediction(others)
    shown = {
        "choices": control.labels,
        "objects": [tag.name for tag in interface.objects],
        "predicted": [of_result(task["predictions"][0]) for task in tasks],
        "annotated": [
            [of_result(annotation) for annotation in task.get("annotations", [])]
            for task in tasks
        ],
    }
    print(json.dumps(shown))


def of_result(given: dict[str, Any]) -> str:
    """The choice of a prediction or an annotation."""
    ((choice,),) = (result["value"]["choices"] for result in given["result"])
    return str(choice)


def review(folder: Path, file: Path) -> None:
    """Annotate every other task with the choice after the predicted one.

    All is made of the SDK's own objects, and written as Label Studio exports it.
    """
    from label_studio_sdk.label_interface.objects import AnnotationValue

    interface, tasks = read(folder)
    control = interface.get_control("label")
    for number, task in enumerate(tasks):
        task["id"] = number + 1
        if number % 2:
            continue
        before = control.labels.index(of_result(task["predictions"][0]))
        chosen = control.labels[(before + 1) % len(control.labels)]
        region = control.label([chosen])
        made = AnnotationValue(result=[region], completed_by=1)
        skipped = AnnotationValue(result=[], completed_by=2, was_cancelled=True)
        task["annotations"] = [skipped.model_dump(), made.model_dump()]
        assert interface.validate_annotation(task["annotations"][1])
    file.write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    {"check": check, "review": review}[sys.argv[1]](*map(Path, sys.argv[2:]))
