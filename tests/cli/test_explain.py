"""``salutary explain``: a run's own figures, found again without running a round."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from rich.cells import cell_len

import salutary
from salutary.cli import explained as explained_words
from salutary.cli.explained_values import plus_minus
from salutary.cli.main import main
from salutary.labeling import loop
from salutary.runs.ids import same_number
from tests.words import once

Refusal = Callable[[list[str]], str]
Explained = Callable[..., Any]


@pytest.fixture
def explained(capsys: pytest.CaptureFixture[str]) -> Explained:
    """The document about a row of a run."""

    def explained(run: Path, *words: str) -> Any:
        capsys.readouterr()
        main(["explain", str(run), "--json", "-q", *words])
        return json.loads(capsys.readouterr().out)

    return explained


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """What a person sees of a row, all of it within 80 columns."""

    def lines(run: Path, *words: str) -> list[str]:
        capsys.readouterr()
        main(["explain", str(run), *words])
        found = capsys.readouterr().out.splitlines()
        assert max(map(cell_len, found)) <= 80
        assert all(line.isprintable() for line in found)
        return found

    return lines


def ledger(run: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(run / "ledger.sqlite")) as connection:
        return connection.execute(query).fetchall()


SCORES = (
    "SELECT id, row, round, labels.class, influence_se, class_scores.class, influence, "
    "probability FROM labels JOIN class_scores USING (position) "
    "ORDER BY position, class_scores.class"
)


def assert_as_in_the_ledger(run: Path, explained: Explained, names: list[str]) -> None:
    """That the figures of each of some labels are those that the run noted."""
    classes = [name for (name,) in ledger(run, "SELECT label FROM classes ORDER BY 1")]
    scores = ledger(run, SCORES)
    for name in names:
        noted = [line for line in scores if line[0] == name]
        assert len(noted) == len(classes)
        found = explained(run, "--id", name)
        _, row, number, code, error, *_ = noted[0]
        assert (found["row"], found["round"]["number"]) == (row, number)
        assert found["label"] == classes[code]
        assert found["model_round"] == number - 1
        scale = max(abs(line[6]) for line in noted)
        for own, line in zip(found["classes"], noted, strict=True):
            # The tables' features are of four bytes, and so are the ledger's figures.
            assert own["influence"] == pytest.approx(
                line[6], rel=1e-4, abs=1e-5 * scale
            )
            assert own["probability"] == pytest.approx(line[7], rel=1e-4)
        assert found["classes"][code]["influence_se"] == pytest.approx(error, rel=1e-4)
        sum_of_effects = sum(each["effect"] for each in found["validation"])
        influence = found["classes"][code]["influence"]
        assert sum_of_effects == pytest.approx(influence, rel=1e-6, abs=1e-12)
        for place, own in enumerate(found["classes"]):
            adds = sum(feature["adds"][place] for feature in found["features"])
            assert adds + found["intercept"][place] == pytest.approx(own["logit"])


@pytest.fixture
def _no_rounds(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a round would be run again."""

    def advance(*arguments: Any) -> None:
        raise AssertionError("a round was run")

    monkeypatch.setattr(loop, "advance", advance)


@pytest.mark.usefixtures("_no_rounds")
def test_a_label_has_the_figures_that_the_ledger_has(
    run_dir: Path, explained: Explained
) -> None:
    names = [name for (name,) in ledger(run_dir, "SELECT id FROM labels")]
    files = {file.name: file.stat().st_mtime_ns for file in run_dir.iterdir()}
    assert len(names) == 15
    assert_as_in_the_ledger(run_dir, explained, names[::4])
    assert {file.name: file.stat().st_mtime_ns for file in run_dir.iterdir()} == files


