"""What every command has: help, streams, quiet and verbose, JSON, completion."""

import json
import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import typer

from salutary.cli import main as command_line
from salutary.cli.conventions import MESSAGES
from salutary.cli.main import app, main
from tests.words import once

COMMANDS = sorted(typer.main.get_group(app).commands)
BENCHMARK = [["benchmark", name] for name in ("run", "report", "list")]
EVERY = [*([name] for name in COMMANDS), *BENCHMARK]
WIDTH = 80


def help_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    main([*words, "-h"])
    out, err = capsys.readouterr()
    assert err == ""
    return out


def panels_of(text: str) -> dict[str, list[str]]:
    """The options of each panel of a help, by the panel's title."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in text.splitlines():
        if re.fullmatch(r"\S.*:", line):
            title = line[:-1]
        elif option := re.match(r"  (-[^\s,]+)(?:, (--\S+))?", line):
            found.setdefault(title, []).append(option[2] or option[1])
    return found


def process(
    words: list[str], folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """``python -m salutary`` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "salutary", *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("words", [[], *EVERY], ids=" ".join)
def test_h_is_help_within_80_columns(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = help_of(words, capsys)
    assert out.startswith("Usage: salutary")
    main([*words, "--help"])
    assert capsys.readouterr().out == out
    assert max(map(len, out.splitlines())) <= WIDTH


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_has_the_common_options_and_an_example(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = help_of(words, capsys)
    assert f"Example: salutary {' '.join(words)}" in out
    assert set(panels_of(out)[MESSAGES]) >= {"--json", "--quiet", "--verbose"}


@pytest.mark.parametrize("command", ["label", "relabel", "finetune", "advise"])
def test_what_most_need_stands_first(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    panels = panels_of(help_of([command], capsys))
    first, *others = panels
    assert first == "Options"
    assert {"--validation", "--validation-fraction", "--target"} <= {*panels[first]}
    assert len(panels[first]) <= 11
    assert {"--config"} <= {*panels["Going on and repeating"]}
    assert len(others) >= 3


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_a_word_of_ours_is_explained_where_it_is_used(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = " ".join(help_of(words, capsys).split())
    if "canary" in out:
        assert "rows that" in out[: out.index("canary")][-80:]


@pytest.mark.parametrize(
    "words",
    [
        ["label", "train.csv", "--budget", "5", "--target", "y", "--budget", "10"],
        ["label", "train.csv", "--budget=5", "--budget=5"],
        ["relabel", "train.csv", "--config", "a.toml", "--budget=5", "--budget", "6"],
        ["advise", "train.csv", "--budget", "5", "--budget", "10"],
        ["resume", "nowhere", "--budget", "5", "--budget", "10"],
    ],
    ids=" ".join,
)
def test_an_option_that_is_given_twice_is_refused(
    words: list[str], refusal: Callable[[list[str]], str]
) -> None:
    assert refusal(words) == "salutary: --budget: is given more than once; pass it once"


def test_every_command_refuses_options_that_are_given_twice(
    refusal: Callable[[list[str]], str],
) -> None:
    for words, option in (
        (["check"], "--target"),
        (["finetune"], "--model"),
        (["predict"], "--out"),
        (["evaluate"], "--target"),
        (["cache"], "--max-age"),
        (["benchmark", "run"], "--suite"),
        (["label"], "--id"),
        (["label"], "--C"),
    ):
        line = refusal([*words, option, "1", option, "2"])
        assert line == f"salutary: {option}: is given more than once; pass it once"


VALUED = [
    (name, max(parameter.opts, key=len))
    for name, command in typer.main.get_group(app).commands.items()
    for parameter in command.params
    if parameter.param_type_name == "option" and not parameter.is_flag
]
"""Every option that takes a value, with its command."""

LONG = "x" * 5000


def words_with(command: str, option: str, value: str, folder: Path) -> list[str]:
    """A command that is right but for one option."""
    tables = [
        *[str(folder / "train.csv"), "--validation", str(folder / "validation.csv")],
        *["--target", "kind"],
    ]
    pool = ["--pool", str(folder / "pool.csv"), "--id", "id"]
    out = ["--out", str(folder / "out")]
    texts = ["--text-column", "color", "--embedder", str(folder)]
    words: dict[str, list[str]] = {
        "check": [*tables, *pool],
        "advise": [*tables, *pool, "--splits", "2", "--repeats", "1"],
        "label": [*tables, *pool, *out],
        "relabel": [*tables, "--id", "id", *out],
        "finetune": [*tables, *pool, *out, *texts[:2], "--model", str(folder)],
        "resume": [str(folder / "run")],
        "explain": [str(folder / "run")],
        "export": [str(folder / "run"), "--to", "argilla", *out],
        "import": [str(folder / "run"), str(folder / "pool.csv")],
        "predict": [str(folder / "run"), str(folder / "pool.csv")],
        "evaluate": [str(folder / "run"), str(folder / "validation.csv")],
    }
    needed = {
        "--text-pair": texts[:2] if command in ("check", "finetune") else texts,
        "--costs": ["--objective", "cost"],
        "--group": ["--objective", "worst_group"] if command != "check" else [],
    }
    more = needed.get(option, [])
    return once([command, *words.get(command, []), *more, option, value])


@pytest.mark.slow
@pytest.mark.parametrize(("command", "option"), VALUED)
def test_no_refusal_repeats_a_long_value(
    command: str, option: str, run_dir: Path, refusal: Callable[[list[str]], str]
) -> None:
    line = refusal(words_with(command, option, LONG, run_dir.parent))
    # A device is asked for after the texts are found to have a gap.
    assert "xxx" in line or (command, option) == ("finetune", "--device")
    assert len(line) < 700
    assert not (run_dir.parent / "out").exists()


def test_what_takes_several_values_or_says_the_same_may_be_given_twice(
    arguments: list[str], refusal: Callable[[list[str]], str]
) -> None:
    # What is refused is the second value, so both were read.
    line = refusal([*arguments, "-q", "-q", "--keep", "size", "--keep", "colr"])
    assert "--keep 'colr'" in line


def test_a_shell_completes_a_line_with_an_option_twice(folder: Path) -> None:
    line = "salutary label --budget 5 --budget 6 --rule p"
    words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done = process([], folder, _SALUTARY_COMPLETE="complete_bash", **words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["plausible", "paper"]


def examples(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    text = help_of(words, capsys).replace("\\\n", " ")
    lines = re.findall(r"Example: salutary (.*)", text)
    return [shlex.split(line) for line in lines]


@pytest.mark.slow
def test_the_examples_of_help_work(
    folder: Path,
    frames: dict[str, pd.DataFrame],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    for name, like in (
        *(("train", "train"), ("noisy", "train"), ("val", "validation")),
        *(("clean", "validation"), ("test", "validation"), ("pool", "pool")),
    ):
        frames[like].rename(columns={"kind": "y"}).to_csv(f"{name}.csv", index=False)
    frames["pool"].drop(columns="kind").to_csv("new.csv", index=False)
    frames["pool"].drop(columns="kind").to_csv("pool.csv", index=False)
    ran = []
    for command in ("label", "relabel", "advise", "resume", "predict", "evaluate"):
        for words in examples([command], capsys):
            main(words)
            ran.append(words[0])
            assert capsys.readouterr().out
    assert ran == ["label", "relabel", "advise", "resume", "predict", "evaluate"]
    assert len(pd.read_csv("predictions.csv")) == len(frames["pool"])


def test_python_dash_m_is_the_command(folder: Path) -> None:
    done = process(["--version"], folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("salutary ")
    done = process(["label", "--budget"], folder)
    assert done.returncode == 2
    assert done.stderr.startswith("salutary: ")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("salutary ev", ["evaluate"]),
        ("salutary label --val", ["--validation", "--validation-fraction"]),
        ("salutary label --rule ", ["tempered", "plausible", "paper"]),
        ("salutary benchmark r", ["run", "report"]),
    ],
)
def test_shells_complete_commands_options_and_values(
    line: str, offered: list[str], folder: Path
) -> None:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done = process([], folder, _SALUTARY_COMPLETE="complete_bash", **words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == offered


def test_the_script_for_completion_can_be_seen(folder: Path) -> None:
    done = process([], folder, _SALUTARY_COMPLETE="source_bash")
    assert "complete -o default -F _salutary_completion salutary" in done.stdout


@pytest.mark.slow
def test_results_go_to_standard_output_and_all_else_to_standard_error(
    arguments: list[str], folder: Path
) -> None:
    loud = process(arguments, folder)
    progress = loud.stderr.splitlines()
    assert progress[0] == "reading the tables"
    card = [line for line in progress if line.startswith(("TRAIN ", "VAL ", "POOL "))]
    assert len(card) == 3
    assert any(line.startswith("round 1: ") for line in progress)
    assert loud.stdout.startswith("Labels assigned: 15")
    quiet = process(once([*arguments, "--out", "quiet", "-q"]), folder)
    assert quiet.stderr == ""
    ends = [done.stdout.rpartition("\nIn ")[0] for done in (loud, quiet)]
    assert ends[0] == ends[1]


@pytest.mark.slow
def test_verbose_shows_the_log_of_the_library_and_no_more(
    arguments: list[str], folder: Path
) -> None:
    done = process([*arguments, "--quiet", "--verbose"], folder)
    lines = done.stderr.splitlines()
    assert all(
        re.match(r"\d\d:\d\d:\d\d (DEBUG|INFO) salutary[.:]", line) for line in lines
    )
    rounds = [line for line in lines if "INFO salutary: round " in line]
    assert len(rounds) == 3
    assert f"{folder / 'train.csv'}: 45 rows, 6 columns" in done.stderr


@pytest.mark.slow
def test_verbose_says_each_round_once(arguments: list[str], folder: Path) -> None:
    done = process([*arguments, "--verbose"], folder)
    for number in (1, 2, 3):
        assert done.stderr.count(f"round {number}: ") == 1
    assert "\nTRAIN " in done.stderr


def test_verbose_ends_with_its_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["benchmark", "list", "-v", "-q"])
    handlers = logging.getLogger("salutary").handlers
    assert [type(handler).__name__ for handler in handlers][-1] == "_LogLines"
    main(["--version"])
    assert not any(type(handler).__name__ == "_LogLines" for handler in handlers)
    assert isinstance(handlers[0], logging.NullHandler)


def test_an_error_is_one_line_in_quiet_and_verbose_too(
    arguments: list[str], refusal: Callable[[list[str]], str]
) -> None:
    words = once([*arguments, "--target", "nothing"])
    assert "no target column 'nothing'" in refusal([*words, "-q"])
    assert "no target column 'nothing'" in refusal(words)


def document(words: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    """The one JSON document on standard output."""
    capsys.readouterr()
    main([*words, "--json"])
    return json.loads(capsys.readouterr().out)


def test_json_of_a_run_is_its_report(
    run_dir: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    report = json.loads((run_dir / "run.json").read_text())
    assert document([*arguments, "--resume"], capsys) == report
    assert document(["resume", str(run_dir)], capsys) == report


def test_json_of_predictions_counts_them(
    run_dir: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "p.csv"
    words = ["predict", str(run_dir), str(folder / "pool.csv"), "--out", str(out)]
    found = document(words, capsys)
    counts = pd.read_csv(out)["prediction"].value_counts().to_dict()
    assert found == {"file": str(out), "rows": 60, "predicted": counts}


@pytest.mark.slow
def test_json_of_the_demo_has_its_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.DataFrame(
        [
            {"contender": name, "accuracy": accuracy, "log_loss": 1 - accuracy}
            for name in ("train only", "salutary", "true labels, margin")
            for accuracy in (0.5, 0.75)
        ]
        + [{"contender": "train + validation", "accuracy": 0.5, "log_loss": 0.5}] * 2
    )
    monkeypatch.setattr("salutary.cli.demo._results", lambda: frame)
    found = document(["demo"], capsys)
    names = [row["trained_on"] for row in found["contenders"]]
    assert names == list(dict.fromkeys(frame["contender"]))
    assert found["contenders"][0]["accuracy"] == {"mean": 0.625, "se": 0.125}
    bought = [row["labels_bought"] for row in found["contenders"]]
    assert bought == [0, 0, 100, 0]
    assert found["conclusion"].startswith("Without asking anyone")


def test_a_closed_standard_error_loses_progress_alone(
    run_dir: Path, folder: Path
) -> None:
    words = [sys.executable, "-m", "salutary", "predict", str(run_dir), "pool.csv"]
    line = f"{shlex.join([*words, '--out', 'p.csv'])} 2>&-"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=folder)
    assert (done.returncode, done.stdout) == (0, "Wrote 60 predictions to p.csv\n")


def test_an_interrupt_says_how_to_go_on(
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("salutary.runs.directory.run_tables", interrupt)
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == command_line.INTERRUPTED
    assert "so does 'salutary resume RUN_DIR'" in capsys.readouterr().err


def test_brackets_in_help_are_never_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load() -> None:
        raise ValueError("[red]no[/red] [/x]")

    plugin = SimpleNamespace(name="other", dist=None, load=load)
    monkeypatch.setattr(command_line, "entry_points", lambda group: [plugin])
    assert "ValueError: [red]no[/red] [/x]" in " ".join(
        help_of(["other"], capsys).split()
    )
    assert "pip install 'salutary[text]'" in " ".join(
        help_of(["label"], capsys).split()
    )
