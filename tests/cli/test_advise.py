"""``salutary advise`` on files: against `salutary.advise`, and what it refuses."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

import salutary
from salutary.advice.options import OPTIONS, POOL_OPTIONS
from salutary.cli.advise import summary
from salutary.cli.main import main
from salutary.cli.verdict import verdict_lines
from salutary.tables.casting import cast_features
from salutary.tables.columns import column_kinds
from salutary.tables.encoding import table_encoder
from tests.words import once

pytestmark = pytest.mark.slow

Refusal = Callable[[list[str]], str]
SMALL = ["--splits", "2", "--repeats", "1", "--budget", "4", "--batch-size", "2"]


@pytest.fixture
def frames() -> dict[str, pd.DataFrame]:
    """Three tables of a number and two hostile names; the pool names its rows."""
    rng = np.random.default_rng(4)
    frames = {}
    for name, n_rows in {"train": 24, "validation": 24, "pool": 20}.items():
        kind = rng.integers(0, 2, n_rows)
        frames[name] = pd.DataFrame(
            {
                "[red]size": (1.5 * kind + rng.normal(size=n_rows)).round(3),
                "color, or\tso": rng.choice(["red", "green"], n_rows),
                "kind": np.array(["cat", "[dog]"])[kind],
            }
        )
    frames["pool"] = frames["pool"].drop(columns="kind").assign(id=range(20))
    return frames


@pytest.fixture
def folder(tmp_path: Path, frames: dict[str, pd.DataFrame]) -> Path:
    for name, frame in frames.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def arguments(folder: Path, *further: str, pool: bool = True) -> list[str]:
    words = [
        *["advise", str(folder / "train.csv"), "--target", "kind", "--id", "id"],
        *["--validation", str(folder / "validation.csv"), *SMALL],
    ]
    if pool:
        words += ["--pool", str(folder / "pool.csv")]
    return once([*words, *further])


def report_of(capsys: pytest.CaptureFixture[str], words: list[str]) -> dict[str, Any]:
    main([*words, "--json"])
    out, err = capsys.readouterr()
    told = ["reading the tables", "encoding the columns", "checking the tables"]
    assert {*told, "fold 1 of 2"} <= {*err.splitlines()}
    return json.loads(out)


def test_it_is_the_advice_on_the_encoded_columns(
    folder: Path, frames: dict[str, pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    found = report_of(capsys, arguments(folder, pool=False))
    features = {
        name: frame.drop(columns=["kind", "id"], errors="ignore")
        for name, frame in frames.items()
    }
    tables = [pa.Table.from_pandas(frame) for frame in features.values()]
    kinds = column_kinds(tables[0], tables[0], list(features["train"]))
    features = {
        name: cast_features(table, kinds, name)
        for name, table in zip(features, tables, strict=True)
    }
    encoder = table_encoder(kinds, 0).fit(features["train"])
    expected = salutary.advise(
        encoder.transform(features["train"]),
        frames["train"]["kind"],
        encoder.transform(features["validation"]),
        frames["validation"]["kind"],
        estimator=LogisticRegression(),  # the rows are prepared already
        splits=2,
        repeats=1,
        random_state=0,
    )
    pd.testing.assert_frame_equal(
        pd.DataFrame(found["options"]), expected.table, rtol=1e-5, atol=1e-5
    )
    assert (found["option"], found["sentence"]) == (expected.option, expected.sentence)
    assert [row["option"] for row in found["options"]] == list(OPTIONS)


def test_with_a_pool_there_are_its_options(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report_of(capsys, arguments(folder))
    assert [row["option"] for row in found["options"]] == [*OPTIONS, *POOL_OPTIONS]
    counts = {key: found[key] for key in ("n_train", "n_validation", "n_pool")}
    assert counts == {"n_train": 24, "n_validation": 24, "n_pool": 20}
    assert found["settings"] == {
        **{"target": "kind", "id": "id", "budget": 4, "batch_size": 2},
        **{"splits": 2, "repeats": 1, "seed": 0, "use_all": False, "keep": []},
        **dict.fromkeys(["text", "embedder", "pooling", "validation_fraction"]),
    }
    again = report_of(capsys, arguments(folder))
    assert again == found
    other = report_of(capsys, arguments(folder, "--seed", "1"))
    assert other["options"] != found["options"]


def test_a_person_sees_a_table_and_the_advice(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    main(arguments(folder, pool=False))
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert any(line.startswith("TRAIN  ") for line in err.splitlines())
    first, second = err.splitlines()[-2:]
    assert first == "fold 1 of 2"
    assert re.fullmatch(r"fold 2 of 2, so far '(.+)' leads", second)[1] in OPTIONS
    assert lines[0] == "24 training and 24 validation rows; 2 folds, repeats: 1"
    shown = [line[2:40].partition(", weight")[0].strip() for line in lines[2:8]]
    assert [name.split("  ")[0] for name in shown] == list(OPTIONS)
    assert lines[-1].startswith("Advice: ")
    assert max(map(len, lines[:-1])) <= 100


def test_all_rows_of_no_pool_are_refused(folder: Path, refusal: Refusal) -> None:
    told = refusal(arguments(folder, "--all", pool=False))
    assert told.endswith("--all: is for the rows of a pool; pass --pool, or no --all")


def test_recurring_rows_and_a_part_of_a_large_pool_are_told(
    folder: Path,
    frames: dict[str, pd.DataFrame],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = frames["validation"].iloc[:3].drop(columns="kind").assign(id=[20, 21, 22])
    pd.concat([frames["pool"], rows]).to_csv(folder / "pool.csv", index=False)
    monkeypatch.setattr("salutary.advice.comparison.LARGEST_POOL", 12)
    found = report_of(capsys, arguments(folder))
    assert (found["n_pool"], found["n_pool_used"]) == (23, 12)
    assert found["recurring_validation_rows"] == 3
    lines = list(summary(found))
    assert "23 in the pool, of which 12 were drawn and used" in lines[0]
    assert lines[-1] == found["sentence"]
    assert lines[1] == (
        "Pool rows that took part, at most: information maximization 12, "
        "self-training 12, label spreading 12; --all takes all."
    )
    everything = report_of(capsys, arguments(folder, "--all"))
    assert (everything["n_pool"], everything["n_pool_used"]) == (23, 23)
    assert set(everything["whole_pool_rows"].values()) == {23}
    assert "took part" not in "".join(summary(everything))
    main(arguments(folder, "--out", str(folder / "run")))
    out, err = capsys.readouterr()
    told = "warning: 3 validation rows are also in "
    assert told in err
    assert told not in out
    main(["report", str(folder / "run")])
    assert lines[1] in (folder / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("further", "message"),
    [
        (["--budget", "0"], "--budget 0: must be at least 1"),
        (["--batch-size", "0"], "--batch-size 0: must be at least 1"),
        (["--splits", "1"], "--splits 1: must be at least 2"),
        (["--repeats", "0", "--json"], "--repeats 0: must be at least 1"),
        (["--seed", "-1"], "--seed -1: must be from 0"),
        (["--splits", "25"], "--splits 25: is more than the 24 rows of "),
        (["--target", "species"], "train.csv: has no target column 'species'"),
        (["--pool", "nowhere.csv", "--json"], "nowhere.csv: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_is_told_in_one_line(
    further: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        main(arguments(folder, *further))
    out, err = capsys.readouterr()
    assert exit.value.code == 2
    assert message in err.splitlines()[-1]
    assert out == "" or "--json" not in further


def test_few_validation_rows_and_one_class_are_told(
    folder: Path, frames: dict[str, pd.DataFrame], refusal: Refusal
) -> None:
    frames["validation"].iloc[:5].to_csv(folder / "validation.csv", index=False)
    line = refusal(arguments(folder))
    words = "has 5 rows, too few to tune and to judge by; add rows, to 6 or more"
    assert line.endswith(f"validation.csv: {words}")
    frames["validation"].iloc[:1].to_csv(folder / "validation.csv", index=False)
    assert "validation.csv: has 1 row, too few" in refusal(arguments(folder))
    frames["validation"].to_csv(folder / "validation.csv", index=False)
    frames["train"].assign(kind="cat").to_csv(folder / "train.csv", index=False)
    assert "train.csv: target column 'kind' has one class only" in refusal(
        arguments(folder)
    )


def test_columns_that_differ_are_told(
    folder: Path, frames: dict[str, pd.DataFrame], refusal: Refusal
) -> None:
    frames["pool"].drop(columns="[red]size").to_csv(folder / "pool.csv", index=False)
    line = refusal(arguments(folder))
    assert "pool.csv: has no column '[red]size', which " in line


def test_classes_that_no_validation_row_has_are_told(
    folder: Path, frames: dict[str, pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        report_of(capsys, arguments(folder, pool=False))["classes_not_validated"] == []
    )
    frames["validation"].assign(kind="cat").to_csv(
        folder / "validation.csv", index=False
    )
    found = report_of(capsys, arguments(folder, pool=False))
    assert found["classes_not_validated"] == ["[dog]"]
    warning = "no validation row has class [dog], so nothing shows whether labels help "
    main(arguments(folder, pool=False))
    out, err = capsys.readouterr()
    assert f"warning: {warning}there" in err.splitlines()
    assert warning not in out


@pytest.mark.parametrize(
    ("lower", "upper", "shown"),
    [
        (-0.0002, 0.0549, "-0.0002 to 0.0549"),
        (0.0002, 0.0541, "0.0002 to 0.0541"),
        (-0.0011, 0.0, "-0.0011 to 0.0000"),
        (0.0, 0.0, ""),
    ],
)
def test_an_interval_has_the_figures_of_the_sentence(
    lower: float, upper: float, shown: str
) -> None:
    row = {"option": "b", "validation_weight": 0.0, "loss": 0.5, "difference": 0.01}
    figures = {"lower": lower, "upper": upper, "accuracy": 0.5, "C": 1.0}
    verdict = {"option": "a", "objective": "log_loss", "sentence": "Advice: a."}
    lines = [*verdict_lines({**verdict, "options": [{**row, **figures}]})]
    assert lines[1].split()[3:-2] == shown.split()