@pytest.mark.usefixtures("_no_rounds")
def test_its_round_is_told_by_what_the_ledger_has_of_it(
    run_dir: Path, explained: Explained, lines: Callable[..., list[str]]
) -> None:
    number, name = ledger(run_dir, "SELECT round, id FROM labels ORDER BY position")[-1]
    found = explained(run_dir, "--id", name)["round"]
    rounds = ledger(
        run_dir,
        "SELECT validation_loss, canary_loss, verdict FROM rounds "
        f"WHERE round IN ({number - 1}, {number}) ORDER BY round",
    )
    assert found["validation_loss"] == [each[0] for each in rounds]
    assert found["canary_loss"] == [each[1] for each in rounds]
    assert found["canary_fall"] == pytest.approx(rounds[0][1] - rounds[1][1])
    assert found["canary_se"] > 0
    assert found["verdict"] == rounds[1][2]
    text = "\n".join(lines(run_dir, "--id", name))
    assert f"POOL id {name} got the label" in text
    assert f"{rounds[0][0]:.4f} -> {rounds[1][0]:.4f}" in text


@pytest.mark.usefixtures("_no_rounds")
def test_a_row_without_a_label_is_explained_by_the_last_model(
    run_dir: Path, folder: Path, explained: Explained, lines: Callable[..., list[str]]
) -> None:
    given = {row for (row,) in ledger(run_dir, "SELECT row FROM labels")}
    row = min({*range(60)} - given)
    found = explained(run_dir, "--row", str(row))
    assert (found["id"], found["row"], found["round"]) == (f"p{row}", row, None)
    model = salutary.load(run_dir)
    pool = pd.read_csv(folder / "pool.csv").iloc[[row]]
    chance = np.asarray(model.predict_proba(pool))[0]
    probability = [each["probability"] for each in found["classes"]]
    assert probability == pytest.approx(chance, rel=1e-5)
    assert found["guess"] == model.predict(pool)[0]
    assert {each["feature"] for each in found["features"]} == {*pool} - {"id"}
    values = {each["feature"]: each["value"] for each in found["features"]}
    assert values["day"] == pool["day"].item()
    assert values["at"] == pool["at"].item()
    assert values["member"] is bool(pool["member"].item())
    assert len(found["folds"]) == 3
    assert lines(run_dir, "--row", str(row))[0].startswith(
        f"POOL id p{row} got no label."
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        ["--no-guard", "--objective", "balanced"],
        ["--objective", "worst_group", "--group", "member", "--C", "0.3"],
        ["--validation-fraction", "0.4", "--no-guard"],
    ],
    ids=lambda more: more[-1],
)
def test_other_objectives_and_validation_rows(
    more: list[str], arguments: list[str], folder: Path, explained: Explained
) -> None:
    words = once([*arguments, *more])
    if "--validation-fraction" in more:
        place = words.index("--validation")
        del words[place : place + 2]
    main(words)
    run = folder / "run"
    names = [name for (name,) in ledger(run, "SELECT id FROM labels")]
    assert_as_in_the_ledger(run, explained, names[:1] + names[-1:])
    frame = pd.read_csv(folder / "train.csv")
    found = explained(run, "--id", names[0])
    for each in (*found["nearest"], *found["validation"]):
        table = pd.read_csv(folder / f"{each['table']}.csv")
        assert table["kind"][each["row"]] == each["label"]
    if "--validation-fraction" in more:
        held = {each["row"] for each in found["validation"]}
        assert len(held) == round(0.4 * len(frame))
        assert not held & {each["row"] for each in found["nearest"]}


@pytest.mark.slow
def test_a_switch_is_explained(
    folder: Path, explained: Explained, lines: Callable[..., list[str]]
) -> None:
    frame = pd.read_csv(folder / "train.csv")
    frame.insert(0, "name", np.arange(len(frame)) + 100)
    frame.to_csv(folder / "named.csv", index=False)
    run = folder / "cleaned"
    words = ["relabel", str(folder / "named.csv"), "--target", "kind", "--id", "name"]
    words += ["--validation", str(folder / "validation.csv"), "--out", str(run)]
    main([*words, "--budget", "6", "--batch-size", "3", "--no-guard"])
    names = [name for (name,) in ledger(run, "SELECT id FROM labels")]
    assert_as_in_the_ledger(run, explained, names)
    found = explained(run, "--id", f"{names[0]}.0")
    assert found["id"] == int(names[0])
    assert found["instead_of"] == frame["kind"][found["row"]]
    assert found["row"] not in [each["row"] for each in found["nearest"]]
    assert "had its label switched from" in lines(run, "--id", names[0])[0]
    kept = next(name for name in frame["name"].astype(str) if name not in names)
    assert f"TRAIN id {kept} keeps its label" in lines(run, "--id", kept)[0]


