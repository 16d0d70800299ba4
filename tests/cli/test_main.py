"""The command ``salutary``: help, version, and how every error ends."""

import os
import pty
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

import salutary
from salutary.cli.main import main

Refusal = Callable[[list[str]], str]
COMMAND = str(Path(sysconfig.get_path("scripts"), "salutary"))


def shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    main(arguments)
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(["--version"], capsys) == f"salutary {salutary.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"]], ids=["", "--help"])
def test_help_lists_the_commands(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown(arguments, capsys)
    assert "Usage: salutary" in out
    for command in ("advise", "label", "predict", "demo"):
        assert f"\n  {command} " in out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "label",
            [
                *["Example: salutary label train.csv", "--validation", "--pool"],
                *["--target", "--out", "--budget", "--batch-size", "--rule", "--C"],
                *["--id", "--no-guard", "--seed", "--resume", "100", "plausible"],
                *["--min-influence-z", "--estimate", "newton", "tempered"],
            ],
        ),
        (
            "advise",
            [
                *["Example: salutary advise train.csv", "--validation", "--pool"],
                *["--target", "--id", "--budget", "--batch-size", "--splits"],
                *["--repeats", "--seed", "--json"],
            ],
        ),
        ("predict", ["Example: salutary predict", "RUN_DIR", "TABLE", "--out"]),
        ("demo", ["scikit-learn"]),
    ],
)
def test_a_commands_help_has_an_example_and_every_option(
    command: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown([command, "--help"], capsys)
    assert [word for word in words if word not in out] == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["lable"], "lable"),
        (["--colour"], "--colour"),
        (["label"], "TRAIN"),
        (["label", "--budget"], "--budget"),
        (["advise"], "TRAIN"),
        (["advise", "train.csv", "--target", "y"], "--validation"),
        (["predict"], "RUN_DIR"),
        (["predict", "run"], "TABLE"),
        (["predict", "run", "table.csv"], "--out"),
        (["demo", "digits"], "digits"),
    ],
    ids=" ".join,
)
def test_bad_usage_is_told_in_one_line(
    arguments: list[str], word: str, refusal: Refusal
) -> None:
    line = refusal(arguments)
    assert word in line
    helps = ["salutary --help", f"salutary {arguments[0]} --help"]
    assert any(line.endswith(f"See '{help}'.") for help in helps)


def test_bad_usage_points_to_the_commands_own_help(refusal: Refusal) -> None:
    line = refusal(["label", "train.csv", "--rule", "best"])
    assert line.endswith("See 'salutary label --help'.")


def test_an_error_of_our_own_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("salutary.table_run.run_tables", fail)
    with pytest.raises(RuntimeError, match="a defect"):
        main(arguments)


def test_a_message_of_several_lines_becomes_one(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], refusal: Refusal
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no\n  space")

    monkeypatch.setattr("salutary.table_run.run_tables", fail)
    assert "no space" in refusal(arguments)


def test_an_interrupt_exits_with_130(
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("salutary.table_run.run_tables", fail)
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 130
    assert "--resume" in capsys.readouterr().err


def test_the_installed_command_labels_and_refuses(
    arguments: list[str], folder: Path
) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *words], capture_output=True, text=True, cwd=folder
        )

    labeled = run(*arguments)
    assert (labeled.returncode, labeled.stderr) == (0, "")
    assert "Labels assigned: 15" in labeled.stdout
    again = run(*arguments)
    assert again.returncode == 2
    assert again.stdout == ""
    assert again.stderr.startswith("salutary: ")
    assert len(again.stderr.splitlines()) == 1


def test_a_terminal_sees_a_bar_and_the_same_summary(
    arguments: list[str], folder: Path
) -> None:
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *arguments], stdout=subprocess.PIPE, stderr=its, text=True
    )
    os.close(its)
    seen = b""
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk
    except OSError:  # the terminal is closed at the end
        pass
    finally:
        os.close(ours)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert "Labels assigned: 15" in out
    assert "round 1" not in out
    assert b"round 1" in seen
    assert b"15/15" in seen
    assert b"Traceback" not in seen
