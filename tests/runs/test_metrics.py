"""``metrics.jsonl`` is what the ledger holds, whatever has happened to a run."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from salutary.cli.main import main
from salutary.runs import directory
from salutary.runs.metrics import add_metrics, write_metrics
from tests.ledgers.test_run_ledger import entry


def read(out: Path) -> list[dict[str, Any]]:
    lines = (out / "metrics.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def in_ledger(out: Path) -> list[dict[str, Any]]:
    """The figures of all rounds, by sqlite3."""
    with closing(sqlite3.connect(out / "ledger.sqlite")) as ledger:
        rows = ledger.execute("SELECT * FROM rounds ORDER BY round")
        names = [column[0] for column in rows.description]
        found = [dict(zip(names, row, strict=True)) for row in rows]
    for each in found:
        for name in ("coef", "intercept", "digest"):
            del each[name]
    return found


def without_seconds(figures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**each, "seconds": 0} for each in figures]


def test_a_line_has_the_figures_and_what_was_undone(tmp_path: Path) -> None:
    entries = [entry(number) for number in range(4)]
    write_metrics(tmp_path, entries, best_round=1)
    found = read(tmp_path)
    assert [each.pop("undone") for each in found] == [False, False, True, True]
    for each, of in zip(found, entries, strict=True):
        assert each == {name: getattr(of, name) for name in each}
        assert {"round", "validation_loss", "canary_se", "verdict"} <= {*each}
        assert not {"model", "folds"} & {*each}


def test_a_round_adds_a_line_and_writes_no_other(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("left as it is\n")
    add_metrics(tmp_path, replace(entry(1), canary_loss=None))
    first, line = path.read_text().splitlines()
    assert first == "left as it is"
    assert json.loads(line)["canary_loss"] is None
    other = tmp_path / "other"
    other.write_text("")
    path.unlink()
    path.symlink_to(other)
    with pytest.raises(OSError, match="symbolic"):
        add_metrics(tmp_path, entry(1))
    assert not other.read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    for name in ("train", "validation", "pool"):
        kind = rng.integers(0, 2, 40)
        frame = pd.DataFrame({"size": kind + rng.normal(size=40)})
        if name != "pool":
            frame["kind"] = np.array(["cat", "dog"])[kind]
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def words(folder: Path, out: str) -> list[str]:
    return [
        *["label", str(folder / "train.csv"), "--target", "kind", "-q"],
        *["--validation", str(folder / "validation.csv"), "--C", "1"],
        *["--pool", str(folder / "pool.csv"), "--out", str(folder / out)],
        *["--budget", "20", "--batch-size", "4", "--rule", "plausible"],
    ]


@pytest.mark.slow
@pytest.mark.parametrize("torn", [False, True])
def test_after_an_interruption_it_is_as_without(
    torn: bool,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(words(folder, "whole"))
    whole, out = folder / "whole", folder / "out"
    assert [{**each, "undone": None} for each in read(whole)] == [
        {**each, "undone": None} for each in in_ledger(whole)
    ]
    n_rounds = len(read(whole)) - 1
    best = json.loads((whole / "run.json").read_text())["outcome"]
    assert sum(each["undone"] for each in read(whole)) == best["refused_rounds"]

    def stopping(out: Path, of: Any) -> None:
        if of.round < 2 or not torn:
            add_metrics(out, of)
        if of.round == 2:
            if torn:
                with (out / "metrics.jsonl").open("a") as file:
                    file.write('{"round": 2, "n_lab')
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(directory, "add_metrics", stopping)
        with pytest.raises(SystemExit):
            main(words(folder, "out"))
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 3
    seen: list[list[dict[str, Any]]] = []
    begun = directory.write_metrics

    def noting(*arguments: Any) -> None:
        begun(*arguments)
        seen.append(read(out))

    monkeypatch.setattr(directory, "write_metrics", noting)
    main(["resume", str(out), "-q"])
    assert [each["round"] for each in seen[0]] == [0, 1, 2]  # mended as it went on
    assert len(seen) == 2
    assert len(seen[1]) == n_rounds + 1
    assert without_seconds(read(out)) == without_seconds(read(whole))


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [Path.unlink, lambda path: path.write_text("{"), lambda path: path.write_text("")],
)
def test_one_that_is_missing_or_damaged_is_made_anew(
    damage: Callable[[Path], Any], folder: Path
) -> None:
    main(words(folder, "run"))
    path = folder / "run" / "metrics.jsonl"
    before = path.read_bytes()
    damage(path)
    main(["resume", str(folder / "run"), "-q"])
    assert path.read_bytes() == before
