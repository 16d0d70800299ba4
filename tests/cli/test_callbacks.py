"""``--callback``: plug-ins that are found by their names, and told of a run."""

import json
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from salutary import FoldEnd, RoundEnd, RunBegin, RunCallback, RunEnd
from salutary.cli import callbacks
from salutary.cli.main import main

Plug = Callable[..., None]


class Notes(RunCallback):
    """Writes what it is told to a file, and prints that it does."""

    path: Path

    def _note(self, *words: Any) -> None:
        print("noted")
        with self.path.open("a") as file:
            file.write(json.dumps(words, default=str) + "\n")

    def on_run_begin(self, begin: RunBegin) -> None:
        self._note("begin", begin.run, begin.done, [*begin.settings], [*begin.facts])

    def on_round_end(self, end: RoundEnd) -> None:
        self._note("round", end.figures, end.labels)

    def on_fold_end(self, end: FoldEnd) -> None:
        self._note("fold", end.figures)

    def on_run_end(self, end: RunEnd) -> None:
        told = end.rounds or end.folds
        self._note("end", end.outcome, told, end.labels, [*end.files])


class Interrupts(Notes):
    """Is interrupted by Ctrl-C in the first fold it is told of."""

    def on_fold_end(self, end: FoldEnd) -> None:
        super().on_fold_end(end)
        raise KeyboardInterrupt


class Raises(RunCallback):
    def on_round_end(self, end: RoundEnd) -> None:
        raise OSError("no\nroom")


class Exits(RunCallback):
    """Ends the process, as if all were well, where it is told to."""

    hook: str

    def _exit(self, hook: str) -> None:
        if hook == self.hook:
            sys.exit(0)

    def on_run_begin(self, begin: RunBegin) -> None:
        self._exit("on_run_begin")

    def on_round_end(self, end: RoundEnd) -> None:
        self._exit("on_round_end")

    def on_fold_end(self, end: FoldEnd) -> None:
        self._exit("on_fold_end")

    def on_run_end(self, end: RunEnd) -> None:
        self._exit("on_run_end")


def exits_at_once() -> None:
    sys.exit(0)


class NotOne:
    """Lacks all three methods."""


def broken() -> None:
    raise ZeroDivisionError("1 / 0")


def needs_more() -> None:
    from salutary.errors import needs

    with needs("mlflow"):
        raise ModuleNotFoundError("No module named 'mlflow'", name="mlflow")


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is installed: the objects of this module by the names of the group."""
    found = {
        "notes": Notes,
        "interrupts": Interrupts,
        "raises": Raises,
        "exits": Exits,
        "exits-at-once": exits_at_once,
        "not-one": NotOne,
        "broken": broken,
        "needs-more": needs_more,
    }

    class Plugin(EntryPoint):
        def load(self) -> Any:
            return found[self.name]

    monkeypatch.setattr(
        callbacks,
        "entry_points",
        lambda group: [Plugin(name, "tests:it", group) for name in found],
    )
    monkeypatch.setattr(Notes, "path", tmp_path / "notes", raising=False)


@pytest.fixture
def notes(tmp_path: Path) -> Callable[[], Iterator[list[Any]]]:
    def notes() -> Iterator[list[Any]]:
        for line in (tmp_path / "notes").read_text().splitlines():
            yield json.loads(line)

    return notes


def test_a_callback_is_told_of_the_run_and_prints_to_standard_error(
    run: Callable[..., Path],
    notes: Callable[[], Iterator[list[Any]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = run("--callback", "notes", "--json", "-q")
    told, said = [*notes()], capsys.readouterr()
    assert json.loads(said.out) == json.loads((out / "run.json").read_text())
    assert said.err == "noted\n" * 5
    assert [words[0] for words in told] == ["begin", *["round"] * 3, "end"]
    _, _, done, settings, facts = told[0]
    assert done == 0
    assert {"budget", "rule", "C"} <= {*settings}
    assert {"files", "data", "versions", "options"} <= {*facts}
    _, outcome, rounds, labels, files = told[-1]
    assert outcome == json.loads((out / "run.json").read_text())["outcome"]
    lines = (out / "metrics.jsonl").read_text().splitlines()
    assert rounds == [json.loads(line) for line in lines]
    written = pq.read_table(out / "labels.parquet").to_pandas()
    columns = ["id", "label", "influence", "influence_se", "probability", "round"]
    pd.testing.assert_frame_equal(
        pd.DataFrame(labels)[columns], written[columns], check_dtype=False
    )
    assert files == ["labels.parquet", "model.skops", *files[2:]]
    assert {"run.json", "config.toml", "metrics.jsonl"} <= {*files}
    each = [label for words in told[1:-1] for label in words[2]]
    assert [label["id"] for label in each] == written["id"].tolist()
    assert [label["influence"] for label in each] == written["influence"].tolist()
    for words, expected in zip(told[1:-1], rounds[1:], strict=True):
        assert {**words[1], "undone": False} == expected


@pytest.mark.slow
def test_after_a_kill_each_round_is_told_once(
    arguments: list[str],
    folder: Path,
    killed: Callable[[str], None],
    notes: Callable[[], Iterator[list[Any]]],
) -> None:
    killed(f"""