@pytest.mark.slow
def test_a_closer_estimate_is_named_beside_the_influence(
    run: Callable[..., Path], lines: Callable[..., list[str]]
) -> None:
    out = run("--estimate", "newton", "--no-guard", "--budget", "4", "--C", "3")
    (name,) = ledger(out, "SELECT id FROM labels ORDER BY position DESC LIMIT 1")[0]
    assert "The run itself noted " in "\n".join(lines(out, "--id", name))


HOSTILE = [
    "<script>alert(1)</script>",
    "\x1b[31mred\x07",
    "a\u202eb\u200fc",
    "=cmd|'/c calc'!A0",
    "[bold]no[/bold]",
    "日本語" * 30,
    "x" * 100_000,
]


@pytest.mark.slow
def test_hostile_names_and_values_show_as_text(
    tmp_path: Path, lines: Callable[..., list[str]], explained: Explained
) -> None:
    rng = np.random.default_rng(0)
    for table, n in (("train", 60), ("validation", 60), ("pool", 40)):
        kind = rng.integers(0, 2, n)
        frame = pd.DataFrame(
            {name[:300]: kind * 2 + rng.normal(size=n) for name in HOSTILE}
        )
        frame["where"] = [HOSTILE[row % 7][:300] for row in range(n)]
        if table == "pool":
            frame.insert(
                0, "id", [f"{HOSTILE[row % 7][:900]}{row}" for row in range(n)]
            )
        else:
            frame["y"] = np.array([HOSTILE[1] + "z", HOSTILE[5]])[kind]
        frame.to_parquet(tmp_path / f"{table}.parquet")
    paths = [str(tmp_path / f"{name}.parquet") for name in ("train", "validation")]
    words = ["label", paths[0], "--validation", paths[1], "--target", "y", "--id", "id"]
    words += ["--pool", str(tmp_path / "pool.parquet"), "--out", str(tmp_path / "run")]
    main([*words, "--budget", "8", "--batch-size", "4", "--no-guard", "--C", "0.1"])
    for row in range(7):
        text = "\n".join(lines(tmp_path / "run", "--row", str(row)))
        found = explained(tmp_path / "run", "--row", str(row))
        assert found["id"] == f"{HOSTILE[row][:900]}{row}"
        assert "\\x1b[31mred" in text
    assert "[bold]no[/bold]" in text


@pytest.mark.parametrize(
    ("influence", "error", "said"),
    [
        (0.3, 0.1, "helps"),
        (0.1, 0.1, "helps, maybe by chance"),
        (-0.1, 0.1, "does not help, maybe by chance"),
        (-0.3, 0.1, "does not help"),
        (0.1, np.nan, "helps"),
    ],
)
def test_a_run_of_the_guard_within_two_errors_may_be_chance(
    influence: float, error: float, said: str
) -> None:
    assert explained_words._what_a_run_says(influence, error) == said


def test_an_influence_has_the_digits_of_its_error() -> None:
    assert plus_minus(0.006112, 0.00506) == "0.0061 ± 0.0051"
    assert plus_minus(-12.34, 3.21) == "-12.3 ± 3.2"
    assert plus_minus(0.1234567, None) == "0.1235"


