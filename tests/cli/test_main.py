"""The command ``salutary``: help, version, and how every error ends."""

import os
import pty
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from importlib.metadata import Distribution, PackageNotFoundError, entry_points
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import salutary
from salutary.cli import main as command_line
from salutary.cli.main import main
from tests.words import once

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
    for command in ("advise", "label", "predict", "cache", "demo"):
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
        (
            "cache",
            [
                *["Example: salutary cache", "--embedding-cache", "--clear"],
                *["--max-age", "--max-size", "--json"],
            ],
        ),
        ("demo", ["scikit-learn"]),
    ],
)
def test_a_commands_help_has_an_example_and_every_option(
    command: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown([command, "--help"], capsys)
    assert [word for word in words if word not in out] == []


@pytest.mark.parametrize("arguments", [["--help"], ["label", "--help"]], ids=" ".join)
def test_help_does_not_wait_for_numpy(arguments: list[str]) -> None:
    code = (
        "import sys; from salutary.cli.main import main; main(sys.argv[1:]); "
        "sys.exit(bool({'numpy', 'pyarrow', 'skactiveml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def plugins(monkeypatch: pytest.MonkeyPatch, load: Callable[[], object]) -> None:
    """Replace what the benchmark's entry point loads."""
    (plugin,) = entry_points(group=command_line.PLUGINS)
    found = SimpleNamespace(name=plugin.name, dist=plugin.dist, load=load)
    monkeypatch.setattr(command_line, "entry_points", lambda group: [found])


def missing() -> object:
    raise ModuleNotFoundError("No module named 'skactiveml'", name="skactiveml")


def without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = command_line.distribution

    def distribution(name: str) -> Distribution:
        if name == "scikit-activeml":
            raise PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(command_line, "distribution", distribution)


def test_help_says_which_extra_a_plugin_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "salutary[benchmark]" not in shown(["--help"], capsys)
    without_its_extra(monkeypatch)
    out = " ".join(shown(["--help"], capsys).split())
    assert " benchmark Compare strategies on real data sets" in out
    assert out.endswith("Needs pip install 'salutary[benchmark]'.")
    assert "Usage: salutary benchmark" in shown(["benchmark", "--help"], capsys)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "remedy"),
    [
        (missing, "skactiveml is not installed; pip install 'salutary[benchmark]'"),
        (lambda: 1 / 0, "cannot be loaded (ZeroDivisionError: division by zero); "),
        (lambda: "no Typer", "cannot be loaded (AttributeError: "),
    ],
    ids=["missing", "raises", "is no command"],
)
def test_a_plugin_that_cannot_be_loaded_leaves_the_other_commands_alone(
    load: Callable[[], object],
    remedy: str,
    arguments: list[str],
    refusal: Refusal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    without_its_extra(monkeypatch)
    plugins(monkeypatch, load)
    assert "\n  benchmark  Not available: " in shown(["--help"], capsys)
    assert f"Not available: {remedy}"[:40] in shown(["benchmark", "--help"], capsys)
    line = refusal(["benchmark", "run", "--suite", "quick", "--jobs=1"])
    assert line.startswith(f"salutary: benchmark: {remedy}")
    assert "Labels assigned: 15" in shown([*arguments, "-q"], capsys)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["lable"], "lable"),
        (["--colour"], "--colour"),
        (["label"], "TRAIN"),
        (["advise"], "TRAIN"),
        (["advise", "train.csv"], "--target"),
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
    line = refusal(["label", "train.csv", "--ruel", "best"])
    assert line.startswith("salutary: No such option: --ruel")
    assert line.endswith(". See 'salutary label --help'.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["label", "--jobs", "x"], "--jobs x: must be a whole number"),
        (["relabel", "--budget=1.5"], "--budget 1.5: must be a whole number"),
        (["advise", "--splits", "1e5"], "--splits 1e5: must be a whole number"),
        (["finetune", "--epochs", ""], "--epochs: its value is empty; pass one"),
        (["label", "--C", "one"], "--C one: must be a number"),
        (["cache", "--max-size", "2GB"], "--max-size 2GB: must be a number"),
        (
            ["label", "--rule", "best"],
            "--rule best: must be one of tempered, plausible, paper",
        ),
        (
            ["finetune", "--pooling", "max"],
            "--pooling max: must be one of mean, cls, last",
        ),
        (["benchmark", "run", "--jobs", "x"], "--jobs x: must be a whole number"),
        (["label", "--budget"], "--budget: needs a value; pass one"),
        (
            ["label", "--no-guard=yes"],
            "--no-guard: takes no value; leave out what follows the '='",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_value_of_the_wrong_kind_is_told_in_our_words(
    words: list[str], said: str, refusal: Refusal
) -> None:
    assert refusal(words) == f"salutary: {said}"


def test_an_error_of_our_own_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("salutary.runs.directory.run_tables", fail)
    with pytest.raises(RuntimeError, match="a defect"):
        main(arguments)


def test_a_message_of_several_lines_becomes_one(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], refusal: Refusal
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no\n  space")

    monkeypatch.setattr("salutary.runs.directory.run_tables", fail)
    assert "no space" in refusal(arguments)


def test_an_interrupt_exits_with_130(
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("salutary.runs.directory.run_tables", fail)
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 130
    assert "; the same command with --resume continues" in capsys.readouterr().err


OTHERS = {
    "advise": ["advise", "train.csv", "--validation", "v.csv", "--target", "kind"],
    "predict": ["predict", "run", "table.csv", "--out", "p.csv"],
    "demo": ["demo"],
}
WORK = {
    "advise": "salutary.runs.advise.advise_tables",
    "predict": "salutary.runs.artifacts.load",
    "demo": "salutary.cli.demo._results",
}


@pytest.mark.parametrize("command", OTHERS)
def test_only_commands_that_resume_say_so(
    command: str,
    folder: Path,
    refusal: Refusal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(WORK[command], interrupted)
    with pytest.raises(SystemExit) as exit:
        main(OTHERS[command])
    assert exit.value.code == 130
    assert capsys.readouterr().err == "salutary: interrupted\n"

    def full(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(WORK[command], full)
    line = refusal(OTHERS[command])
    assert line.endswith(
        "no space; make room or fix the permissions and run the command again"
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["--version"], ["advise", "--json"]], ids=" ".join)
def test_output_that_finds_no_room_is_told_in_one_line(
    words: list[str], folder: Path
) -> None:
    if "advise" in words:
        words = [
            *[*words, "train.csv", "--validation", "validation.csv"],
            *["--target", "kind", "--splits", "2", "--repeats", "1"],
        ]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [COMMAND, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
        )
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("salutary: cannot read or write: ")
    assert "Exception" not in done.stderr
    assert "--resume" not in last


def test_a_reader_that_has_gone_is_no_error(folder: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [COMMAND, "--version"], stdout=writes, stderr=subprocess.PIPE, text=True
    )
    os.close(writes)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_a_closed_stream_is_no_error(closed: str, run_dir: Path, folder: Path) -> None:
    words = [COMMAND, "predict", str(run_dir), "pool.csv", "--out", "labels.csv"]
    line = f"{shlex.join(words)} {closed}"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=folder)
    assert (done.returncode, done.stderr.replace("predicting\n", "")) == (0, "")
    assert len((folder / "labels.csv").read_text().splitlines()) == 61


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run:1", "s3:x", "file:x", "=cmd"])
def test_a_path_that_reads_as_an_address_is_a_path(
    name: str,
    arguments: list[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    main(once([*arguments, f"--out={name}"]))
    assert f"\nIn {name}: labels.parquet" in capsys.readouterr().out
    main(["predict", name, "pool.csv", "--out", f"{name}.parquet"])
    assert len(pd.read_parquet(folder / f"{name}.parquet")) == 60


@pytest.mark.slow
def test_a_tilde_after_an_option_is_the_users_own_folder(
    arguments: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = folder / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(folder)
    main(once([*arguments, "--out=~/run"]))
    main(["predict", "~/run", "pool.csv", "--out", "~/labels.csv"])
    assert not Path("~").exists()
    assert {"run", "labels.csv"} <= {path.name for path in home.iterdir()}


@pytest.mark.slow
def test_a_terminal_of_ascii_sees_escapes(arguments: list[str], folder: Path) -> None:
    for name in ("train", "validation"):
        path = folder / f"{name}.csv"
        path.write_text(path.read_text().replace("cat", "\N{CAT FACE}"))
    done = subprocess.run(
        [COMMAND, *arguments, "--quiet"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\U0001f431: " in done.stdout
    assert b" \\xb1 " in done.stdout


NO_UTF_8 = os.fsdecode(b"r\377")
PLACES = [
    ["label", NO_UTF_8, "--target", "kind"],
    ["relabel", "train.csv", "--target", "kind", "--out", NO_UTF_8],
    ["advise", "train.csv", f"--target={NO_UTF_8}"],
    ["relabel", "train.csv", "--group", NO_UTF_8],
    ["predict", NO_UTF_8, "table.csv"],
    [NO_UTF_8],
]


@pytest.mark.parametrize("words", PLACES, ids=ascii)
def test_what_is_not_utf_8_is_refused_before_anything_else(
    words: list[str], refusal: Refusal
) -> None:
    line = refusal(words)
    assert line.endswith("r\\udcff: is not in UTF-8; rename it")


@pytest.mark.parametrize(
    ("words", "name"),
    [(["--out", ""], "--out"), (["--out="], "--out"), (["--id", ""], "--id")],
    ids=str,
)
def test_an_empty_value_is_refused(
    words: list[str], name: str, arguments: list[str], folder: Path, refusal: Refusal
) -> None:
    before = sorted(folder.iterdir())
    line = refusal(once([*arguments, *words]))
    assert line == f"salutary: {name}: its value is empty; pass one"
    assert sorted(folder.iterdir()) == before


def test_an_empty_argument_is_refused(refusal: Refusal) -> None:
    line = refusal(["label", "", "--target", "kind"])
    assert line == "salutary: argument 2: is empty; pass a value"


@pytest.mark.parametrize("option", ["--out", "--pool"])
def test_a_name_that_is_too_long_is_told_with_the_remedy(
    option: str, arguments: list[str], folder: Path, refusal: Refusal
) -> None:
    line = refusal(once([*arguments, option, str(folder / ("x" * 300))]))
    assert line.endswith("pass a shorter path")


@pytest.mark.slow
def test_the_installed_command_labels_and_refuses(
    arguments: list[str], folder: Path
) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *words], capture_output=True, text=True, cwd=folder
        )

    labeled = run(*arguments, "-q")
    assert (labeled.returncode, labeled.stderr) == (0, "")
    assert "Labels assigned: 15" in labeled.stdout
    again = run(*arguments)
    assert again.returncode == 2
    assert again.stdout == ""
    assert again.stderr.startswith("salutary: ")
    assert len(again.stderr.splitlines()) == 1


@pytest.mark.slow
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