import os, signal
from pathlib import Path
from tests.cli import test_callbacks
from salutary.cli import callbacks
from salutary.cli.main import main
class Plugin:
    name, dist = "notes", None
    def load(self):
        return test_callbacks.Notes
test_callbacks.Notes.path = Path({str(folder / "notes")!r})
told = test_callbacks.Notes.on_round_end
def dying(self, end):
    told(self, end)
    if end.figures["round"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
test_callbacks.Notes.on_round_end = dying
callbacks.entry_points = lambda group: [Plugin()]
main({[*arguments, "--callback", "notes"]!r})
""")
    main(["resume", str(folder / "run"), "-q"])
    told = [*notes()]
    assert [words[0] for words in told] == [
        *("begin", "round", "round", "begin", "round", "end")
    ]
    assert [words[1]["round"] for words in told if words[0] == "round"] == [1, 2, 3]
    begins = [words for words in told if words[0] == "begin"]
    assert [done for _, _, done, *_ in begins] == [0, 2]
    assert begins[0][1] == begins[1][1]  # the name of the run
    # A finished run is told of whole, and is not changed.
    before = (folder / "run" / "ledger.sqlite").read_bytes()
    main(["resume", str(folder / "run"), "-q"])
    begun, ended = [*notes()][6:]
    assert (begun[0], begun[2]) == ("begin", 3)
    assert ended == told[-1]
    assert (folder / "run" / "ledger.sqlite").read_bytes() == before


@pytest.fixture
def compared(folder: Path) -> list[str]:
    """The words of a comparison of two folds, without a pool."""
    return [
        *["advise", str(folder / "train.csv"), "--target", "kind", "-q", "--json"],
        *["--validation", str(folder / "validation.csv")],
        *["--splits", "2", "--repeats", "1", "--out", str(folder / "advised")],
    ]


@pytest.mark.slow
def test_a_comparison_is_told_fold_by_fold(
    compared: list[str],
    folder: Path,
    notes: Callable[[], Iterator[list[Any]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = folder / "advised"
    with pytest.raises(SystemExit) as ended:
        main([*compared, "--callback", "interrupts"])
    assert ended.value.code == 130
    capsys.readouterr()
    main([*compared, "--callback", "notes", "--resume"])
    said = capsys.readouterr()
    assert json.loads(said.out)["out"] == str(out)  # a callback has printed nothing
    assert said.err == "noted\n" * 3
    told = [*notes()]
    assert [words[0] for words in told] == ["begin", "fold", "begin", "fold", "end"]
    begun, again = told[0], told[2]
    assert (begun[2], again[2]) == (0, 1)
    assert begun[1] == again[1]  # the name of the run
    assert {"budget", "splits", "repeats"} <= {*begun[3]}
    assert {"files", "data", "versions", "options"} <= {*begun[4]}
    lines = (out / "metrics.jsonl").read_text().splitlines()
    folds = [json.loads(line) for line in lines]
    assert [words[1] for words in told if words[0] == "fold"] == folds
    _, outcome, told_folds, labels, files = told[-1]
    assert outcome == json.loads((out / "run.json").read_text())["outcome"]
    assert told_folds == folds
    assert len(labels) == outcome["labels"]
    assert {"model.skops", "run.json", "metrics.jsonl"} <= {*files}
    # A finished one is told of whole.
    main(["resume", str(out), "-q", "--callback", "notes"])
    begun, _, *ended_again = [*notes()][5:]  # it was begun with the other one
    assert (begun[0], begun[2], ended_again) == ("begin", 2, [told[-1]] * 2)


def test_a_comparison_that_keeps_nothing_is_told_to_nobody(
    compared: list[str], refusal: Callable[[list[str]], str]
) -> None:
    line = refusal([*compared[:-2], "--callback", "notes"])
    assert "--callback notes: is for a comparison with --out; pass --out" in line


@pytest.mark.filterwarnings("always::UserWarning")
def test_one_that_raises_is_warned_of_and_the_run_goes_on(
    run: Callable[..., Path], run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = (run_dir / "labels.parquet").read_bytes()
    run_dir.rename(run_dir.with_name("other"))
    out = run("--callback", "raises", "-q")
    assert capsys.readouterr().err == (
        "warning: the callback Raises raised in on_round_end: OSError: no room; the "
        "run goes on\n"
    )
    assert (out / "labels.parquet").read_bytes() == labels


@pytest.mark.parametrize("hook", ["on_run_begin", "on_round_end", "on_run_end"])
def test_one_that_exits_ends_in_an_error_and_the_run_goes_on(
    hook: str,
    arguments: list[str],
    run_dir: Path,
    refusal: Callable[[list[str]], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Exits, "hook", hook, raising=False)
    labels = (run_dir / "labels.parquet").read_bytes()
    run_dir.rename(run_dir.with_name("other"))
    assert refusal([*arguments, "-q", "--callback", "exits"]) == (
        f"salutary: the callback Exits called sys.exit in {hook}, which ends the "
        "command; correct it, or leave --callback out and go on with --resume"
    )
    main([*arguments, "-q", "--resume"])
    assert (run_dir / "labels.parquet").read_bytes() == labels


@pytest.mark.slow
def test_one_that_exits_in_a_comparison_ends_in_an_error(
    compared: list[str],
    refusal: Callable[[list[str]], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Exits, "hook", "on_fold_end", raising=False)
    line = refusal([*compared, "--callback", "exits"])
    assert "the callback Exits called sys.exit in on_fold_end" in line


def test_none_is_run_unasked(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_for(group: str) -> list[EntryPoint]:
        raise AssertionError(group)

    monkeypatch.setattr(callbacks, "entry_points", looked_for)
    assert "callback" not in (run("-q") / "config.toml").read_text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("note", "no installed package has it; did you mean 'notes'?"),
        (
            "zzz",
            "there are: broken, exits, exits-at-once, interrupts, needs-more, "
            "not-one, notes, raises",
        ),
        ("not-one", "makes a NotOne, which lacks on_run_begin"),
        ("broken", "cannot be loaded (ZeroDivisionError: 1 / 0); reinstall its"),
        ("exits-at-once", "cannot be loaded (SystemExit: 0); reinstall its"),
        ("needs-more", "is not installed; pip install 'salutary[mlflow]'"),
    ],
)
def test_what_cannot_be_called_is_refused_before_anything_is_written(
    name: str,
    message: str,
    arguments: list[str],
    folder: Path,
    refusal: Callable[[list[str]], str],
) -> None:
    line = refusal([*arguments, "--callback", name])
    assert line.startswith(f"salutary: --callback {name}: ")
    assert message in line
    assert not (folder / "run").exists()


def test_one_is_named_once(
    arguments: list[str], refusal: Callable[[list[str]], str]
) -> None:
    line = refusal([*arguments, "--callback", "notes", "--callback=notes"])
    assert "--callback notes: is given more than once" in line
