"""What an import refuses, in one line of file and row, with nothing stored."""

import gzip
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from salutary.cli.main import main
from salutary.displays.frames import RunFrames
from salutary.errors import InputError
from salutary.export.importing import import_reviews
from salutary.export.reviews import Review, RunLabels, decisions_in
from salutary.ledgers.decisions import NewDecision, current_decisions
from salutary.ledgers.run_ledger import Ledger


@pytest.fixture
def labels(run_dir: Path) -> pd.DataFrame:
    return RunFrames.of_run(run_dir).labels


@pytest.fixture
def rows(run_dir: Path) -> list[dict[str, Any]]:
    """The rows of an export, for a test to spoil."""
    out = run_dir.parent / "out.jsonl"
    main(["export", str(run_dir), "--to", "jsonl", "--out", str(out), "-q"])
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()]


def written(rows: list[dict[str, Any]], path: Path) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def no_label(rows: list[dict[str, Any]]) -> int:
    """Number of a row that the run gave no label."""
    return min({*range(60)} - {row["salutary_row"] for row in rows})


SPOILED: dict[str, tuple[Callable[[list[dict[str, Any]]], Any], str]] = {
    "another run": (
        lambda rows: rows[3].update(salutary_run="run-0123456789abcdef"),
        "row 3: is of another run ('run-0123456789abcdef', not run-",
    ),
    "an unlabeled row": (
        lambda rows: rows[3].update(salutary_row=no_label(rows), id=None),
        "row 3: the run gave row ",
    ),
    "an unlabeled id": (
        lambda rows: rows[3].update(salutary_row=None, id=f"p{no_label(rows)}"),
        "row 3: the run gave 'p0' no label, or has undone it; leave the row out",
    ),
    "no row at all": (
        lambda rows: rows[3].update(salutary_row=None, id=None),
        "row 3: names no row: neither 'salutary_row' nor 'id' has a value",
    ),
    "no number of a row": (
        lambda rows: rows[3].update(salutary_row="third"),
        "row 3: 'salutary_row' is 'third', which is no number of a row",
    ),
    "half a row": (
        lambda rows: rows[3].update(salutary_row=1.5),
        "row 3: 'salutary_row' is 1.5, which is no number of a row",
    ),
    "an id of another row": (
        lambda rows: rows[3].update(id=rows[4]["id"]),
        "row 3: row ",
    ),
    "an unknown class": (
        lambda rows: rows[3].update(reviewed_label="fish"),
        "row 3: 'fish' is no class of the run; it has 'bird', 'cat', 'dog'",
    ),
    "a mistyped class": (
        lambda rows: rows[3].update(reviewed_label="brid"),
        "row 3: 'brid' is no class of the run; did you mean 'bird'?",
    ),
    "another label of the run": (
        lambda rows: rows[3].update(
            salutary_label="cat" if rows[3]["salutary_label"] == "dog" else "dog"
        ),
        "row 3: 'salutary_label' is ",
    ),
    "two answers": (
        lambda rows: rows.append({**rows[1], "reviewed": "reject"}),
        "row 15: decides otherwise about this row than ",
    ),
    "reject with a label": (
        lambda rows: rows[3].update(reviewed="reject", reviewed_label="cat"),
        "row 3: is rejected, and yet has the label 'cat'",
    ),
    "change to nothing": (
        lambda rows: rows[3].update(reviewed="change"),
        "row 3: is to be changed, but 'reviewed_label' is empty",
    ),
    "an unknown decision": (
        lambda rows: rows[3].update(reviewed="maybe"),
        "row 3: 'reviewed' is 'maybe'; write accept, change or reject",
    ),
    "nothing to review": (
        lambda rows: [(row.pop("reviewed"), row.pop("reviewed_label")) for row in rows],
        "has neither a column 'reviewed' nor 'reviewed_label'",
    ),
}