@pytest.mark.filterwarnings("always::UserWarning")
@pytest.mark.parametrize("quiet", [[], ["--quiet"]], ids=["loud", "quiet"])
def test_quiet_leaves_out_what_the_run_said_of_its_tables(
    quiet: list[str],
    run: Callable[..., Path],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    frame = pd.read_csv(folder / "train.csv")
    frame["doubtful"] = np.arange(len(frame)).astype(str)
    frame.loc[0, "doubtful"] = "?1"
    for name in ("validation", "pool"):
        table = pd.read_csv(folder / f"{name}.csv").assign(doubtful="1")
        table.to_csv(folder / f"{name}.csv", index=False)
    frame.to_csv(folder / "train.csv", index=False)
    out = run("--budget", "4", "--no-guard")
    capsys.readouterr()
    main(["explain", str(out), "--row", "1", *quiet])
    assert ("warning: " in capsys.readouterr().err) == (not quiet)


# What is refused


def test_an_unknown_row_is_refused_with_names_like_it(
    run_dir: Path, refusal: Refusal
) -> None:
    line = refusal(["explain", str(run_dir), "--id", "p111"])
    assert "--id 'p111': " in line
    assert "pool.csv has no such row in column 'id'; did you mean 'p11'" in line
    line = refusal(["explain", str(run_dir), "--row", "60"])
    assert "--row 60: " in line
    assert line.endswith("pool.csv has no such row; its rows go from 0 to 59")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--id, --row: neither is given; pass one of them to name the row"),
        (["--id", "p1", "--row", "1"], "--id, --row: both are given; pass one of them"),
        (["--row", "-1"], "--row -1: must be at least 0"),
    ],
    ids=["neither", "both", "negative"],
)
def test_a_row_is_named_in_one_way(
    words: list[str], message: str, tmp_path: Path, refusal: Refusal
) -> None:
    assert message in refusal(["explain", str(tmp_path), *words])


def test_what_is_no_run_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    line = refusal(["explain", str(tmp_path), "--id", "p1"])
    assert line.endswith("holds no run; pass the --out of one")


@pytest.mark.slow
def test_a_table_that_changed_or_is_gone_is_refused(
    run: Callable[..., Path], folder: Path, refusal: Refusal
) -> None:
    out = run("--budget", "4", "--no-guard")
    table = folder / "pool.csv"
    table.write_text(table.read_text().replace("red", "blue"))
    line = refusal(["explain", str(out), "--id", "p1"])
    assert "pool.csv: has changed since the run began" in line
    table.unlink()
    line = refusal(["explain", str(out), "--id", "p1"])
    assert line.endswith("pool.csv: no such file; check the path")


EDITS = {
    "a model of another width": "UPDATE rounds SET coef = x'0000000000000000'",
    "a lost setting": "UPDATE run SET value = '{}' WHERE key = 'settings'",
    "a row of no pool": "UPDATE labels SET row = 10000 WHERE position = 0",
    "a round that is none": "UPDATE labels SET round = 9 WHERE position = 14",
}


@pytest.mark.parametrize("statement", EDITS.values(), ids=EDITS.keys())
def test_an_edited_ledger_ends_in_one_line(
    statement: str, run_dir: Path, refusal: Refusal
) -> None:
    from salutary.ledgers.run_ledger import Ledger

    path = run_dir / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    line = refusal(["explain", str(run_dir), "--id", "p1"])
    assert "ledger.sqlite: is not as it was written" in line
    with Ledger(path) as opened:
        for (number,) in ledger(run_dir, "SELECT round FROM rounds"):
            opened._seal(number)
        opened.set_facts()
    line = refusal(["explain", str(run_dir), "--id", "p1"])
    assert "ledger.sqlite: is " in line


@pytest.mark.slow
def test_a_comparison_is_not_explained(
    arguments: list[str], folder: Path, refusal: Refusal
) -> None:
    words = ["advise", *arguments[1:]]
    for option in ("--out", "--batch-size", "--C", "--budget"):
        place = words.index(option)
        del words[place : place + 2]
    main([*words, "--out", str(folder / "best"), "--splits", "2", "--repeats", "1"])
    line = refusal(["explain", str(folder / "best"), "--id", "p1"])
    assert "keeps no record of why a row got a label; pass the --out of" in line


def test_the_example_of_the_help_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    main(["explain", "--help"])
    out = capsys.readouterr().out
    assert "Example: salutary explain runs/first --id 1042" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("9007199254740993", 0),
        ("9007199254740993.0", 0),
        ("+9007199254740995", 1),
        ("9007199254740992", None),  # as a float64 it would be the first
        ("nan", None),
        ("x", None),
    ],
)
def test_a_number_is_found_by_its_exact_value(text: str, row: int | None) -> None:
    ids = pa.array([9007199254740993, 9007199254740995])
    assert same_number(text, ids) == row
