"""Cells: what they are called, how they run, what comes of one that goes wrong."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from salutary.errors import InputError
from salutary_benchmark.cells import Outcome, cells_of, parse_cell, run_cell
from salutary_benchmark.data.catalog import find_data_set
from salutary_benchmark.data.loading import load
from salutary_benchmark.experiments import rounds
from salutary_benchmark.experiments.experiment import Cell
from salutary_benchmark.experiments.rounds import judged, measure, prepared
from salutary_benchmark.strategies.registry import STRATEGIES
from salutary_benchmark.strategies.task import Step, Task
from salutary_benchmark.suites import SUITES, find_suite

QUICK = SUITES["quick"]
SETTING = QUICK.settings[""]
FOREVER = 1e9
COLUMNS = [
    "dataset",
    "strategy",
    "seed",
    "setting",
    "round",
    "n_labeled",
    "accuracy",
    "log_loss",
    "balanced_accuracy",
    "validation_loss",
    "agreement",
    "seconds",
    "peak_mb",
]


def run(strategy: str, data: str = "breast_cancer", seed: int = 0) -> Outcome:
    return run_cell(Cell(data, strategy, seed), QUICK, None, FOREVER)


def task_of(data: str, seed: int = 0) -> Task:
    return Task(prepared(data, None, SETTING, seed), SETTING, seed)


def figures(outcome: Outcome) -> list[dict[str, Any]]:
    """The rounds without what differs from run to run."""
    measured = ("seconds", "peak_mb")
    return [
        {name: value for name, value in row.items() if name not in measured}
        for row in outcome.rows
    ]


def test_a_name_is_read_back() -> None:
    for cell in cells_of(QUICK, 12):
        assert parse_cell(str(cell), QUICK) == cell
    assert str(Cell("digits", "Margin", 7)) == "digits/Margin/7"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("digits/Margin", "'digits/Margin' is not DATASET/STRATEGY/SEED"),
        ("digits/Margin/0/1", "digits/Margin/0"),
        ("", "is not DATASET/STRATEGY/SEED"),
        ("digits/Margin/-1", "is not DATASET/STRATEGY/SEED"),
        ("digits/Margin/one", "is not DATASET/STRATEGY/SEED"),
        ("digits/Margin/", "is not DATASET/STRATEGY/SEED"),
        ("bank/Margin/0", "no data set 'bank'; it has digits, breast_cancer"),
        (
            "digits/BADGE/0",
            "'quick' has no strategy 'BADGE'; it has Margin, InformationMax",
        ),
        ("digits/margin/0", "no strategy 'margin'"),
    ],
)
def test_a_wrong_name_is_refused_with_what_there_is(text: str, told: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_cell(text, QUICK)
    assert told in str(refused.value)


def test_an_unknown_suite_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match="paper, fair, authors-code, quick"):
        find_suite("slow")


def test_cells_of_one_split_are_next_to_each_other() -> None:
    named = [str(cell) for cell in cells_of(QUICK, 2)]
    assert named == [
        f"{data}/{strategy}/{seed}"
        for data in ("digits", "breast_cancer")
        for seed in (0, 1)
        for strategy in QUICK.strategies
    ]


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_a_suite_has_every_combination_once(suite: Any) -> None:
    found = cells_of(suite, 3)
    assert len(set(found)) == len(found)
    n_settings = sum(len(suite.settings_of(data)) for data in suite.data_sets)
    assert len(found) == 3 * n_settings * len(suite.strategies)


@pytest.mark.parametrize("name", QUICK.strategies)
@pytest.mark.parametrize("data", QUICK.data_sets)
def test_a_round_has_the_figures_of_scikit_learns_metrics(name: str, data: str) -> None:
    outcome = run(name, data)
    assert (outcome.status, outcome.error) == ("done", "")
    task = task_of(data)
    steps = list(STRATEGIES[name](task))
    assert [row["round"] for row in outcome.rows] == list(range(len(steps)))
    (X, y), (X_val, y_val) = task.split.test, task.split.validation
    for row, step in zip(outcome.rows, steps, strict=True):
        assert list(row) == COLUMNS
        assert (row["dataset"], row["strategy"], row["seed"]) == (data, name, 0)
        model = step.model
        assert row["n_labeled"] == step.n_labeled
        assert row["accuracy"] == accuracy_score(y, model.predict(X))
        balanced = balanced_accuracy_score(y, model.predict(X))
        assert row["balanced_accuracy"] == pytest.approx(balanced)
        # A cell has BLAS on one thread, and models are fitted to 1e-8.
        loss = log_loss(y, model.predict_proba(X))
        assert row["log_loss"] == pytest.approx(loss, rel=1e-6)
        loss = log_loss(y_val, model.predict_proba(X_val))
        assert row["validation_loss"] == pytest.approx(loss, rel=1e-6)
        assert row["agreement"] == pytest.approx(step.agreement, nan_ok=True)


def test_seconds_and_memory_are_the_cells_own() -> None:
    outcome = run("Margin")
    seconds = [row["seconds"] for row in outcome.rows]
    assert seconds == sorted(seconds)
    assert 0 < seconds[0] < seconds[-1] < outcome.seconds
    peak = [row["peak_mb"] for row in outcome.rows]
    assert np.isnan(peak).all() or (min(peak) > 10 and peak == sorted(peak))


def test_seconds_are_those_of_the_strategy_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0

    def fits(task: Task) -> Iterator[Step]:
        nonlocal now
        for step in STRATEGIES["TrainOnly"](task):
            now += 1
            yield step

    def slow(model: Any, task: Task) -> dict[str, float]:
        nonlocal now
        now += 100
        return judged(model, task)

    monkeypatch.setattr(rounds, "time", SimpleNamespace(perf_counter=lambda: now))
    monkeypatch.setitem(STRATEGIES, "Margin", fits)
    cell = Cell("breast_cancer", "Margin", 0)
    (row,) = measure(cell, SETTING, None, judge=slow)
    assert row["seconds"] == 1


ALL_STRATEGIES = """
import sys
from dataclasses import replace
from salutary_benchmark.cells import cells_of, run_cell
from salutary_benchmark.strategies.registry import STRATEGIES
from salutary_benchmark.suites import SUITES

