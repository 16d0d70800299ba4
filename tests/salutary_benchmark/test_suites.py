"""Suites of several settings: named, run, resumed, rerun and reported as any other."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from salutary.errors import InputError
from salutary_benchmark import runner
from salutary_benchmark.cells import cells_of, parse_cell, run_cell
from salutary_benchmark.data.catalog import DATA_SETS
from salutary_benchmark.experiments.experiment import Cell
from salutary_benchmark.experiments.rounds import prepared
from salutary_benchmark.report import without, write
from salutary_benchmark.runner import RESULTS, RUN, Request, columns_of, read_results
from salutary_benchmark.strategies.no_labels import WHOLE_POOL
from salutary_benchmark.strategies.registry import STRATEGIES
from salutary_benchmark.strategies.task import Setting
from salutary_benchmark.suites import SUITES, Suite

SMALL = replace(
    SUITES["validation-size"],
    name="small",
    settings={
        f"validation={n}": Setting(
            n_labeled=50, validation=n, budget=4, batch_size=2, C=0.1
        )
        for n in (100, 40)
    },
    data_sets=("breast_cancer",),
    strategies=("Salutary-paper", "TrainOnly", "TrainPlusValidation"),
)

NEW = [name for name, suite in SUITES.items() if "" not in suite.settings]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite of two settings among those the command line knows."""
    monkeypatch.setitem(SUITES, "small", SMALL)
    return SMALL


def test_there_are_seven_suites_of_several_settings() -> None:
    assert NEW == [
        "budget",
        "validation-size",
        "regularization",
        "noise",
        "fidelity",
        "runtime",
        "labels",
    ]


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_every_name_of_a_suite_is_known_and_every_cell_is_read_back(
    suite: Suite,
) -> None:
    if suite.name not in ("fidelity", "runtime"):
        assert set(suite.strategies) <= set(STRATEGIES)
    if suite.name != "runtime":
        assert set(suite.data_sets) <= set(DATA_SETS)
    for cell in cells_of(suite, 2):
        assert parse_cell(str(cell), suite) == cell
        assert cell.setting in suite.settings
    assert set(suite.restricted) <= set(suite.settings)
    for data_sets in suite.restricted.values():
        assert set(data_sets) <= set(suite.data_sets)


