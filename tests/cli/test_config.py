"""``--config``: options from a file, and the file that repeats a run."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import example, given
from hypothesis import strategies as st

from salutary.cli.config import words
from salutary.cli.main import app, main
from salutary.files import toml_lines

Refusal = Callable[[list[str]], str]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = TEXTS | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
VALUES |= st.booleans() | st.lists(TEXTS, max_size=3)
KEYS = st.from_regex(r"\A[A-Za-z0-9_-]+\Z")


@example({"odd": '\x7f\0\x1b"\\\n\u2028\U0010ffff', "inf": float("inf"), "b": [""]})
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_is_written_is_read_as_it_was(content: dict[str, Any]) -> None:
    found = tomllib.loads(f"[table]\n{toml_lines(content)}")["table"]
    assert found == content
    assert list(map(type, found.values())) == list(map(type, content.values()))


def test_a_run_writes_its_options_with_absolute_paths(run_dir: Path) -> None:
    content = tomllib.loads((run_dir / "config.toml").read_text())
    options = content.pop("label")
    assert content == {}
    for name in ("train", "validation", "pool"):
        path = Path(options.pop(name))
        assert path.is_absolute()
        assert path.name == f"{name}.csv"
    assert options == {
        **{"target": "kind", "id": "id", "budget": 15, "batch-size": 5, "C": 0.03},
        **{"rule": "tempered", "objective": "log_loss", "estimate": "first_order"},
        **{
            "pooling": "mean",
            "min-influence-z": 0.0,
            "seed": 0,
            "jobs": 1,
            "engine": "local",
        },
    }


@pytest.mark.slow
def test_a_runs_own_file_repeats_it_from_another_folder(
    arguments: list[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    relative = [word.replace(f"{folder}/", "") for word in arguments]
    main([*relative, "--seed", "3", "--no-guard"])
    monkeypatch.chdir("/")
    again = ["label", "--config", str(folder / "run" / "config.toml")]
    main([*again, "--out", str(folder / "again")])
    reports = [
        json.loads((folder / name / "run.json").read_text())
        for name in ("run", "again")
    ]
    for report in reports:
        for table in report["data"].values():
            table["file"] = Path(table["file"]).name
    assert reports[0] == reports[1]
    labels = [
        (folder / name / "labels.parquet").read_bytes() for name in ("run", "again")
    ]
    assert labels[0] == labels[1]
    # The command line wins over the file.
    main([*again, "--out", str(folder / "more"), "--budget", "5", "--json"])
    report = json.loads((folder / "more" / "run.json").read_text())
    assert (report["settings"]["budget"], report["settings"]["seed"]) == (5, 3)


def write(folder: Path, text: str) -> list[str]:
    (folder / "c.toml").write_text(text)
    return ["label", "--config", str(folder / "c.toml")]


TABLES = 'train = "train.csv"\nvalidation = "validation.csv"\npool = "pool.csv"\n'
REST = 'target = "kind"\nid = "id"\nout = "run"\nC = 0.03\nbudget = 5\n'


@pytest.mark.slow
def test_keys_may_be_flat_or_in_a_table_with_dashes_or_underscores(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    text = (
        f"{TABLES}{REST}[label]\nbatch_size = 5\nno-guard = true\nmin-influence-z = 0\n"
    )
    main([*write(folder, text + "[relabel]\nbudget = 1\n"), "-q"])
    settings = json.loads((folder / "run" / "run.json").read_text())["settings"]
    assert (settings["batch_size"], settings["guard"]) == (5, False)
    assert (settings["budget"], settings["min_influence_z"]) == (5, 0.0)


MISTAKES = [
    ("buget = 5", "'buget' is no option of 'salutary label'; did you mean 'budget'?"),
    ("xyzzy = 5", "'xyzzy' is no option of 'salutary label'; remove it"),
    ("config = 'c.toml'", "'config' is no option of 'salutary label'; remove it"),
    ("[label]\nbatch-sise = 5", "'batch-sise' is no option of 'salutary label'; did"),
    ("[lable]\nbudget = 5", "[lable] is no command with options; the tables are"),
    ("[relabel]\nbudget = 5", "has no options for 'salutary label', only [relabel]"),
    ("batch_size = 5\nbatch-size = 5", "'batch-size' is there twice; remove one"),
    ("budget = '5'", "'budget': must be a whole number, not '5'"),
    ("budget = 5.0", "'budget': must be a whole number, not 5.0"),
    ("budget = true", "'budget': must be a whole number, not True"),
    ("C = '1'", "'C': must be a number, not '1'"),
    ("target = 5", "'target': must be a text in quotation marks, not 5"),
    ("train = ['a']", "'train': must be a text in quotation marks, not ['a']"),
    ("no-guard = 1", "'no-guard': must be true or false, not 1"),
    ("no-guard = 'yes'", "'no-guard': must be true or false, not 'yes'"),
    ("rule = 'best'", "'rule': must be one of tempered, plausible, paper, not 'best'"),
    ("objective = 'x'", "must be one of log_loss, balanced, worst_group, cost, not"),
    ("target = ''", "'target': its value is empty; pass one"),
    ("budget 5", "is not TOML in UTF-8: "),
    (f"target = '{'x' * 99}'\nbudget = '{'x' * 99}'", "not 'xxx"),
]


@pytest.mark.parametrize(
    ("text", "words"), MISTAKES, ids=[text for text, _ in MISTAKES]
)
def test_a_mistake_is_told_with_the_file_and_the_key(
    text: str, words: str, folder: Path, refusal: Refusal
) -> None:
    before = sorted(folder.iterdir())
    line = refusal(write(folder, text))
    assert line.startswith(f"salutary: {folder / 'c.toml'}: ")
    assert words in line
    assert len(line) < 400
    assert sorted(folder.iterdir()) == sorted([*before, folder / "c.toml"])


def test_a_file_that_is_none_is_refused(folder: Path, refusal: Refusal) -> None:
    assert "nowhere.toml: no such file; pass a file of options" in refusal(
        ["label", "--config", str(folder / "nowhere.toml")]
    )
    assert f"{folder}: is a folder; pass a file of options" in refusal(
        ["label", "--config", str(folder)]
    )
    (folder / "config.toml").touch()
    assert f"{folder}: is a folder; pass {folder / 'config.toml'}" in refusal(
        ["label", "--config", str(folder)]
    )
    assert "is a pipe or device" in refusal(["label", "--config", "/dev/null"])
    (folder / "c.toml").write_bytes(b"target = '\xff'")
    assert "is not TOML in UTF-8" in refusal(["label", f"--config={folder / 'c.toml'}"])
    (folder / "c.toml").write_text("# " + "x" * 2**20)
    assert "is larger than 1 MB" in refusal(["label", f"--config={folder / 'c.toml'}"])


def test_check_takes_what_it_has_of_the_options_of_a_run(
    run_dir: Path, folder: Path, capsys: pytest.CaptureFixture[str], refusal: Refusal
) -> None:
    capsys.readouterr()
    main(["check", "--config", str(run_dir / "config.toml"), "--json"])
    found = json.loads(capsys.readouterr().out)
    expected = json.loads((run_dir / "run.json").read_text())["checks"]
    assert {name: found[name] for name in expected} == expected
    # Options of no command are mistakes there too, and so are those of two runs.
    for text, said in (
        (f"{TABLES}{REST}buget = 5\n", "'buget' is no option of 'salutary check'"),
        ("[label]\nC = 1\n[relabel]\nC = 1\n", "no options for 'salutary check'"),
        ("[finetune]\nseed = 1\n", "no options for 'salutary check', only [finetune]"),
    ):
        assert said in refusal(["check", *write(folder, text)[1:]])
    for text in (f"{TABLES}{REST}", f"C = 1\n[check]\n{TABLES}target = 'kind'\n"):
        told = refusal(["check", *write(folder, text)[1:]])
        assert "train.csv: no such file" in told


def test_what_the_file_leaves_out_is_still_asked_for(
    folder: Path, refusal: Refusal
) -> None:
    assert "--pool" in refusal(write(folder, 'train = "t.csv"\ntarget = "kind"\n'))


def test_options_become_the_words_that_typer_reads_as_they_were() -> None:
    label = typer.main.get_group(app).commands["label"]
    options = {"target": "-- a\n'b'", "train": "/t.csv", "C": -1.5, "no-guard": True}
    context = label.make_context(
        "label",
        [*words(label, {**options, "batch-size": 7}), "--out=o", "--pool=p"],
        resilient_parsing=True,
    )
    assert context.params["target"] == "-- a\n'b'"
    assert str(context.params["train"]) == "/t.csv"
    assert (context.params["c"], context.params["no_guard"]) == (-1.5, True)
    assert context.params["batch_size"] == 7
