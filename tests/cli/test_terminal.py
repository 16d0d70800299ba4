"""Lines for people: whole in files and pipes, broken between words on a terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import Progress

from salutary.cli import terminal
from salutary.cli.terminal import in_width

WORDS = st.text("abcdefghij-,.", min_size=1, max_size=30)
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@given(st.lists(WORDS, min_size=1, max_size=40), st.integers(20, 120))
def test_only_spaces_become_breaks(words: list[str], columns: int) -> None:
    line = " ".join(words)
    broken = in_width(line, columns).split("\n")
    assert " ".join(part.strip() for part in broken) == line
    longest = max(map(len, words))
    assert all(len(part) <= max(columns, longest) for part in broken)


@given(st.lists(WORDS, min_size=5, max_size=40))
def test_words_after_a_break_stand_under_the_words_before(words: list[str]) -> None:
    first, *others = in_width("  a title     " + " ".join(words), 44).split("\n")
    assert first.startswith("  a title     ")
    assert all(re.match(r" {14}\S", line) for line in others)


def test_a_line_that_fits_stays_as_it_is() -> None:
    line = "  > train + validation            0.2499 0.0000"
    assert in_width(line, len(line)) == line


def test_a_long_step_says_how_fast_it_is_and_how_long_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter([100.0, 105.0, 120.0, 121.0, 140.0])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(terminal, "SECONDS_BETWEEN_LINES", 10.0)
    lines = terminal.Lines()
    with lines.stage("encoding the pool") as report:
        for done in (10_000, 40_000, 41_000, 60_000):
            report(done, 1_000_000)
    assert capsys.readouterr().err.splitlines() == [
        "encoding the pool",
        "encoding the pool: 40,000 of 1,000,000, 2,000 a second, 480 s left",
        "encoding the pool: 60,000 of 1,000,000, 1,500 a second, 627 s left",
    ]


def test_the_next_table_of_a_step_has_a_speed_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter([0.0, 1.0, 20.0, 40.0])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(terminal, "SECONDS_BETWEEN_LINES", 10.0)
    lines = terminal.Lines()
    with lines.stage("embedding") as report:
        report(90, 100)
        report(1, 100)
        report(41, 100)
    assert capsys.readouterr().err.splitlines()[1:] == [
        "embedding: 41 of 100, 2.0 a second, 29 s left"
    ]


def test_a_bar_says_how_fast_a_step_is(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter(range(100, 10_000))
    console = Console(file=sys.stdout, width=100, force_terminal=True)
    columns = (terminal.Speed(),)
    progress = Progress(*columns, console=console, get_time=lambda: next(seconds))
    bar = terminal.Bar(progress, 10, "labels")
    with bar.stage("encoding the pool") as report:
        for done in (2_000, 4_000, 6_000):
            report(done, 1_000_000)
        task = progress.tasks[1]
        shown = terminal.Speed().render(task).plain
        assert shown == f"{task.speed:,.0f} a second"
        assert float(shown.split()[0].replace(",", "")) > 100
    assert terminal.Speed().render(progress.tasks[0]).plain == ""


def on_a_terminal(words: list[str], folder: Path, columns: int) -> list[str]:
    """What the command shows on a terminal of this width, line by line."""
    screen, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    command = [sys.executable, "-m", "salutary", *words]
    with subprocess.Popen(
        command, cwd=folder, env={**os.environ, "COLUMNS": str(columns)},
        stdin=side, stdout=side, stderr=side,
    ) as process:  # fmt: skip
        os.close(side)
        shown = b""
        while part := _read(screen):
            shown += part
    os.close(screen)
    assert process.returncode == 0
    return ESCAPES.sub("", shown.decode()).split("\n")


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 4096)
    except OSError:  # as Linux says that the other side has closed it
        return b""


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 100])
def test_a_card_fits_the_terminal(folder: Path, columns: int) -> None:
    words = ["check", "train.csv", "--validation", "validation.csv"]
    options = ["--pool", "pool.csv", "--target", "kind", "--id", "id"]
    lines = on_a_terminal([*words, *options], folder, columns)
    begins = next(n for n, line in enumerate(lines) if "TRAIN " in line)
    card = [lines[begins][lines[begins].index("TRAIN ") :], *lines[begins + 1 :]]
    assert all(len(line) <= columns for line in card)
    text = " ".join(" ".join(card).split())
    assert "45 rows; bird" in text
    assert "size, day, at" in text or "color" in text
