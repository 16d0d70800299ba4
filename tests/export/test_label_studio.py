"""Tasks of Label Studio, checked and annotated by its own SDK."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from docs.outputs import ROOT
from salutary.cli.main import main
from salutary.displays.frames import RunFrames
from salutary.export.label_studio import choices_of, reject_of
from salutary.ledgers.decisions import current_decisions
from salutary.ledgers.run_ledger import Ledger
from tests.export.conftest import CLASSES, ID

PYTHON = ROOT / ".venv-label-studio" / "bin" / "python"
"""Of an environment of its own, which `make test` makes."""

SDK = Path(__file__).with_name("label_studio.py")


@pytest.fixture(scope="session")
def sdk() -> Callable[..., Any]:
    """Run a command of `label_studio.py`; what it prints."""
    if not PYTHON.exists():
        pytest.skip("needs label-studio-sdk in .venv-label-studio: make test")

    def sdk(*words: object) -> Any:
        done = subprocess.run(
            [PYTHON, SDK, *map(str, words)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    return sdk


def export(run_dir: Path, *further: str) -> Path:
    folder = run_dir.parent / "tasks"
    words = ["--to", "label-studio", "--out", str(folder), "--quiet"]
    main(["export", str(run_dir), *words, *further])
    return folder


def test_the_sdk_finds_nothing_wrong(
    sdk: Callable[..., Any], run_dir: Path, pool: pd.DataFrame
) -> None:
    folder = export(run_dir, "--all")
    shown = sdk("check", folder)
    labels = RunFrames.of_run(run_dir).labels
    assert shown["choices"] == ["bird", "cat", "dog", "(reject the label)"]
    assert shown["objects"] == ["columns"]
    assert shown["predicted"] == labels["label"].tolist()
    assert shown["annotated"] == [[]] * len(labels)
    tasks = json.loads((folder / "tasks.json").read_text("utf-8"))
    for task, (_, label) in zip(tasks, labels.iterrows(), strict=True):
        own = pool.iloc[label["row"]].replace({float("nan"): None}).to_dict()
        assert task["data"]["columns"] == own
        assert task["data"]["salutary_influence_of_cat"] is not None
        (prediction,) = task["predictions"]
        assert prediction["model_version"].startswith("salutary ")
        assert prediction["score"] == label["probability"]


def test_hostile_texts_are_taken_as_they_are(
    sdk: Callable[..., Any], hostile_run: Path, hostile_pool: pd.DataFrame
) -> None:
    folder = export(hostile_run)
    shown = sdk("check", folder)
    labels = RunFrames.of_run(hostile_run).labels
    choices = choices_of(sorted(CLASSES))
    assert shown["choices"] == [*choices.values(), "((reject the label))"]
    assert shown["predicted"] == [choices[label] for label in labels["label"]]
    tasks = json.loads((folder / "tasks.json").read_text("utf-8"))
    own = hostile_pool.iloc[labels["row"]].to_dict("records")
    assert [task["data"]["columns"] for task in tasks] == own


def test_the_choices_of_hostile_classes_are_all_different() -> None:
    choices = choices_of(CLASSES)
    assert len({*choices.values()}) == len(CLASSES)
    assert choices["a\\nb"] == "a\\\\nb"
    assert choices_of(["a\nb"]) == {"a\nb": "a\\nb"}
    assert reject_of(["(reject the label)", "((reject the label))"]) not in CLASSES


@pytest.mark.parametrize("which", ["run_dir", "hostile_run"])
def test_annotations_come_back_as_decisions(
    which: str,
    sdk: Callable[..., Any],
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_dir = request.getfixturevalue(which)
    folder, file = export(run_dir), run_dir.parent / "project-1.json"
    sdk("review", folder, file)
    main(["import", str(run_dir), str(file), "--json", "--quiet"])
    frames = RunFrames.of_run(run_dir)
    answers = [*frames.classes, None]
    expected = {}
    for place, (row, label) in enumerate(zip(*named(frames), strict=True)):
        if place % 2 == 0:
            after = answers[answers.index(label) + 1]
            expected[row] = ("reject" if after is None else "change", after)
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        holds = current_decisions(ledger.decisions())
    found = {row: (one.decision, one.label) for row, one in holds.items()}
    assert found == expected
    # What people have decided is an annotation of the next export, never a prediction.
    main(["export", str(run_dir), "--to", "label-studio", "--out", f"{folder}2", "-q"])
    shown = sdk("check", f"{folder}2")
    choices = choices_of(frames.classes)
    rejection = reject_of([*choices.values()])
    for row, predicted, annotated in zip(
        named(frames)[0], shown["predicted"], shown["annotated"], strict=True
    ):
        label = frames.labels.set_index("row")["label"][row]
        assert predicted == choices[label]
        decision, after = expected.get(row, (None, None))
        if decision is None:
            assert annotated == []
        else:
            assert annotated == [choices[after] if after else rejection]


def named(frames: RunFrames) -> tuple[list[int], list[str]]:
    return frames.labels["row"].tolist(), frames.labels["label"].tolist()


def test_ids_stand_in_the_columns(hostile_run: Path) -> None:
    tasks = json.loads((export(hostile_run) / "tasks.json").read_text("utf-8"))
    ids = RunFrames.of_run(hostile_run).labels["id"].tolist()
    assert [task["data"]["columns"][ID] for task in tasks] == ids
