"""Agreement with refits, against SciPy and refits by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from salutary_benchmark.cells import run_cell
from salutary_benchmark.experiments import fidelity
from salutary_benchmark.experiments.experiment import Cell
from salutary_benchmark.experiments.fidelity import (
    FidelityCurves,
    agreement,
    show,
    with_factors,
)
from salutary_benchmark.experiments.rounds import task_of
from salutary_benchmark.strategies.task import Setting
from salutary_benchmark.suites import SUITES

SETTINGS = {
    f"labeled={n},C={C:g}": Setting(n_labeled=n, validation=300, C=C)
    for n, C in ((50, 0.02), (50, 1.0), (100, 1.0))
}
SUITE = replace(SUITES["fidelity"], settings=SETTINGS)


@pytest.fixture(autouse=True)
def _few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fidelity, "N_CANDIDATES", 8)


@pytest.fixture
def results() -> pd.DataFrame:
    """Of three settings, two estimates and two seeds."""
    rows = []
    for setting in SETTINGS:
        for seed in (0, 1):
            cell = Cell("breast_cancer", "add_one_in", seed, setting)
            small = replace(
                SUITE,
                settings={setting: replace(SUITE.settings[setting], validation=150)},
            )
            outcome = run_cell(cell, small, None, 1e9)
            assert (outcome.status, outcome.error) == ("done", "")
            rows += outcome.rows
    order = pd.CategoricalDtype(list(SETTINGS), ordered=True)
    return pd.DataFrame(rows).astype({"setting": order})


def test_agreement_is_what_scipy_and_sets_say() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(20, 3))
    found = truth + rng.normal(size=(20, 3))
    told = agreement(found, truth)
    assert told["pearson"] == pytest.approx(
        pearsonr(found.ravel(), truth.ravel()).statistic
    )
    assert told["spearman"] == pytest.approx(
        spearmanr(found.ravel(), truth.ravel()).statistic
    )
    pairs = list(zip(found.ravel(), truth.ravel(), strict=True))
    error = sum(abs(f - t) for f, t in pairs) / 60
    effect = sum(abs(t) for _, t in pairs) / 60
    assert told["absolute_error"] == pytest.approx(error)
    assert told["relative_error"] == pytest.approx(error / effect)
    best = {t for _, t in sorted(pairs, key=lambda pair: -pair[1])[:10]}
    picked = {t for _, t in sorted(pairs, key=lambda pair: -pair[0])[:10]}
    assert 0 < len(best & picked) < 10
    assert told["overlap"] == pytest.approx(len(best & picked) / 10)


@pytest.mark.slow
def test_estimates_are_compared_with_refits(results: pd.DataFrame) -> None:
    of = results.query("setting == 'labeled=100,C=1' and seed == 1")
    setting = replace(SUITE.settings["labeled=100,C=1"], validation=150)
    task = task_of(Cell("breast_cancer", "add_one_in", 1), setting, None)
    (X, y), (X_val, y_val) = task.split.labeled, task.split.validation

    def loss(X: np.ndarray, y: np.ndarray) -> float:
        model = LogisticRegression(C=1, solver="newton-cholesky", tol=1e-12).fit(X, y)
        return float(log_loss(y_val, model.predict_proba(X_val)))

    before = loss(X, y)
    drawn = np.random.RandomState(1).permutation(len(task.split.pool[1]))[:8]
    effects = [
        before - loss(np.vstack([X, row]), np.append(y, label))
        for row in task.split.pool[0][drawn]
        for label in (0, 1)
    ]
    assert len(of) == 2
    assert of["effect"].to_numpy() == pytest.approx(np.abs(effects).mean(), rel=1e-3)


@pytest.mark.slow
def test_newton_is_truer_than_first_order_and_a_strong_penalty_than_a_weak(
    results: pd.DataFrame,
) -> None:
    error = results.groupby(["estimate", "setting"], observed=True)["relative_error"]
    mean = error.mean()
    for setting in SETTINGS:
        assert mean["newton", setting] < 0.05 < 2 * mean["first_order", setting]
    strong, weak, _ = SETTINGS
    assert mean["first_order", strong] < mean["first_order", weak]


@pytest.mark.slow
def test_curves_are_means_by_C_and_labeled_rows(results: pd.DataFrame) -> None:
    table = FidelityCurves(results, "overlap").frame()
    assert len(table) == 3 * 2
    (row,) = table.query(
        "labeled == 100 and C == 1 and estimate == 'first_order'"
    ).itertuples()
    of = results.query("setting == 'labeled=100,C=1' and estimate == 'first_order'")
    assert row.mean == pytest.approx(of["overlap"].mean())
    assert row.sem == pytest.approx(abs(of["overlap"].diff().iloc[-1]) / 2)
    assert set(with_factors(results)["C"]) == {0.02, 1.0}


@pytest.mark.slow
def test_all_is_shown_and_drawn(results: pd.DataFrame) -> None:
    shown = show(results)
    assert "newton 1.000 at C = 0.02" in shown.verdict
    tables = [part for part in shown.sections if hasattr(part, "rows")]
    assert [table.title for table in tables] == ["first_order", "newton"]
    assert [len(table.rows) for table in tables] == [3, 3]
    assert all(len(row) == len(table.header) for table in tables for row in table.rows)
    for part in shown.sections:
        if hasattr(part, "display"):
            panel, _ = part.display.plot().axes
            assert panel.get_title() == "breast_cancer"
            assert len(panel.containers) == 2 * 2
