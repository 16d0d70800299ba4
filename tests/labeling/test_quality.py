"""Figures of a model on rows, against scikit-learn's metrics."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import softmax
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from salutary.influence.objectives import Truth, balanced_log_loss
from salutary.influence.objectives import log_loss as mean_log_loss
from salutary.labeling.quality import quality_of


def draw(n: int, n_classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_classes)), rng.integers(0, n_classes, n)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_figures_are_those_of_scikit_learn(weighted: bool, n_classes: int) -> None:
    logits, labels = draw(80, n_classes)
    weight = np.linspace(0, 2, 80) if weighted else np.ones(80)
    found = quality_of(mean_log_loss, Truth(labels, weight), logits)
    guess, chance = logits.argmax(axis=1), softmax(logits, axis=1)
    given: dict[str, Any] = {"sample_weight": weight}
    assert found.accuracy == pytest.approx(accuracy_score(labels, guess, **given))
    assert found.balanced_accuracy == pytest.approx(
        balanced_accuracy_score(labels, guess, **given)
    )
    every = np.arange(n_classes)
    loss = log_loss(labels, chance, labels=every, **given)
    assert found.loss == pytest.approx(loss, rel=1e-12)
    by_class = [
        log_loss(
            labels[labels == k],
            chance[labels == k],
            labels=every,
            sample_weight=weight[labels == k],
        )
        for k in every
    ]
    assert_allclose(found.class_losses, by_class, rtol=1e-12)


def test_the_loss_is_the_objectives_and_that_of_a_class_the_log_loss() -> None:
    logits, labels = draw(50, 3)
    truth = Truth(labels, np.ones(50))
    found = quality_of(balanced_log_loss, truth, logits)
    assert found.loss == pytest.approx(found.class_losses.mean(), rel=1e-12)


def test_a_class_without_rows_or_weight_has_no_loss_and_does_not_count() -> None:
    logits, labels = draw(60, 4)
    labels[labels == 1] = 0
    weight = np.where(labels == 2, 0.0, 1.0)
    found = quality_of(mean_log_loss, Truth(labels, weight), logits)
    assert np.isnan(found.class_losses).tolist() == [False, True, True, False]
    own = weight > 0
    expected = [
        (logits[own].argmax(axis=1) == k)[labels[own] == k].mean() for k in (0, 3)
    ]
    assert found.balanced_accuracy == pytest.approx(np.mean(expected))


def test_without_rows_nothing_is_known() -> None:
    none = Truth(np.zeros(0, dtype=np.intp), np.zeros(0))
    found = quality_of(mean_log_loss, none, np.zeros((0, 3)))
    figures = found.loss, found.accuracy, found.balanced_accuracy, *found.class_losses
    assert np.isnan(figures).all()
    assert len(found.class_losses) == 3
