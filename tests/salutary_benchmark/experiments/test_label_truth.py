"""Labels that differ, against counts and refits by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss

from salutary.labeling import loop
from salutary_benchmark.cells import run_cell
from salutary_benchmark.experiments.experiment import Cell
from salutary_benchmark.experiments.label_truth import (
    EVERY,
    TREATMENTS,
    Differing,
    Treatments,
    by_class,
    show,
)
from salutary_benchmark.experiments.rounds import task_of
from salutary_benchmark.strategies.no_labels import NO_LABELS
from salutary_benchmark.strategies.task import Setting
from salutary_benchmark.suites import SUITES

SETTING = Setting(n_labeled=60, validation=100, budget=15, batch_size=5, C=1.0)
SUITE = replace(SUITES["labels"], settings={"C=1": SETTING})
STRATEGIES = ("Salutary-paper", "Salutary-guarded")


@pytest.fixture(scope="module")
def results() -> pd.DataFrame:
    """Of two rules and two seeds."""
    rows = []
    for strategy in STRATEGIES:
        for seed in (0, 1):
            cell = Cell("digits", strategy, seed, "C=1")
            outcome = run_cell(cell, SUITE, None, 1e9)
            assert (outcome.status, outcome.error) == ("done", "")
            rows += outcome.rows
    order = pd.CategoricalDtype(["C=1"], ordered=True)
    return pd.DataFrame(rows).astype({"setting": order})


@pytest.mark.slow
def test_treatments_are_refits_of_the_labels_a_run_leaves(
    results: pd.DataFrame,
) -> None:
    task = task_of(Cell("digits", "Salutary-paper", 1), SETTING, None)
    problem = NO_LABELS["Salutary-paper"].problem(task)  # type: ignore[attr-defined]
    state = loop.start(problem)
    while state.termination is None:
        state, _ = loop.advance(problem, state, SETTING.budget)
    rows, labels = state.latest.rows, state.latest.labels
    (X, y), (X_pool, y_pool) = task.split.labeled, task.split.pool
    truth = y_pool[rows]
    right = labels == truth
    assert 0 < right.sum() < len(rows) == 15
    sets = {
        "assigned": (rows, labels),
        "removed": (rows[right], labels[right]),
        "corrected": (rows, truth),
    }
    of = results.query("strategy == 'Salutary-paper' and seed == 1 and label == -1")
    last = of[of["round"] == of["round"].max()].set_index("treatment")
    X_test, y_test = task.split.test
    for treatment, (added, given) in sets.items():
        model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12).fit(
            np.vstack([X, X_pool[added]]), np.append(y, given)
        )
        chance = model.predict_proba(X_test)
        assert last.loc[treatment, "log_loss"] == pytest.approx(
            log_loss(y_test, chance), rel=1e-4
        )
        accuracy = accuracy_score(y_test, model.predict(X_test))
        assert last.loc[treatment, "accuracy"] == pytest.approx(accuracy)
        assert last.loc[treatment, "n_labels"] == len(added)
    assert last.loc["assigned", "n_differing"] == (~right).sum()
    counts = results.query(
        f"strategy == 'Salutary-paper' and seed == 1 and label >= 0 "
        f"and round == {of['round'].max()}"
    ).set_index("label")
    assert counts["n_labels"].to_dict() == dict(
        zip(*np.unique(labels, return_counts=True), strict=True)
    )
    assert counts["n_differing"].sum() == (~right).sum()


def test_the_start_is_the_same_however_it_is_treated(results: pd.DataFrame) -> None:
    start = results[results["round"] == 0]
    assert (start["label"] == EVERY).all()
    assert (start["n_labels"] == 0).all()
    assert (start.groupby(["strategy", "seed"])["log_loss"].nunique() == 1).all()
    assert set(start["treatment"]) == set(TREATMENTS)


def made() -> pd.DataFrame:
    """Two splits made by hand; the second ends a round earlier."""
    rows = []
    for seed, rounds in ((0, 3), (1, 2)):
        for number in range(rounds):
            for place, treatment in enumerate(TREATMENTS):
                rows.append(
                    {
                        "round": number,
                        "treatment": treatment,
                        "label": EVERY,
                        "n_labels": 10 * number,
                        "n_differing": (2 + seed) * number if place == 0 else 0,
                        "log_loss": 1 - 0.1 * number * (1 + place + seed),
                        "accuracy": 0.5 + 0.01 * number * (1 + place + seed),
                        "seed": seed,
                    }
                )
            rows += [
                {
                    "round": number,
                    "treatment": "assigned",
                    "label": label,
                    "n_labels": 10,
                    "n_differing": label + seed,
                    "seed": seed,
                }
                for label in range(number)
            ]
    table = pd.DataFrame(rows).assign(dataset="a", strategy="Salutary-paper")
    table["setting"] = pd.Categorical(["C=1"] * len(table))
    return table


def test_the_part_that_differs_is_kept_by_a_run_that_ended() -> None:
    found = Differing(made()).frame().set_index("round")
    assert found.index.tolist() == [1, 2]
    assert found["mean"].tolist() == pytest.approx([(0.2 + 0.3) / 2] * 2)
    assert found["sem"].tolist() == pytest.approx([0.05, 0.05])


@pytest.mark.parametrize(("measure", "unit"), [("log_loss", 0.1), ("accuracy", 0.01)])
def test_gains_are_of_last_rounds_over_the_start(measure: str, unit: float) -> None:
    found = Treatments(made(), measure).frame().set_index("treatment")
    # Two rounds of one unit, and one round of two; then one more for each place.
    expected = {
        "assigned": [2, 2],
        "removed": [4, 3],
        "corrected": [6, 4],
        "removing": [2, 1],
        "correcting": [4, 2],
    }
    assert set(found.index) == set(expected)
    for treatment, gains in expected.items():
        assert found.loc[treatment, "mean"] == pytest.approx(unit * np.mean(gains))
        error = unit * np.std(gains, ddof=1) / 2**0.5
        assert found.loc[treatment, "sem"] == pytest.approx(error)


def test_classes_are_counted_over_all_splits_last_rounds() -> None:
    found = by_class(made()).droplevel(["dataset", "setting", "strategy"])
    # Split 0 ends with classes 0 and 1, split 1 with class 0.
    assert found["n_labels"].to_dict() == {0: 20, 1: 10}
    assert found["n_differing"].to_dict() == {0: 1, 1: 1}
    assert found["part"].to_dict() == {0: 0.05, 1: 0.1}


def test_all_is_shown_and_drawn(results: pd.DataFrame) -> None:
    shown = show(results)
    assert "; corrected: higher in " in shown.verdict
    assert shown.sections[0].title == "Labels that differ from the truth"
    for part in shown.sections:
        if hasattr(part, "display"):
            titles = [panel.get_title() for panel in part.display.plot().axes]
            assert titles == ["digits C=1", "", ""]
        else:
            assert all(len(row) == len(part.header) for row in part.rows)
            assert part.rows


def test_a_strategy_without_a_rule_is_refused() -> None:
    suite = replace(SUITE, strategies=("Margin",))
    outcome = run_cell(Cell("digits", "Margin", 0, "C=1"), suite, None, 1e9)
    assert outcome.status == "failed"
    assert outcome.error == "Margin does not assign labels by a rule"