@pytest.mark.parametrize("what", SPOILED)
def test_what_cannot_be_meant_is_refused_and_nothing_is_stored(
    what: str,
    rows: list[dict[str, Any]],
    run_dir: Path,
    tmp_path: Path,
    refusal: Callable[[list[str]], str],
) -> None:
    spoil, said = SPOILED[what]
    rows[1]["reviewed"] = "accept"  # good as it is, and yet not stored
    spoil(rows)
    path = written(rows, tmp_path / "spoiled.jsonl")
    before = (run_dir / "ledger.sqlite").read_bytes()
    line = refusal(["import", str(run_dir), str(path), "-q"])
    assert line.startswith(f"salutary: {path}")
    assert said in line
    assert (run_dir / "ledger.sqlite").read_bytes() == before


def test_a_label_over_one_that_was_accepted_is_a_change(
    rows: list[dict[str, Any]], run_dir: Path, tmp_path: Path
) -> None:
    place = next(at for at, row in enumerate(rows) if row["salutary_label"] != "cat")
    rows[place] |= {"reviewed": "ACCEPT", "reviewed_label": "cat"}
    main(["import", str(run_dir), str(written(rows, tmp_path / "a.jsonl")), "-q"])
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        (made,) = ledger.decisions()
    assert (made.decision, made.label) == ("change", "cat")


def test_an_import_follows_what_was_decided_and_undone(
    rows: list[dict[str, Any]], run_dir: Path, tmp_path: Path
) -> None:
    number = rows[0]["salutary_row"]
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        ledger.decide([NewDecision(number, "reject")], "review")
        ledger.decide([NewDecision(number, "undo", expected=0)], "review")
    rows[0]["reviewed"] = "accept"
    path = written(rows, tmp_path / "a.jsonl")
    for _ in range(2):
        main(["import", str(run_dir), str(path), "-q"])
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        assert len(ledger.decisions()) == 3
        assert current_decisions(ledger.decisions())[number].decision == "accept"
    # A row without an answer keeps what was decided about it.
    rows[0]["reviewed"] = ""
    main(["import", str(run_dir), str(written(rows, path)), "-q"])
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        assert len(ledger.decisions()) == 3


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xyz", b"", "unknown kind of file"),
        ("a.json", b"{}", "is no list in JSON"),
        ("a.json", b"[" * 100_000, "is no list in JSON"),
        ("a.json", b"\xff\xfe[", "is no list in JSON"),
        ("a.json", b"[1]", "task 0 is no task of Label Studio"),
        ("a.json", b'[{"data": []}]', "task 0 is no task of Label Studio"),
        ("a.json", b'[{"data": {}, "annotations": [{}]}]', "task 0 is no task"),
        ("a.json", b'[{"fields": 1}]', "record 0 is no record of Argilla"),
        ("a.jsonl", b"{}\n[]\n", "has neither a column 'reviewed'"),
        ("a.jsonl", b"[]\n", "row 0 is no JSON object"),
        ("a.csv", b"reviewed,id\n1\n", "row 0 has 1 values, but the header has 2"),
        ("a.csv", b"\xff\xfe\x00", "cannot be read"),
        ("a.csv", b"", "has no rows"),
        ("a.parquet", b"PAR1", "cannot be read"),
    ],
)
def test_a_file_of_something_else_is_refused(
    name: str,
    content: bytes,
    said: str,
    run_dir: Path,
    tmp_path: Path,
    refusal: Callable[[list[str]], str],
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    line = refusal(["import", str(run_dir), str(path), "-q"])
    assert line.startswith(f"salutary: {path}")
    assert said in line


def test_an_annotation_with_two_choices_is_refused(
    run_dir: Path,
    labels: pd.DataFrame,
    tmp_path: Path,
    refusal: Callable[[list[str]], str],
) -> None:
    result = {"from_name": "label", "value": {"choices": ["cat", "dog"]}}
    data = {"salutary_row": int(labels["row"][0])}
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"data": data, "annotations": [{"result": [result]}]}]))
    words = ["import", str(run_dir), str(path), "-q"]
    assert "task 0: one annotation has two choices" in refusal(words)
    each = [{"result": [{**result, "value": {"choices": [one]}}]} for one in "ab"]
    each[0]["result"][0]["value"] = {"choices": ["cat"]}
    each[1]["result"][0]["value"] = {"choices": ["dog"]}
    path.write_text(json.dumps([{"data": data, "annotations": each}]))
    assert "task 0: decides otherwise about this row" in refusal(words)


