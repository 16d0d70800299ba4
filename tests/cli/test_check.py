"""`salutary check`, and its card at the head of every run, on tables with mistakes."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from salutary import load
from salutary.cli.advise import summary as advise_summary
from salutary.cli.card import KIND_WORDS, MOST_LINES, card, facts, warnings_of
from salutary.cli.evaluate import FIGURES
from salutary.cli.evaluate import summary as evaluate_summary
from salutary.cli.main import main
from salutary.cli.run_summary import label_summary

Refusal = Callable[[list[str]], str]
N = {"train": 60, "validation": 50, "pool": 80}


def rows(n: int, rng: np.random.Generator) -> pd.DataFrame:
    truth = rng.random(n) < 0.5
    return pd.DataFrame(
        {
            "size": (truth + rng.normal(size=n)).round(4),
            "color": np.where(rng.random(n) < 0.5 + 0.3 * truth, "red", "blue"),
            "y": np.where(truth, "yes", "no"),
        }
    )


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    found = {name: rows(n, rng) for name, n in N.items()}
    found["pool"] = found["pool"].drop(columns="y")
    return found


@pytest.fixture
def words(tmp_path: Path) -> Callable[..., list[str]]:
    """Write the tables; the words of a command about them."""

    def words(command: str, tables: dict[str, pd.DataFrame], *more: str) -> list[str]:
        for name, frame in tables.items():
            frame.to_csv(tmp_path / f"{name}.csv", index=False)
        train, validation, pool = (str(tmp_path / f"{name}.csv") for name in N)
        found = [command, train, "--validation", validation, "--target", "y", *more]
        return found if command == "relabel" else [*found, "--pool", pool]

    return words


def with_ids(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    numbers = np.split(
        np.random.default_rng(1).permutation(sum(N.values())),
        np.cumsum([*N.values()])[:-1],
    )
    return {
        name: frame.assign(patient=ids)
        for (name, frame), ids in zip(tables.items(), numbers, strict=True)
    }


def test_the_card_says_what_the_tables_hold(
    words: Callable[..., list[str]],
    tables: dict[str, pd.DataFrame],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    given = words("check", with_ids(tables))
    before = sorted(tmp_path.iterdir())
    main(given)
    lines = capsys.readouterr().out.splitlines()
    lines = lines[[line[:5] for line in lines].index("TRAIN") :]
    counts = [tables[name]["y"].value_counts() for name in ("train", "validation")]
    assert lines[0].startswith(
        f"TRAIN       60 rows; no: {counts[0]['no']}, yes: {counts[0]['yes']}"
    )
    assert lines[1].startswith(
        f"VAL         50 rows; no: {counts[1]['no']}, yes: {counts[1]['yes']}; drift 0."
    )
    assert lines[2].startswith("POOL        80 rows; no labels; drift 0.")
    assert lines[3] == "features    2: 1 number (size); 1 category (color)"
    assert lines[4:] == [
        "left out    'patient' (numbers of rows); --keep COLUMN makes one a feature"
    ]
    assert sorted(tmp_path.iterdir()) == before


def test_the_figures_come_as_json(
    words: Callable[..., list[str]],
    tables: dict[str, pd.DataFrame],
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(words("check", tables, "--json"))
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == N
    assert found["features"] == {"size": "number", "color": "category"}
    assert found["warnings"] == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["label", "relabel", "advise"])
def test_the_card_stands_at_the_head_of_a_run_and_in_its_report(
    command: str,
    words: Callable[..., list[str]],
    tables: dict[str, pd.DataFrame],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    tables = with_ids(tables)
    more = {
        "advise": ["--splits", "2", "--repeats", "1", "--budget", "5", "--json"],
        "label": ["--budget", "5", "--no-guard", "--out", str(tmp_path / "run")],
        "relabel": ["--budget", "5", "--no-guard", "--out", str(tmp_path / "run")],
    }[command]
    main(words(command, tables, *more))
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert "left out    'patient' (numbers of rows); --keep COLUMN makes one" in err
    assert len([line for line in lines if line[:5] in ("TRAIN", "VAL  ")]) == 2
    report = (
        json.loads(out)
        if command == "advise"
        else json.loads((tmp_path / "run" / "run.json").read_text())
    )
    assert report["checks"]["left_out"] == {"patient": "numbers of rows"}
    assert report["settings"]["keep"] == []
    assert report["checks"]["rows"] == {
        name: n for name, n in N.items() if command != "relabel" or name != "pool"
    }


@pytest.mark.slow
def test_ids_are_no_features_unless_kept(
    words: Callable[..., list[str]],
    tables: dict[str, pd.DataFrame],
    tmp_path: Path,
    refusal: Refusal,
) -> None:
    tables, plain = with_ids(tables), tables
    brief = ("--budget", "5", "--no-guard", "--seed", "3")

    def labeled(name: str, given: dict[str, pd.DataFrame], *more: str) -> pd.DataFrame:
        out = str(tmp_path / name)
        main(words("label", given, *brief, "--out", out, *more))
        return pyarrow.parquet.read_table(Path(out) / "labels.parquet").to_pandas()

    expected = labeled("plain", plain)
    pd.testing.assert_frame_equal(labeled("ids", tables), expected)
    # Where the pool or VAL lacks them, too.
    partly = {**tables, "pool": plain["pool"]}
    pd.testing.assert_frame_equal(labeled("partly", partly), expected)
    kept = labeled("kept", tables, "--keep", "patient")
    assert not kept["influence"].equals(expected["influence"])
    # A model of either kind predicts rows with and without the column.
    for given in (tables["pool"], plain["pool"]):
        load(tmp_path / "ids").predict(given)
    assert load(tmp_path / "kept")["types"].kinds["patient"] == "number"
    # The setting belongs to the run.
    again = ["--out", str(tmp_path / "kept"), "--resume"]
    line = refusal(words("label", tables, *brief, *again))
    assert "was started with keep = ['patient'], not []" in line


def test_a_column_to_keep_must_be_there(
    words: Callable[..., list[str]], tables: dict[str, pd.DataFrame], refusal: Refusal
) -> None:
    line = refusal(words("check", tables, "--keep", "patient"))
    assert "--keep 'patient': " in line
    assert "has no such column besides the target and the ids; it has" in line


def test_a_table_of_ids_alone_is_refused_with_the_remedy(
    words: Callable[..., list[str]], tables: dict[str, pd.DataFrame], refusal: Refusal
) -> None:
    for name, frame in with_ids(tables).items():
        tables[name] = frame.drop(columns=["size", "color"])
    line = refusal(words("check", tables))
    assert "besides 'y' and 'patient', which names rows; add features, or pass" in line
    assert line.endswith("--keep 'patient'")


def test_ids_of_the_pool_alone_are_refused_with_the_option(
    words: Callable[..., list[str]], tables: dict[str, pd.DataFrame], refusal: Refusal
) -> None:
    tables["pool"]["patient"] = with_ids(tables)["pool"]["patient"]
    line = refusal(words("check", tables))
    assert "pass --id 'patient' if it names the rows of" in line
    main(words("check", tables, "--id", "patient"))


@pytest.mark.slow
def test_a_pool_that_is_marked_as_unlabeled_has_no_agreement(
    words: Callable[..., list[str]],
    tables: dict[str, pd.DataFrame],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    tables["pool"]["y"] = -1
    out = str(tmp_path / "run")
    main(words("label", tables, "--budget", "5", "--no-guard", "--out", out))
    out, err = capsys.readouterr()
    assert "POOL        80 rows; no labels (all '-1'); drift" in err
    assert "agreement" not in out


def warned(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    main(words)
    lines = capsys.readouterr().out.splitlines()
    return [line for line in lines if line.startswith("warning: ")]


@pytest.mark.slow
def test_each_mistake_is_warned_of_with_what_to_do(
    words: Callable[..., list[str]],
    tables: dict[str, pd.DataFrame],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert warned(words("check", tables), capsys) == []
    pool, train = tables["pool"], tables["train"]
    rng = np.random.default_rng(8)
    z = tables["train"]["y"].str[0]
    with_z = [
        ("train", tables["train"].assign(z=z)),
        ("validation", tables["validation"].assign(z="y")),
        ("pool", pool.assign(z="n")),
    ]
    for change, expected in (
        (
            {"pool": train},
            "60 of 60 rows of POOL stand in TRAIN, where such rows have labels, so",
        ),
        (
            {"validation": pd.concat([tables["validation"], train[:9]])},
            "9 of 59 rows of VAL stand in TRAIN, so losses on VAL look too low; take",
        ),
        (
            {"validation": pd.concat([tables["validation"], tables["validation"][:5]])},
            "10 of 55 rows of VAL are copies of one another, so the guard and the adv",
        ),
        (
            {"validation": tables["validation"][:29]},
            "VAL has 29 rows, so few that labels fit these rows rather than new ones,",
        ),
        (
            {"pool": pool.assign(color="mauve")},
            "rows of POOL have a category that no row of TRAIN has, of which the model "
            "knows nothing, in 'color' (100.0% of rows); look for other spellings",
        ),
        (
            {"pool": pool.assign(size=pool["size"] * 1000)},
            "rows of POOL have a number far outside TRAIN's range, where the model "
            "guesses, in 'size' (",
        ),
        (
            {"pool": pool.assign(size=None)},
            "'size' is empty in POOL but not in TRAIN, and its gaps are filled",
        ),
        (
            {"pool": pool.assign(size=pool["size"] + 3)},
            "POOL differs from TRAIN, most in 'size', so labels for it may",
        ),
        (
            {"pool": pd.concat([pool, tables["validation"].drop(columns="y")])},
            "50 of 50 rows of VAL stand in POOL, so rows get labels that judge them,",
        ),
        (
            {"validation": tables["validation"][:5]},
            "VAL has 5 rows, and a guard and the advice need 6 at the least; add rows,",
        ),
        (
            {"train": train.assign(y=[*["Unlabeled"] * 7, *train["y"][7:]])},
            "Unlabeled is a class of TRAIN, of 7 rows; if it marks rows without a ",
        ),
        (
            dict(with_z),
            "'z' tells the class of every row of TRAIN; if it was made from the label",
        ),
        (
            {"train": train.assign(size=[1e9, *train["size"][1:]])},
            "TRAIN has numbers so far from all others that they set the scale of their "
            "column, in 'size' (1.7% of rows); correct them",
        ),
        (
            {"train": train.assign(y=[*["-1"] * 7, *train["y"][7:]])},
            "-1 is a class of TRAIN, of 7 rows; if it marks rows without a label, take",
        ),
        (
            {
                name: table.assign(no=rng.choice(90_000, len(table), False) + 10_000)
                for name, table in tables.items()
            },
            "every row of TRAIN has a number of its own in 'no', which is a feature;",
        ),
        (
            {"train": train.assign(y=["rare", "odd", *train["y"][2:]])},
            "classes odd, rare have fewer than 5 rows each in TRAIN, so hardly",
        ),
        (
            {"pool": pool.assign(y=["perhaps", *["yes"] * 79])},
            "1 row of POOL has a label that TRAIN lacks ('perhaps'), and can only ",
        ),
        (
            {"train": train.assign(y=["rare", *train["y"][1:]])},
            "class rare has fewer than 5 rows in TRAIN, so hardly anything is learned",
        ),
        (
            {"train": train.assign(y=["rare", *train["y"][1:]])},
            "VAL has no row of class rare, so nothing shows whether labels help there;",
        ),
        (
            {"pool": pool.assign(color=["-1.50", *pool["color"][1:]])},
            "numbers stand in POOL where TRAIN has texts, in 'color' (1.2% of rows); ",
        ),
    ):
        found = warned(words("check", {**tables, **change}), capsys)
        assert any(line.startswith(f"warning: {expected}") for line in found), found


@pytest.mark.parametrize(
    ("copies", "twins", "is_said"),
    [(2, 0.0, False), (3, 0.0, True), (10, 0.07, True), (10, 0.1, False)],
)
def test_copies_within_val_are_warned_of_beyond_a_twentieth_and_chance(
    copies: int, twins: float, is_said: bool
) -> None:
    beside = {
        **{"recurring": 0, "twins": copies, "unseen_categories": {}, "far_outside": {}},
        **{"empty": [], "drift": None, "drift_se": None, "most_different": {}},
        "numbers_among_texts": {},
    }
    classes = {"no": 30, "yes": 30}
    checks = {
        "rows": {"train": 60, "validation": 50},
        "examined": {"train": 60, "validation": 50},
        "twins": twins,
        "classes": {"train": classes, "validation": classes},
        **{"features": {}, "perhaps_ids": [], "validation_in_pool": 0},
        **{"tell_the_class": [], "far_from_others": {}},
        "beside": {"validation": beside},
    }
    found = [*warnings_of(checks)]
    assert len(found) == is_said
    words = f"{copies} of 50 rows of VAL are copies of one another, so"
    assert all(line.startswith(words) for line in found)


@pytest.mark.slow
def test_all_validation_rows_in_the_training_table_are_refused_by_every_command(
    words: Callable[..., list[str]],
    tables: dict[str, pd.DataFrame],
    refusal: Refusal,
    tmp_path: Path,
) -> None:
    tables["validation"] = tables["train"]
    for command in ("check", "advise", "label", "relabel"):
        more = ["--out", str(tmp_path / "run")] if "label" in command else []
        line = refusal(words(command, tables, *more))
        assert "validation.csv: all of its 60 rows stand in " in line
    assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("always")
def test_files_of_semicolons_are_read_with_a_line_that_says_so(
    words: Callable[..., list[str]],
    tables: dict[str, pd.DataFrame],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    given = words("check", tables, "--json")
    main(given)
    expected = capsys.readouterr().out
    tables["pool"].to_csv(tmp_path / "pool.csv", index=False, sep=";")
    main(given)
    out, err = capsys.readouterr()
    assert out == expected
    assert "pool.csv: is read as separated by semicolons, as its first lines are" in err


def test_the_card_is_short_whatever_the_tables_hold() -> None:
    beside = {
        "recurring": 50,
        "twins": 50,
        "unseen_categories": {f"c{k}": 50 for k in range(90)},
        "numbers_among_texts": {f"c{k}": 5 for k in range(90)},
        "far_outside": {f"n{k}": 50 for k in range(90)},
        "empty": [f"e{k}" for k in range(90)],
        "drift": 1.0,
        "drift_se": 0.01,
        "most_different": {"\x1b[31m" * 90: 1.0},
    }
    checks = {
        "rows": {"train": 50, "validation": 50, "pool": 50},
        "examined": {"train": 50, "validation": 50, "pool": 50},
        "twins": 0.0,
        "classes": {
            name: {f"{k}" * 500: k for k in range(90)}
            for name in ("train", "validation", "pool")
        },
        "pool_marker": None,
        "features": {f"n{k}\n": "number" for k in range(90)},
        "left_out": {f"i{k}": "codes" for k in range(90)},
        "constant": [f"n{k}" * 90 for k in range(90)],
        "perhaps_ids": [f"n{k}" * 90 for k in range(90)],
        "tell_the_class": [f"n{k}" * 90 for k in range(90)],
        "far_from_others": {f"n{k}": 1 for k in range(90)},
        "validation_in_pool": 50,
        "beside": {"validation": beside, "pool": beside},
    }
    lines = card(checks)
    assert len(lines) == MOST_LINES
    assert all(line.isprintable() and len(line) < 500 for line in lines)
    n_warnings = len([*warnings_of(checks)])
    n_shown = sum(line.startswith("warning: ") for line in lines) - 1
    assert lines[-1] == (
        f"warning: {n_warnings - n_shown} more, which 'salutary check' shows"
    )


def of_texts(tables: dict[str, pd.DataFrame], few: bool) -> dict[str, pd.DataFrame]:
    """The tables with a column of texts, a few or all of them distinct."""
    rng = np.random.default_rng(4)
    return {
        name: frame.assign(
            review=[f"it is {number}" for number in rng.integers(0, 3, len(frame))]
            if few
            else [f"{name} says {number} times no" for number in range(len(frame))]
        )
        for name, frame in tables.items()
    }


# In a process of its own, so that nothing has been imported before.
WITHOUT_A_MODEL = """
import sys
from salutary.cli.main import main
main({words!r})
assert not {{"torch", "transformers"}} & set(sys.modules)
"""


@pytest.mark.parametrize("few", [True, False], ids=["few", "many"])
def test_texts_are_looked_at_without_a_language_model(
    few: bool, words: Callable[..., list[str]], tables: dict[str, pd.DataFrame]
) -> None:
    given = words("check", of_texts(tables, few), "--text-column", "review", "-q")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_MODEL.format(words=given)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 text to embed (review)" in done.stdout
    assert "'review' becomes a vector by the run's --embedder; drift" in done.stdout
    # The texts name the table they are from, and only the many do.
    assert ("drift 1.00" in done.stdout) == (not few)


def test_a_check_of_texts_finds_what_a_run_would(
    words: Callable[..., list[str]],
    tables: dict[str, pd.DataFrame],
    refusal: Refusal,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tables = of_texts(tables, few=True)
    pair = ["--text-column", "review", "--text-pair", "color"]
    main(words("check", tables, *pair, "--json"))
    features = json.loads(capsys.readouterr().out)["features"]
    assert features == {"size": "number", "color": "document", "review": "document"}
    for wrong, said in (
        (["--text-column", "revew"], "has no text column 'revew' besides the target"),
        (["--text-pair", "review"], "--text-pair review: needs --text-column; pass it"),
        ([*pair[:2], "--text-pair", "review"], "is --text-column too; pass another"),
        (["--text-column", "y"], "--text-column 'y': is the target; pass another"),
        ([*pair[:2], "--text-pair", "y"], "--text-pair 'y': is the target; pass"),
        ([*pair[:2], "--id", "review"], "--text-column 'review': is --id too, which"),
        ([*pair, "--id", "color"], "--text-pair 'color': is --id too, which is never"),
    ):
        assert said in refusal(words("check", tables, *wrong))


def test_the_groups_of_val_are_no_column_that_train_lacks(
    words: Callable[..., list[str]],
    tables: dict[str, pd.DataFrame],
    refusal: Refusal,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tables["validation"]["site"] = "A"
    assert "which" in refusal(words("check", tables))
    main(words("check", tables, "--group", "site"))
    assert "features    2: " in capsys.readouterr().out
    assert "has no group column 'sit'" in refusal(
        words("check", tables, "--group", "sit")
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--keep", "y"], "--keep 'y': is the target, which is never a feature; drop"),
        (["--id", "size", "--keep", "size"], "--keep 'size': is --id too, which is "),
        (["--id", "y"], "--id 'y': is the target; pass another column"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_column_named_as_two_things_is_refused_with_both(
    more: list[str],
    said: str,
    words: Callable[..., list[str]],
    tables: dict[str, pd.DataFrame],
    refusal: Refusal,
) -> None:
    assert said in refusal(words("check", tables, *more))


WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".tsv.gz": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    ".jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    ".parquet": pd.DataFrame.to_parquet,
    ".feather": pd.DataFrame.to_feather,
}


@pytest.mark.parametrize("nothing", [None, "", " \t"], ids=["null", "empty", "blank"])
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_text_that_is_not_there_is_refused_in_every_format(
    suffix: str,
    nothing: str | None,
    tables: dict[str, pd.DataFrame],
    tmp_path: Path,
    refusal: Refusal,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tables = of_texts(tables, few=False)
    tables["validation"].loc[4, "review"] = "NA"  # a text as any other
    for name, frame in tables.items():
        WRITERS[suffix](frame, tmp_path / f"{name}{suffix}")
    train, validation, pool = (str(tmp_path / f"{name}{suffix}") for name in N)
    words = ["check", train, "--validation", validation, "--target", "y", "-q"]
    words += ["--pool", pool, "--text-column", "review"]
    main(words)
    assert "1 text to embed (review)" in capsys.readouterr().out
    tables["pool"].loc[7, "review"] = nothing
    WRITERS[suffix](tables["pool"], Path(pool))
    assert refusal(words).endswith(
        f"pool{suffix}: column 'review', row 7: the text is missing; fill it or drop "
        "the row"
    )


def of_one(value: Any) -> Any:
    """The same report with one in place of every whole number."""
    if isinstance(value, dict):
        return {name: of_one(each) for name, each in value.items()}
    if isinstance(value, list):
        return [of_one(each) for each in value]
    return 1 if type(value) is int else value


ONE_OF_MANY = re.compile(
    r"(?<![\d.])1 (?:validation )?(?!(?:as|has|is|stands|was)\b)\w+s\b"
)
"""One of something that is said as if it were several."""


def test_one_is_not_said_as_several(run_dir: Path, tables: dict[str, Any]) -> None:
    report = of_one(json.loads((run_dir / "run.json").read_text()))
    outcome = {**report["outcome"], "recurring_validation_rows": 1}
    outcome = {**outcome, "canary_rows": 1, "canary_loss": [0.5, 0.4]}
    report = {**report, "outcome": {**outcome, "termination": "guard"}}
    beside = {
        **{"recurring": 1, "twins": 0, "empty": ["e"], "drift": 1.0, "drift_se": 0.01},
        **{"unseen_categories": {"c": 1}, "numbers_among_texts": {"c": 1}},
        **{"far_outside": {"n": 1}, "most_different": {"n": 1.0}},
    }
    checks = {
        **{
            "rows": dict.fromkeys(N, 1),
            "examined": dict.fromkeys(N, 1),
            "twins": 0.0,
            "pool_marker": None,
        },
        "classes": {
            "train": {"a": 1, "b": 1},
            "validation": {"a": 1},
            "pool": {"c": 1},
        },
        "features": {f"a {kind}": kind for kind in KIND_WORDS},
        **{"left_out": {"i": "codes"}, "constant": ["k"]},
        **{"perhaps_ids": ["n"], "validation_in_pool": 1},
        **{"tell_the_class": ["n"], "far_from_others": {"n": 1}},
        "beside": {"validation": beside, "pool": beside},
    }
    compared = {
        **{"n_train": 1, "n_validation": 1, "n_pool": 1, "n_pool_used": 1},
        **{"splits": 2, "repeats": 1, "whole_pool_rows": {}, **outcome["verdict"]},
    }
    evaluated = {
        **{"file": "t.csv", "rows": 1, "guessing": None, "classes": []},
        "model": dict.fromkeys(FIGURES, 1.0),
    }
    lines = [
        *(*facts(checks), *warnings_of(checks)),
        *label_summary(report, run_dir),
        *advise_summary(compared),
        *evaluate_summary(evaluated),
    ]
    found = [match[0] for line in lines for match in ONE_OF_MANY.finditer(line)]
    assert found == []
    assert "1 stands in TRAIN" in "\n".join(lines)