suite = replace(
    SUITES["quick"],
    data_sets=("breast_cancer",),
    strategies=("TrainOnly", *STRATEGIES),
)
first, *cells = cells_of(suite, 1)
assert run_cell(first, suite, None, 1e9).status == "done"  # loads the data set
before = set(sys.modules)
for cell in cells:
    assert run_cell(cell, suite, None, 1e9).status == "done"
print(sorted(set(sys.modules) - before))
"""


def test_no_cells_seconds_hold_the_import_of_a_module() -> None:
    found = subprocess.run(
        [sys.executable, "-c", ALL_STRATEGIES], capture_output=True, text=True
    )
    assert (found.stdout, found.stderr) == ("[]\n", "")


def failing(task: Task) -> Iterator[Step]:
    yield from STRATEGIES["TrainOnly"](task)
    raise ValueError("no such luck")


def refusing(task: Task) -> Iterator[Step]:
    raise InputError("that cannot be")
    yield


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        (failing, "ValueError: no such luck (failing:"),
        (refusing, "that cannot be"),
    ],
)
def test_a_strategy_that_raises_is_a_failed_cell(
    strategy: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STRATEGIES, "Margin", strategy)
    outcome = run("Margin")
    assert outcome.status == "failed"
    assert outcome.error.startswith(told)
    assert "\n" not in outcome.error
    assert outcome.rows == []
    assert outcome.seconds > 0


def test_an_interrupt_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(task: Task) -> Iterator[Step]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setitem(STRATEGIES, "Margin", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("Margin")


def test_an_unknown_data_set_is_a_failed_cell() -> None:
    outcome = run("Margin", "no_such_data")
    assert (outcome.status, outcome.rows) == ("failed", [])
    assert "no_such_data" in outcome.error


def test_a_slow_strategy_hits_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    buying = STRATEGIES["Margin"]
    begun = []

    def slow(task: Task) -> Iterator[Step]:
        for step in buying(task):
            time.sleep(0.05)
            begun.append(step)
            yield step

    monkeypatch.setitem(STRATEGIES, "Margin", slow)
    outcome = run_cell(Cell("breast_cancer", "Margin", 0), QUICK, None, 0.01)
    assert (outcome.status, outcome.error) == ("time limit", "over 0.01 s")
    assert outcome.rows == []
    assert len(begun) == 1


def test_a_class_the_model_lacks_has_probability_zero() -> None:
    task = task_of("digits")
    X, y = task.split.labeled
    model = LogisticRegression(max_iter=10_000).fit(X[y != 4], y[y != 4])
    found = judged(model, task)
    X_test, y_test = task.split.test
    own = model.predict_proba(X_test)
    chance = np.column_stack([own[:, :4], np.zeros(len(own)), own[:, 4:]])
    assert found["log_loss"] == pytest.approx(log_loss(y_test, chance))
    assert found["accuracy"] == accuracy_score(y_test, model.predict(X_test))
    assert np.isfinite(list(found.values())).all()


def test_all_strategies_of_a_seed_have_one_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Task] = []

    def spying(task: Task) -> Iterator[Step]:
        seen.append(task)
        return STRATEGIES["TrainOnly"](task)

    for name in ("Margin", "Salutary-guarded"):
        monkeypatch.setitem(STRATEGIES, name, spying)
        for seed in (0, 1):
            assert run(name, seed=seed).status == "done"
    first, other_seed, second, _ = (
        np.vstack([task.split.labeled[0], task.split.pool[0]]) for task in seen
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other_seed)


def test_a_split_has_the_sizes_of_the_setting_and_float_features() -> None:
    drawn = prepared("breast_cancer", None, SETTING, 0)
    sizes = [
        len(part[1])
        for part in (drawn.labeled, drawn.validation, drawn.pool, drawn.test)
    ]
    assert sizes == [100, 114, 241, 114]
    seen = np.vstack([drawn.labeled[0], drawn.pool[0]])
    assert seen.dtype == np.float64
    # The encoder saw these rows and no others.
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(seen.std(axis=0), 1)


def test_a_large_pool_is_sampled() -> None:
    smaller = replace(SETTING, n_labeled=90, largest_pool=50)
    drawn = prepared("breast_cancer", None, smaller, 0)
    assert [len(drawn.labeled[1]), len(drawn.pool[1])] == [90, 50]


@pytest.mark.slow
def test_a_result_does_not_depend_on_the_cells_before() -> None:
    first = figures(run("Margin", "breast_cancer"))
    for name in ("Salutary-guarded", "TrainPlusValidation"):
        run(name, "breast_cancer")
        run(name, "breast_cancer", seed=1)
        run(name, "digits")
    np.testing.assert_equal(figures(run("Margin", "breast_cancer")), first)


@pytest.mark.parametrize("name", STRATEGIES)
def test_no_strategy_changes_the_split_it_shares(name: str) -> None:
    small = replace(SETTING, n_labeled=60, budget=4, batch_size=2)
    drawn = prepared("breast_cancer", None, small, 0)
    parts = (drawn.labeled, drawn.validation, drawn.pool, drawn.test)
    before = [(X.copy(), y.copy()) for X, y in parts]
    list(STRATEGIES[name](Task(drawn, small, 0)))
    for (X, y), (X_before, y_before) in zip(parts, before, strict=True):
        np.testing.assert_array_equal(X, X_before)
        np.testing.assert_array_equal(y, y_before)


def test_bundled_data_is_what_the_catalog_says() -> None:
    for name in QUICK.data_sets:
        data = find_data_set(name)
        rows = load(data, None)
        assert len(rows.y) == len(rows.X) == data.rows
        assert np.unique(rows.y).tolist() == list(range(data.classes))
