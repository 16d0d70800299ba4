"""``salutary resume``: a run goes on from its directory alone."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import salutary
from salutary.cli.main import main
from tests.ledgers.contents import ledger_of
from tests.words import once

Refusal = Callable[[list[str]], str]
Killed = Callable[[str], None]

AFTER_ROUND_1 = """
import os, signal
from salutary.ledgers.run_ledger import Ledger
commit = Ledger.commit
def killed(self, entry, *rest):
    commit(self, entry, *rest)
    if entry.round == 1:
        os.kill(os.getpid(), signal.SIGKILL)
Ledger.commit = killed
os.chdir({folder!r})
from salutary.cli.main import main
main({arguments!r})
"""


def same(run: Path, other: Path, results: list[str]) -> None:
    """Every result is the same, apart from where the tables were said to be."""
    for name in results:
        assert (run / name).read_bytes() == (other / name).read_bytes()
    reports = [json.loads((path / "run.json").read_text()) for path in (run, other)]
    for report in reports:
        for table in report["data"].values():
            table["file"] = Path(table["file"]).name
    assert reports[0] == reports[1]
    models = [salutary.load(path)["classify"].coef_.tolist() for path in (run, other)]
    assert models[0] == models[1]
    assert ledger_of(run) == ledger_of(other)


HARD = ["--seed", "5", "--rule", "plausible", "--objective", "balanced", "--C", "0.3"]
RUNS = {
    "label": (
        [
            *["label", "train.csv", "--validation", "validation.csv", "--id", "id"],
            *["--pool", "pool.csv", "--budget", "15", "--batch-size", "5", *HARD],
        ],
        ["labels.parquet", "config.toml"],
    ),
    "relabel": (
        [
            *["relabel", "train.csv", "--validation-fraction", "0.4"],
            *["--budget", "6", "--batch-size", "2", "--no-guard", *HARD],
        ],
        ["switches.parquet", "cleaned.csv", "config.toml"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", RUNS)
def test_a_killed_run_goes_on_from_its_directory_alone(
    command: str, folder: Path, killed: Killed, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, results = RUNS[command]
    words = [*words, "--target", "kind", "--out"]
    code = AFTER_ROUND_1.format(folder=str(folder), arguments=[*words, "cut"])
    killed(code)
    assert not (folder / "cut" / "run.json").exists()
    monkeypatch.chdir(folder)
    main([*words, "whole"])
    monkeypatch.chdir("/")
    main(["resume", str(folder / "cut")])
    same(folder / "cut", folder / "whole", results)


@pytest.mark.slow
def test_the_budget_can_be_raised_and_the_file_of_options_says_so(
    run_dir: Path, arguments: list[str], folder: Path
) -> None:
    _moved(run_dir, folder)
    main(["resume", str(run_dir), "--budget", "20"])
    main(once([*arguments, "--budget", "20", "--out", str(folder / "whole")]))
    same(run_dir, folder / "whole", ["labels.parquet"])
    assert "\nbudget = 20\n" in (run_dir / "config.toml").read_text()


def _moved(run: Path, folder: Path) -> None:
    """Let the run's options name the tables of this folder."""
    from salutary.ledgers.run_ledger import Ledger

    with Ledger(run / "ledger.sqlite") as ledger:
        options = ledger.read().facts["options"]
        tables = {name: str(folder / f"{name}.csv") for name in TABLES}
        ledger.set_facts(options={**options, **tables})


TABLES = ("train", "validation", "pool")


def test_a_finished_run_is_shown_again(
    run_dir: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _moved(run_dir, folder)
    before = {path: path.stat().st_mtime_ns for path in run_dir.glob("*.*")}
    capsys.readouterr()
    main(["resume", str(run_dir)])
    out, err = capsys.readouterr()
    assert out.startswith("Labels assigned: 15")
    assert err == "the run had finished; nothing is changed\n"
    del before[run_dir / "ledger.sqlite"], before[run_dir / "run.lock"]
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_gone_or_changed_is_named(
    name: str, run_dir: Path, folder: Path, refusal: Refusal
) -> None:
    _moved(run_dir, folder)
    table = folder / f"{name}.csv"
    with table.open("a") as file:
        file.write("\n")
    line = refusal(["resume", str(run_dir)])
    assert line.startswith(f"salutary: {table}: is not the {name} table that ")
    table.unlink()
    line = refusal(["resume", str(run_dir)])
    assert line == f"salutary: {table}: no such file; check the path"


def test_what_holds_no_run_is_refused(folder: Path, refusal: Refusal) -> None:
    for path in (folder, folder / "nowhere", folder / "train.csv"):
        assert f"{path}: holds no run; pass the --out of" in refusal(
            ["resume", str(path)]
        )
    (folder / "ledger.sqlite").write_text("no ledger")
    assert "ledger.sqlite: is not a ledger" in refusal(["resume", str(folder)])


def test_a_budget_cannot_be_lowered(
    run_dir: Path, folder: Path, refusal: Refusal
) -> None:
    _moved(run_dir, folder)
    before = ledger_of(run_dir)
    line = refusal(["resume", str(run_dir), "--budget", "5"])
    assert "--budget 5: " in line
    assert "has a budget of 15, which cannot be lowered" in line
    assert ledger_of(run_dir) == before


def test_a_ledger_of_before_says_to_repeat_the_command(
    run_dir: Path, refusal: Refusal
) -> None:
    from salutary.ledgers.run_ledger import Ledger

    with closing(sqlite3.connect(run_dir / "ledger.sqlite")) as connection:
        connection.execute("DELETE FROM run WHERE key = 'options'")
        connection.commit()
    assert "is not as it was written" in refusal(["resume", str(run_dir)])
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        ledger.set_facts()
    line = refusal(["resume", str(run_dir)])
    assert line.endswith("repeat its 'salutary label' command with --resume")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE run SET value = '{' WHERE key = 'options'",
        "UPDATE run SET value = '[1]' WHERE key = 'options'",
        "DELETE FROM run WHERE key = 'kind'",
    ],
)
def test_an_edited_ledger_ends_in_one_line(
    statement: str, run_dir: Path, refusal: Refusal
) -> None:
    from salutary.ledgers.run_ledger import Ledger

    with closing(sqlite3.connect(run_dir / "ledger.sqlite")) as connection:
        connection.execute(statement)
        connection.commit()
    assert "is not as it was written" in refusal(["resume", str(run_dir)])
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        ledger.set_facts()  # makes the digest again
    assert "ledger.sqlite: is damaged (" in refusal(["resume", str(run_dir)])


def test_a_link_in_the_directory_is_not_followed(
    run_dir: Path, folder: Path, refusal: Refusal
) -> None:
    (run_dir / "ledger.sqlite").unlink()
    (folder / "elsewhere.sqlite").write_text("no ledger, so reading it is told")
    (run_dir / "ledger.sqlite").symlink_to(folder / "elsewhere.sqlite")
    assert "is a link" in refusal(["resume", str(run_dir)])
