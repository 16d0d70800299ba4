"""Rescaled models against SciPy, and what of a gain they leave, on figures by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from salutary_benchmark.experiments import rounds, unshrinking
from salutary_benchmark.experiments.experiment import Cell, Picture
from salutary_benchmark.experiments.unshrinking import (
    UNSHRINKING,
    Unshrinking,
    judged,
    rescaled,
)
from salutary_benchmark.strategies.task import Setting, Task

SETTING = Setting(n_labeled=60, validation=80, budget=6, batch_size=3, C=0.02)


@pytest.mark.parametrize("data", ["digits", "breast_cancer"])
def test_rescaling_finds_the_factor_with_the_lowest_loss(data: str) -> None:
    task = Task(rounds.prepared(data, None, SETTING, 0), SETTING, 0)
    model = LogisticRegression(C=0.02, max_iter=10_000).fit(*task.split.labeled)
    X, y = task.split.validation

    def probability(factor: float, X: np.ndarray) -> np.ndarray:
        # Logarithms of probabilities are logits up to a constant in each row.
        return softmax(factor * np.log(model.predict_proba(X)), axis=1)

    best = minimize_scalar(
        lambda factor: log_loss(y, probability(factor, X)), bounds=(0.1, 30)
    )
    assert best.x > 1.5, "a strong penalty shrinks"
    found = rescaled(model, (X, y)).predict_proba(X)
    np.testing.assert_allclose(found, probability(best.x, X), atol=1e-4)
    np.testing.assert_array_equal(found.argmax(axis=1), model.predict(X))
    X_test, y_test = task.split.test
    figures = judged(model, task)
    expected = log_loss(y_test, probability(best.x, X_test))
    assert figures.pop("rescaled_log_loss") == pytest.approx(expected, rel=1e-4)
    assert figures == rounds.judged(model, task)


def test_a_cell_is_judged_rescaled_in_every_round() -> None:
    cell = Cell("digits", "Salutary-paper", 0)
    rows = pd.DataFrame(UNSHRINKING.measure(cell, SETTING, None))
    assert set(UNSHRINKING.columns) | {"dataset", "strategy", "setting", "seed"} == set(
        rows
    )
    assert (rows["rescaled_log_loss"] < rows["log_loss"]).all()
    plain = pd.DataFrame(rounds.measure(cell, SETTING, None))
    measures = list(rounds.MEASURES)
    pd.testing.assert_frame_equal(plain[measures], rows[measures])


def test_a_gain_is_parted_from_what_needs_no_label() -> None:
    ends = {
        "TrainOnly": ([1.0, 1.2], [0.6, 0.7]),
        "Salutary-paper": ([0.5, 0.6], [0.45, 0.5]),
        "TrainUnshrunk": ([0.4, 0.3], [9.0, 9.0]),
    }
    results = pd.DataFrame(
        {
            "dataset": "a",
            "strategy": strategy,
            "setting": "C=1",
            "seed": seed,
            "round": number,
            "log_loss": plain[seed] if number else 9.0,
            "rescaled_log_loss": better[seed] if number else 9.0,
            "accuracy": 0.5,
        }
        for strategy, (plain, better) in ends.items()
        for seed in range(2)
        for number in range(2)
    ).astype({"setting": pd.CategoricalDtype(["C=1"], ordered=True)})
    table = Unshrinking(results, "Salutary-paper").frame().set_index("part")
    assert table["mean"].to_dict() == pytest.approx(
        {
            "gain": 0.55,
            "rescaled start": 0.45,
            "unshrunk start": 0.75,
            "left after rescaling": 0.175,
        }
    )
    assert table.loc["gain", "sem"] == pytest.approx(0.05)
    shown = unshrinking.show(results)
    assert "in 1 of 1 pairs of data set and C. In 1 of these" in shown.verdict
    assert "labels are ahead in 1 of 1" in shown.verdict
    (picture, table_of_losses, *_) = shown.sections
    assert isinstance(picture, Picture)
    assert [axes.get_title() for axes in picture.display.plot().axes][:1] == ["a"]
    assert table_of_losses.rows == [
        ["a", "C=1", "0.5500 ± 0.0500", "0.4500 ± 0.0500", "0.7500 ± 0.1500",
         "0.1750 ± 0.0250"],
    ]  # fmt: skip