def test_settings_of_one_split_are_next_to_each_other() -> None:
    assert [str(cell) for cell in cells_of(SMALL, 2)] == [
        f"breast_cancer/{strategy}/validation={n}/{seed}"
        for seed in (0, 1)
        for n in (100, 40)
        for strategy in SMALL.strategies
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "digits/Margin/0",
            "is not DATASET/STRATEGY/SETTING/SEED; an example is digits",
        ),
        ("digits/Margin/clean/x/0", "is not DATASET/STRATEGY/SETTING/SEED"),
        ("digits/Margin/dirty/0", "no setting 'dirty'; it has clean, symmetric=10%"),
        ("digits/Margin//0", "no setting ''"),
        (
            "digits/Margin/people=worse/0",
            "no setting 'people=worse' of digits; it has clean, symmetric=10%",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_what_there_is(text: str, told: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_cell(text, SUITES["noise"])
    assert told in str(refused.value)


def test_a_restricted_setting_is_of_its_data_sets_alone() -> None:
    cells = cells_of(SUITES["noise"], 1)
    people = {cell.dataset for cell in cells if cell.setting.startswith("people")}
    assert people == {"cifar10n"}
    clean = {cell.dataset for cell in cells if cell.setting == "clean"}
    assert clean == set(SUITES["noise"].data_sets)


def test_a_cell_is_run_under_its_own_setting() -> None:
    for setting, n in (("validation=100", 100), ("validation=40", 40)):
        cell = Cell("breast_cancer", "TrainPlusValidation", 0, setting)
        outcome = run_cell(cell, SMALL, None, 1e9)
        assert (outcome.status, len(outcome.rows)) == ("done", 1)
        assert outcome.rows[0]["n_labeled"] == 50 + n
        assert outcome.rows[0]["setting"] == setting


def test_labels_a_round_are_a_part_of_the_pool() -> None:
    setting = Setting(budget=30, batch_size=10, batch_fraction=0.02)
    assert setting.for_pool(1234) == replace(
        setting, budget=75, batch_size=25, batch_fraction=None
    )
    assert setting.for_pool(10).batch_size == 1
    fixed = replace(setting, batch_fraction=None)
    assert fixed.for_pool(1234) is fixed
    suite = replace(
        SMALL, settings={"b=2%": replace(setting, n_labeled=50, validation=100, C=0.1)}
    )
    cell = Cell("breast_cancer", "Random", 0, "b=2%")
    pool = len(prepared("breast_cancer", None, suite.settings["b=2%"], 0).pool[1])
    size = round(0.02 * pool)
    assert size > 1
    rows = run_cell(cell, suite, None, 1e9).rows
    assert [row["n_labeled"] for row in rows] == [50 + size * n for n in range(4)]


def test_a_run_ends_after_its_last_round_whatever_is_left_of_the_budget() -> None:
    settings = {
        f"rounds={n}": replace(SMALL.settings["validation=40"], budget=20, n_rounds=n)
        for n in (3, None)
    }
    suite = replace(SMALL, settings=settings)
    found = {
        setting: run_cell(
            Cell("breast_cancer", "Salutary-paper", 0, setting), suite, None, 1e9
        ).rows
        for setting in settings
    }
    assert [row["round"] for row in found["rounds=3"]] == [0, 1, 2, 3]
    losses = [[row["log_loss"] for row in rows] for rows in found.values()]
    assert losses[0] == losses[1][:4]
    assert len(losses[1]) == 11


@pytest.mark.slow
def test_a_run_has_every_setting_resumes_and_is_reported(
    small: Suite, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    whole = Request(small, 2, None, out, jobs=1)
    runner.run(replace(whole, n_seeds=1))
    ran: list[Cell] = []
    runner.run(whole, on_cell=lambda outcome: ran.append(outcome.cell))
    assert {cell.seed for cell in ran} == {1}
    results = read_results(out, small)
    assert list(results["setting"].cat.categories) == [
        "validation=100",
        "validation=40",
    ]
    counts = results.groupby(["setting", "strategy", "seed"], observed=True).size()
    assert len(counts) == 2 * 3 * 2
    made_with = json.loads((out / RUN).read_text())["suite"]
    assert list(made_with["settings"]) == list(small.settings)
    write(out)
    text = (out / "report.md").read_text()
    # The answer's picture comes first, then its figures, settings in order.
    assert text.index("![Accuracy against the factor](accuracy.png)") < text.index("| ")
    assert "| strategy | validation=100 | validation=40 |" in text
    other = replace(small, settings={"validation=40": small.settings["validation=40"]})
    with pytest.raises(InputError, match="another validation=100"):
        runner.run(replace(whole, suite=other))


@pytest.mark.slow
def test_results_of_a_suite_with_one_setting_need_not_name_it(tmp_path: Path) -> None:
    quick = SUITES["quick"]
    runner.run(Request(quick, 1, None, tmp_path / "run", jobs=1))
    results = read_results(tmp_path / "run", quick)
    path = tmp_path / "run" / RESULTS
    pd.read_parquet(path).drop(columns="setting").to_parquet(path)
    pd.testing.assert_frame_equal(
        read_results(tmp_path / "run", quick)[list(results)], results
    )
    with pytest.raises(
        InputError, match="has no column 'setting'; suite 'small' has it"
    ):
        read_results(tmp_path / "run", SMALL)


def test_results_of_an_unknown_setting_are_refused(tmp_path: Path) -> None:
    columns = columns_of(SMALL)
    row = dict.fromkeys(columns, "validation=7")
    table = pd.DataFrame([row | dict.fromkeys(list(columns)[4:], 0.0)])
    table.to_parquet(tmp_path / RESULTS)
    with pytest.raises(InputError, match="no setting 'validation=7'; it was made by"):
        read_results(tmp_path, SMALL)


RESULTS_OF = Path(__file__).parents[2] / "docs" / "results"


@pytest.mark.parametrize("name", ["paper", "fair", "authors-code"])
def test_committed_results_are_read_as_they_are(name: str) -> None:
    folder = RESULTS_OF / name
    results = read_results(folder, SUITES[name])
    recorded = json.loads((folder / RUN).read_text())
    as_run = replace(SUITES[name], strategies=tuple(recorded["suite"]["strategies"]))
    cells = results.groupby(["dataset", "strategy", "seed"]).ngroups
    assert cells == recorded["cells"] == len(cells_of(as_run, recorded["seeds"]))
    assert set(results["setting"]) == {""}
    assert np.isfinite(results[["accuracy", "log_loss"]]).all(axis=None)


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_a_committed_report_says_which_strategies_it_is_without(suite: Suite) -> None:
    folder = RESULTS_OF / suite.name
    if suite.name == "quick":
        assert not folder.exists()
        return
    recorded = json.loads((folder / RUN).read_text())
    text = (folder / "report.md").read_text()
    said = without(recorded, suite)
    if said:
        assert said in text
        assert f"[{suite.name}]" in (RESULTS_OF / "README.md").read_text()
    else:
        assert "has since got" not in text
    missing = [
        name for name in suite.strategies if name not in recorded["suite"]["strategies"]
    ]
    assert [name for name in missing if name not in said] == []


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_every_suite_that_compares_models_has_those_of_the_whole_pool(
    suite: Suite,
) -> None:
    # Two suites look at single labels, and at estimates of influence.
    if suite.name not in ("labels", "fidelity"):
        assert set(WHOLE_POOL) <= set(suite.strategies)