def test_no_file_and_no_run(
    run_dir: Path, tmp_path: Path, refusal: Callable[[list[str]], str]
) -> None:
    (tmp_path / "empty").mkdir()
    words = ["import", str(run_dir), str(tmp_path / "empty"), "-q"]
    assert "holds no .parquet or .arrow file" in refusal(words)
    assert "is a folder, not a .csv file" in refusal([*words, "--from", "csv"])
    assert "tasks.json: no such file" in refusal([*words, "--from", "label-studio"])
    words[2] = str(tmp_path / "none.csv")
    assert "none.csv: no such file" in refusal(words)
    (tmp_path / "some.csv").write_text("id,reviewed\n", "utf-8")
    words = ["import", str(tmp_path / "empty"), str(tmp_path / "some.csv"), "-q"]
    assert "holds no run" in refusal(words)


def test_from_says_what_the_name_does_not(
    rows: list[dict[str, Any]], run_dir: Path, tmp_path: Path
) -> None:
    rows[0]["reviewed"] = "accept"
    path = written(rows, tmp_path / "reviewed.txt")
    main(["import", str(run_dir), str(path), "--from", "jsonl", "-q"])
    frame = pd.DataFrame(rows)[["id", "reviewed", "reviewed_label"]]
    frame.loc[1, "reviewed"] = "reject"
    packed = tmp_path / "reviewed.csv.gz"
    packed.write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    main(["import", str(run_dir), str(packed), "-q"])
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        made = [one.decision for one in ledger.decisions()]
    assert made == ["accept", "reject"]


def test_labels_of_undone_rounds_stay_behind(
    rows: list[dict[str, Any]],
    run_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refusal: Callable[[list[str]], str],
) -> None:
    frames = RunFrames.of_run(run_dir)
    frames.labels.loc[frames.labels["round"] > 1, "undone"] = True
    monkeypatch.setattr(RunFrames, "of_run", lambda path: frames)
    out = tmp_path / "kept.jsonl"
    main(["export", str(run_dir), "--to", "jsonl", "--out", str(out), "-q"])
    assert len(out.read_text("utf-8").splitlines()) == 5
    path = written(rows, tmp_path / "all.jsonl")
    assert "row 5: the run gave row" in refusal(["import", str(run_dir), str(path)])
    frames.labels["undone"] = True
    out.unlink()
    words = ["export", str(run_dir), "--to", "jsonl", "--out", str(out), "-q"]
    assert "has no labels; there is nothing to export" in refusal(words)


def test_numbers_as_classes_and_ids_and_a_spreadsheet_between(tmp_path: Path) -> None:
    """Classes of true and false, ids of digits, as a spreadsheet spells them."""
    rng = np.random.default_rng(0)
    for name, number in (("train", 40), ("val", 60), ("pool", 80)):
        x = rng.normal(size=number)
        y = np.where(x + rng.normal(size=number) > 0, "true", "false")
        frame = pd.DataFrame({"x": x, "code": [f"{row:04}" for row in range(number)]})
        frame = frame if name == "pool" else frame.assign(y=y)
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    words = [str(tmp_path / "train.csv"), "--target=y", "--id=code", "--budget=10"]
    words += [f"--validation={tmp_path / 'val.csv'}", f"--pool={tmp_path / 'pool.csv'}"]
    run_dir, out = tmp_path / "run", tmp_path / "out.csv"
    main(["label", *words, f"--out={run_dir}", "--no-guard", "--no-report", "-q"])
    main(["export", str(run_dir), "--to", "csv", "--out", str(out), "-q"])
    frame = pd.read_csv(out)  # "0007" becomes 7, and "True" a boolean
    assert frame["code"].dtype == "int64"
    assert frame["salutary_label"].dtype == "bool"
    before = frame["salutary_label"].tolist()
    answers = [str(not label).upper() for label in before]
    frame.assign(reviewed_label=answers).to_csv(out, index=False)
    main(["import", str(run_dir), str(out), "-q"])
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        made = [one.label for one in ledger.decisions()]
    assert made == [str(not label) for label in before]


