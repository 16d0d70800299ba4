"""CSV, JSON lines and Parquet: exact texts out and back, and nothing that runs."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salutary.cli.main import main
from salutary.displays.frames import RunFrames
from salutary.export.cells import as_it_was, harmless_names
from salutary.export.columns import PROVENANCE, REVIEW
from salutary.ledgers.decisions import NewDecision, current_decisions
from salutary.ledgers.run_ledger import Ledger

FORMATS = ("csv", "jsonl", "parquet")
BOTH = pytest.mark.parametrize("which", ["run_dir", "hostile_run"])
ALL = pytest.mark.parametrize("to", FORMATS)


def export(run_dir: Path, to: str, *further: str, name: str = "labels") -> Path:
    out = run_dir.parent / f"{name}.{to}"
    main(["export", str(run_dir), "--to", to, "--out", str(out), "-q", *further])
    return out


def cells_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [*csv.reader(file)]


def read(path: Path) -> pd.DataFrame:
    """A file as another library reads it, all of a .csv file as text."""
    if path.suffix == ".csv":
        header, *rows = cells_of(path)
        return pd.DataFrame(rows, columns=pd.Index(header, dtype=object), dtype=object)
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.DataFrame(map(json.loads, path.read_text("utf-8").splitlines()))


def write(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)


def undone(texts: list[Any]) -> list[Any]:
    return [as_it_was(text) for text in texts]


@BOTH
@ALL
def test_rows_and_provenance_are_there_exactly(
    which: str, to: str, request: pytest.FixtureRequest
) -> None:
    run_dir = request.getfixturevalue(which)
    pool = request.getfixturevalue("pool" if which == "run_dir" else "hostile_pool")
    frame = read(export(run_dir, to))
    labels, own = RunFrames.of_run(run_dir).labels, [*pool.columns]
    names = undone([*frame.columns]) if to == "csv" else [*frame.columns]
    assert names == [*own, *PROVENANCE, *REVIEW]
    for name, column in zip(own, frame.columns, strict=False):
        before = pool[name].iloc[labels["row"]]
        after = frame[column].tolist()
        if to != "csv":
            before = before.astype(object).where(before.notna(), None)
            after = [None if value != value else value for value in after]
            assert after == before.tolist(), name
        elif before.dtype == "float64":
            assert [float(text or "nan") for text in after] == pytest.approx(
                before.tolist(), nan_ok=True
            )
        else:
            assert undone(after) == [
                "" if value != value else str(value) for value in before
            ], name
    given = frame["salutary_label"].tolist()
    assert (undone(given) if to == "csv" else given) == labels["label"].tolist()
    for column, figure in (
        ("salutary_influence", "influence"),
        ("salutary_influence_se", "influence_se"),
        ("salutary_probability", "probability"),
        ("salutary_row", "row"),
        ("salutary_round", "round"),
    ):
        assert frame[column].astype(float).tolist() == labels[figure].tolist()
    assert {*frame["salutary_rule"]} == {"tempered"}
    assert all(text.startswith("salutary ") for text in frame["salutary_source"])


def test_no_cell_runs_in_a_spreadsheet(hostile_run: Path) -> None:
    path = export(hostile_run, "csv", "--all")
    cells = [cell for row in cells_of(path) for cell in row if cell]
    assert sum(cell.startswith("'") for cell in cells) > 40
    for cell in cells:
        if cell[0] in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20":
            float(cell)  # a number, which is all that may start so


@given(st.text(st.sampled_from("'=+-@\t\r\n1.eEinf \uff1da")))
def test_an_apostrophe_is_undone_exactly(text: str) -> None:
    (cell,) = harmless_names([text])
    assert as_it_was(cell) == text
    try:
        float(text)
    except ValueError:
        assert not cell or cell[0] not in "=+-@\t\r\n\uff1d"


@BOTH
@ALL
def test_what_pandas_has_changed_comes_back(
    which: str, to: str, request: pytest.FixtureRequest
) -> None:
    run_dir = request.getfixturevalue(which)
    path = export(run_dir, to)
    frame = read(path)
    frames = RunFrames.of_run(run_dir)
    labels = frames.labels
    frame = frame.astype(dict.fromkeys(REVIEW, object))
    expected = {}
    for place, (row, label) in enumerate(
        zip(labels["row"], labels["label"], strict=True)
    ):
        after = frames.classes[(frames.classes.index(label) + place) % 3]
        if place % 2:
            continue
        if place % 10 == 8:
            frame.loc[place, "reviewed"] = "reject"
            expected[row] = ("reject", None)
        else:
            frame.loc[place, "reviewed_label"] = after
            expected[row] = ("accept" if after == label else "change", after)
    changed = path.with_stem("changed")
    write(frame, changed)
    main(["import", str(run_dir), str(changed), "-q"])
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        holds = current_decisions(ledger.decisions())
        assert ledger.is_sound()
    assert {row: (one.decision, one.label) for row, one in holds.items()} == expected
    assert {one.source for one in holds.values()} == {changed.name}
    # Nothing else differs: only the two columns of people have changed.
    again = read(export(run_dir, to, name="again"))
    before = read(path)
    pd.testing.assert_frame_equal(
        again.drop(columns=[*REVIEW]), before.drop(columns=[*REVIEW])
    )
    found = again["reviewed"].where(again["reviewed"].notna(), "").tolist()
    assert found == [expected.get(row, ("",))[0] for row in labels["row"]]


@ALL
def test_a_file_that_comes_back_twice_changes_nothing(
    to: str, run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = RunFrames.of_run(run_dir).labels["row"].tolist()
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        ledger.decide([NewDecision(rows[0], "reject")], "review")
        ledger.decide([NewDecision(rows[1], "accept")], "review")
        ledger.decide([NewDecision(rows[2], "change", "bird")], "review")
        before = ledger.decisions()
    path = export(run_dir, to)
    capsys.readouterr()
    for _ in range(2):
        main(["import", str(run_dir), str(path), "-q"])
        assert capsys.readouterr().out == (
            "0 accepted, 0 changed, 0 rejected, 15 unchanged.\n"
        )
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        assert ledger.decisions() == before


def test_both_directions_as_json(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    path = export(run_dir, "jsonl", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told == {"path": str(path), "format": "jsonl", "labels": 15, "reviewed": 0}
    line = json.loads(path.read_text("utf-8").splitlines()[0])
    line["reviewed"] = "accept"
    path.write_text(json.dumps(line))
    main(["import", str(run_dir), str(path), "-q", "--json"])
    assert json.loads(capsys.readouterr().out) == {
        **{"format": "jsonl", "accepted": 1, "changed": 0, "rejected": 0},
        **{"unchanged": 0, "refit_by": f"salutary resume {run_dir}"},
    }


def test_a_hand_made_table_of_ids_is_enough(run_dir: Path) -> None:
    labels = RunFrames.of_run(run_dir).labels
    path = run_dir.parent / "mine.csv"
    path.write_text(
        f"id;reviewed_label\n{labels['id'][0]};bird\n{labels['id'][1]};\n", "utf-8"
    )
    main(["import", str(run_dir), str(path), "-q"])
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        (made,) = ledger.decisions()
    assert (made.id, made.label) == (labels["id"][0], "bird")


@pytest.mark.parametrize("to", ["csv", "label-studio"])
def test_nothing_is_written_over(
    to: str, run_dir: Path, refusal: Callable[[list[str]], str]
) -> None:
    out = run_dir.parent / "there"
    words = ["export", str(run_dir), "--to", to, "--out"]
    out.mkdir()
    assert "there: is there already" in refusal([*words, str(out)])
    out.rmdir()
    out.symlink_to("nowhere")
    assert "there: is there already" in refusal([*words, str(out)])
    out.unlink()
    assert "own directory" in refusal([*words, str(run_dir / "out")])
    assert "own directory" in refusal([*words, str(run_dir)])
    assert "there is no folder" in refusal([*words, str(out / "in" / "it")])
    assert [path.name for path in run_dir.parent.iterdir()] == ["run"]


def test_a_run_whose_table_has_changed_is_refused(
    run_dir: Path, plain_folder: Path, refusal: Callable[[list[str]], str]
) -> None:
    out = run_dir.parent / "out"
    words = ["export", str(run_dir), "--to", "jsonl", "--out", str(out)]
    pool = plain_folder / "pool.csv"
    text = pool.read_text("utf-8")
    try:
        pool.write_text(text + "\n", "utf-8")
        assert "pool.csv has changed since the run; restore it" in refusal(words)
        pool.unlink()
        assert "pool.csv is no longer there; restore it" in refusal(words)
    finally:
        pool.write_text(text, "utf-8")
    assert not out.exists()
    words[1] = f"{run_dir}-none"
    assert "holds no run" in refusal(words)


def test_a_path_that_no_line_could_hold_is_said_on_one_line(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(run_dir, "csv", name="a\nb \x1b[31mred")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("a b \\x1b[31mred.csv")
