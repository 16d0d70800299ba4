"""Three small mixed tables in files, and the command run in this process."""

import multiprocessing
import shutil
import signal
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from salutary.cli import terminal
from salutary.cli.main import main
from tests.words import once

COLORS = np.array(["red", "green", "blue"])
KINDS = np.array(["bird", "cat", "dog"])


def mixed(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Rows of numbers, categories, dates, times and booleans, some of them missing."""
    kind = rng.integers(0, 3, n)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), "D")
    clock = pd.Timestamp(0) + pd.to_timedelta(rng.integers(0, 86400, n), "s")
    frame = pd.DataFrame(
        {
            "size": (2 * kind + rng.normal(size=n)).round(3),
            "color": np.where(rng.random(n) < 0.8, COLORS[kind], rng.choice(COLORS, n)),
            "day": day.strftime("%Y-%m-%d"),
            "at": clock.strftime("%H:%M:%S"),
            "member": rng.random(n) < 0.2 + 0.3 * kind,
            "kind": KINDS[kind],
        }
    )
    frame.loc[rng.random(n) < 0.1, "size"] = np.nan
    frame.loc[rng.random(n) < 0.1, "color"] = None
    return frame


SIZES = {"train": 45, "validation": 45, "pool": 60}


@pytest.fixture
def frames() -> dict[str, pd.DataFrame]:
    """The tables train, validation and pool; the pool keeps its true labels."""
    rng = np.random.default_rng(2)
    return {name: mixed(n, rng) for name, n in SIZES.items()}


def write_tables(folder: Path, frames: dict[str, pd.DataFrame]) -> None:
    for name, frame in frames.items():
        if name == "pool":
            frame = frame.drop(columns="kind")
            frame.insert(0, "id", [f"p{row}" for row in range(len(frame))])
        frame.to_csv(folder / f"{name}.csv", index=False)


@pytest.fixture
def folder(tmp_path: Path, frames: dict[str, pd.DataFrame]) -> Path:
    """A directory with the tables as .csv files, the pool without labels."""
    write_tables(tmp_path, frames)
    return tmp_path


@pytest.fixture(autouse=True)
def _no_line_for_a_step_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine every step does."""
    monkeypatch.setattr(terminal, "SECONDS_BETWEEN_LINES", float("inf"))


@pytest.fixture
def killed(tmp_path: Path) -> Callable[[str], None]:
    """Run Python code in a process of its own, which kills itself."""

    def killed(code: str) -> None:
        log = tmp_path / "killed.log"
        quiet = f"import sys; sys.stdout = sys.stderr = open({str(log)!r}, 'w')"
        process = multiprocessing.get_context("forkserver").Process(
            target=exec, args=(f"{quiet}\n{code}", {})
        )
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL, log.read_text()

    return killed


def label_arguments(folder: Path) -> list[str]:
    return [
        *["label", str(folder / "train.csv"), "--target", "kind", "--id", "id"],
        *["--validation", str(folder / "validation.csv")],
        *["--pool", str(folder / "pool.csv"), "--out", str(folder / "run")],
        # Under so strong a penalty the guard keeps every round.
        *["--budget", "15", "--batch-size", "5", "--C", "0.03"],
    ]


@pytest.fixture
def arguments(folder: Path) -> list[str]:
    """What labels the three tables within a second."""
    return label_arguments(folder)


@pytest.fixture
def run(arguments: list[str], folder: Path) -> Callable[..., Path]:
    """Label the tables; further arguments overrule those of `arguments`."""

    def run(*further: str) -> Path:
        main(once([*arguments, *further]))
        return folder / "run"

    return run


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    rng = np.random.default_rng(2)
    write_tables(folder, {name: mixed(n, rng) for name, n in SIZES.items()})
    with warnings.catch_warnings():
        main(label_arguments(folder))
    return folder / "run"


@pytest.fixture
def run_dir(_finished: Path, folder: Path) -> Path:
    """A finished run of the tables, a copy for each test."""
    return shutil.copytree(_finished, folder / "run")


@pytest.fixture(autouse=True)
def _no_page_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """End runs without their page, most of a second each; see test_report.py."""
    for name in ("running", "advise"):
        module = import_module(f"salutary.cli.{name}")
        monkeypatch.setattr(module, "report_at_end", lambda *_: None)