def test_rows_of_a_relabeling_go_out_by_their_numbers_in_the_file(
    tmp_path: Path, plain_folder: Path, refusal: Callable[[list[str]], str]
) -> None:
    run_dir, out = tmp_path / "run", tmp_path / "out.jsonl"
    words = [str(plain_folder / "train.csv"), "--target", "kind", "--budget", "10"]
    words += ["--validation-fraction", "0.4", "--out", str(run_dir), "--C", "0.03"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main(["relabel", *words, "--no-guard", "--no-report", "-q"])
    main(["export", str(run_dir), "--to", "jsonl", "--out", str(out), "-q"])
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    train = pd.read_csv(plain_folder / "train.csv")
    for row in rows:
        assert row["day"] == train["day"][row["salutary_row"]]
        assert row["kind"] == train["kind"][row["salutary_row"]]  # as it was
    line = refusal(["import", str(run_dir), str(out)])
    assert "holds a run of 'salutary relabel', which cannot be reviewed yet" in line


def test_a_run_that_goes_on_is_refused(
    rows: list[dict[str, Any]],
    run_dir: Path,
    tmp_path: Path,
    refusal: Callable[[list[str]], str],
) -> None:
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        ledger.set_facts(report=None)
    path = written(rows, tmp_path / "a.jsonl")
    assert "has not finished; finish it by" in refusal(
        ["import", str(run_dir), str(path)]
    )


def labels_of(*ids: str) -> RunLabels:
    return RunLabels(
        run="run-1",
        classes=("true", "false"),
        id_column="id",
        pool="pool.csv",
        of_row={row: (id_, "true") for row, id_ in enumerate(ids)},
        of_id={id_: row for row, id_ in enumerate(ids)},
    )


@pytest.mark.parametrize("id_", ["005", "5.0", 9007199254741007, "true"])
def test_an_id_alone_is_none_of_another_spelling(id_: Any) -> None:
    """The pool may have a row of that id, which has no label."""
    run = labels_of("5", "9007199254741009", "True")
    with pytest.raises(InputError, match="no label, or has undone it"):
        decisions_in([Review("x: row 0", id=id_, reviewed="reject")], run)


def test_an_id_is_a_whole_number_however_a_program_holds_it() -> None:
    run = labels_of("5", "9007199254741009")
    for id_, row in ((5, 0), (5.0, 0), (9007199254741009, 1)):
        found = decisions_in([Review("x: row 0", id=id_, reviewed="reject")], run)
        assert found == {row: ("reject", None)}


def test_an_id_of_another_spelling_is_known_by_its_row() -> None:
    run = labels_of("0", "005")
    review = Review("x: row 0", row=1, id=5, reviewed_label="FALSE")
    assert decisions_in([review], run) == {1: ("change", "false")}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "a.csv",
            "salutary_row,reviewed,reviewed\n1,accept,reject\n",
            "more than once",
        ),
        ("a.csv", "", "has no rows"),
        ("a.csv", "\n\n", "has no rows"),
        ("a.csv", "salutary_row,reviewed\n1_0,accept\n", "is no number of a row"),
        ("a.jsonl", "", "has no rows"),
        ("a.jsonl", '{"salutary_row": true, "reviewed": "accept"}', "is no number of"),
        (
            "a.jsonl",
            '{"salutary_row": 1' + "0" * 400 + ', "reviewed": "accept"}',
            "is no number of a row",
        ),
    ],
    ids=["twice", "empty", "blank", "underscore", "no lines", "true", "huge"],
)
def test_what_a_file_cannot_mean_is_refused_in_one_line(
    name: str, content: str, words: str, run_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        import_reviews(run_dir, tmp_path / name)
    assert "\n" not in str(caught.value)


def test_rows_of_nothing_are_no_answers(run_dir: Path, tmp_path: Path) -> None:
    row = next(iter(RunLabels.of_run(run_dir).of_row))
    path = tmp_path / "a.csv"
    path.write_text(f"salutary_row,reviewed\n{row},accept\n,\n,\n")
    assert import_reviews(run_dir, path).accepted == 1
