"""Temperatures, against a grid and against closed forms."""

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from salutary.influence.objectives import row_log_loss
from salutary.semisupervised.calibration import (
    HOTTEST,
    HeldOut,
    best_temperature,
    calibrate,
    tempered,
)


def draw(scale: float, n_rows: int = 200) -> tuple[np.ndarray, HeldOut]:
    """Logits ``scale`` times those that the labels are drawn with."""
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(n_rows, 3)) * 2
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    weight = rng.uniform(0.5, 2, n_rows)
    numbers = np.arange(n_rows)
    return scale * logits, HeldOut(numbers, labels, weight, numbers % 5)


@pytest.mark.parametrize("scale", [1.5, 3.0, 6.0])
def test_the_temperature_is_the_best_of_a_fine_grid(scale: float) -> None:
    logits, held = draw(scale)
    found = best_temperature(logits, held.labels, held.weight)
    grid = np.linspace(1, HOTTEST, 5000)
    losses = [held.weight @ row_log_loss(logits / T, held.labels) for T in grid]
    assert found == pytest.approx(grid[int(np.argmin(losses))], abs=5e-3)
    assert found == pytest.approx(scale, rel=0.25)


def test_no_model_is_made_more_certain() -> None:
    logits, held = draw(0.3)
    assert best_temperature(logits, held.labels, held.weight) == 1.0
    right = 10 * np.eye(3)[held.labels]
    assert best_temperature(right, held.labels, held.weight) == 1.0


def test_losses_are_those_under_the_temperatures_of_the_other_folds() -> None:
    logits, held = draw(4.0)
    temperature, losses = calibrate(logits, held)
    assert temperature == best_temperature(logits, held.labels, held.weight)
    for number in range(5):
        own = held.fold == number
        others = best_temperature(logits[~own], held.labels[~own], held.weight[~own])
        expected = row_log_loss(logits[own] / others, held.labels[own])
        assert_allclose(losses[own], expected)


def test_a_row_has_no_part_in_its_temperature_through_another_split() -> None:
    logits, once = draw(4.0, 60)
    again = np.random.default_rng(5).permutation(60)
    held = HeldOut(
        np.concatenate([once.row, again]),
        np.concatenate([once.labels, once.labels[again]]),
        np.concatenate([once.weight, once.weight[again]]),
        np.concatenate([once.fold, 5 + once.fold]),
    )
    noisy = logits[again] + np.random.default_rng(6).normal(size=(60, 3))
    both = np.concatenate([logits, noisy])
    _, losses = calibrate(both, held)
    for number in range(10):
        own = held.fold == number
        apart = np.array([row not in set(held.row[own]) for row in held.row])
        best = best_temperature(both[apart], held.labels[apart], held.weight[apart])
        assert_allclose(losses[own], row_log_loss(both[own] / best, held.labels[own]))
    assert apart.sum() == 2 * (60 - 12)
    means = [losses[held.row == row].mean() for row in range(60)]
    assert_allclose(held.by_row(losses), means)


@given(
    seed=st.integers(0, 2**31),
    n_rows=st.integers(2, 30),
    scale=st.floats(1e-3, 1e3),
)
def test_a_temperature_never_pays_on_the_rows_it_was_judged_by(
    seed: int, n_rows: int, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = scale * rng.normal(size=(n_rows, 3)), rng.integers(0, 3, n_rows)
    numbers, weight = np.arange(n_rows), rng.uniform(0.1, 3, n_rows)
    held = HeldOut(numbers, labels, weight, numbers % 2)
    temperature, losses = calibrate(logits, held)
    assert 1 <= temperature <= HOTTEST
    before = held.weight @ row_log_loss(logits, labels)
    assert held.weight @ losses <= before
    assert held.weight @ row_log_loss(logits / temperature, labels) <= before


def test_a_temperature_that_folds_do_not_agree_on_is_left_out() -> None:
    # Each fold alone would have its own mistake forgiven, but others pay for it.
    logits = np.array([[0.0, 3.0]] * 6)
    labels, fold = np.array([1, 1, 1, 1, 1, 0]), np.array([0] * 5 + [1])
    held = HeldOut(np.arange(6), labels, np.ones(6), fold)
    assert best_temperature(logits, held.labels, held.weight) > 1
    temperature, losses = calibrate(logits, held)
    assert temperature == 1.0
    assert_allclose(losses, row_log_loss(logits, held.labels))


def test_classes_a_model_does_not_know_keep_no_chance() -> None:
    logits, held = draw(4.0)
    unknown = np.column_stack([logits, np.full(len(logits), -np.inf)])
    found = calibrate(unknown, held)
    expected = calibrate(logits, held)
    assert found[0] == expected[0]
    assert_allclose(found[1], expected[1])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_tempered_model_has_its_logits_divided(n_classes: int) -> None:
    X, y = make_blobs(60, 3, centers=n_classes, cluster_std=4, random_state=0)
    model = LogisticRegression().fit(X, y)
    before = deepcopy(vars(model))
    cooler = tempered(model, 2.0)
    assert_allclose(cooler.decision_function(X), model.decision_function(X) / 2)
    assert_array_equal(cooler.predict(X), model.predict(X))
    assert_array_equal(model.coef_, before["coef_"])
    assert log_loss(y, cooler.predict_proba(X)) > log_loss(y, model.predict_proba(X))
