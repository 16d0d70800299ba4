"""Soft labels: certain ones against hard labels, and a teacher's against its own."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from salutary import LoraClassifier, TorchClassifier
from salutary.deep.soft_labels import as_labeled, check_soft, targets_of

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch", reason="needs salutary[torch]")

TEXTS = ["a b", "c d", "a e", "d f", "b g", "c h", "a a", "d d", "e a", "f c"]
KINDS = np.array([0, 1] * 5)


def iris() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_iris(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def module() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
    )


def network(**parameters: Any) -> TorchClassifier:
    return TorchClassifier(
        module(), "1", device="cpu", random_state=0, epochs=5, **parameters
    )


def test_a_module_learns_the_same_of_certain_soft_labels() -> None:
    X, y = iris()
    shown = np.random.default_rng(0).permutation(150)
    X, y = X[shown], y[shown]
    hard = network().fit(X, y, X[:30], y[:30])
    soft = network().fit(
        X[:60], y[:60], X[:30], y[:30], X_soft=X[60:], y_soft=np.eye(3)[y[60:]]
    )
    assert hard.n_epochs_ == soft.n_epochs_
    np.testing.assert_allclose(
        soft.predict_proba(X), hard.predict_proba(X), rtol=1e-4, atol=1e-5
    )


@pytest.mark.skipif(find_spec("peft") is None, reason="needs salutary[text]")
def test_a_language_model_learns_the_same_of_certain_soft_labels(decoder: str) -> None:
    def classifier() -> LoraClassifier:
        return LoraClassifier(
            decoder, device="cpu", random_state=0, epochs=3, learning_rate=0.05
        )

    hard = classifier().fit(TEXTS, KINDS)
    soft = classifier().fit(
        TEXTS[:6], KINDS[:6], X_soft=TEXTS[6:], y_soft=np.eye(2)[KINDS[6:]]
    )
    np.testing.assert_allclose(
        soft.predict_proba(TEXTS), hard.predict_proba(TEXTS), rtol=1e-3, atol=1e-4
    )


def test_a_student_of_a_linear_teacher_becomes_the_teacher() -> None:
    X, y = iris()
    teacher = LogisticRegression(C=0.1).fit(X, y)
    chance = teacher.predict_proba(X)
    torch.manual_seed(0)
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
    student = TorchClassifier(
        *(linear, "0"),
        **{"learning_rate": 0.2, "epochs": 1500, "batch_size": 200, "device": "cpu"},
        weight_decay=0.0,
        random_state=0,
    ).fit(X[::25], y[::25], X_soft=X, y_soft=chance, soft_weight=1e4)
    np.testing.assert_allclose(student.predict_proba(X), chance, atol=1e-3)


def test_weights_are_those_of_the_rows_and_one_on_average() -> None:
    soft = check_soft([[0], [1]], [[0.5, 0.5], [0.999, 0.001]], 3.0, 2)
    targets, weight = targets_of(np.array([1, 0]), soft)
    assert weight is not None
    np.testing.assert_allclose(weight, [0.5, 0.5, 1.5, 1.5])
    np.testing.assert_allclose(targets[:3], [[0, 1], [1, 0], [0.5, 0.5]])
    # The start has a row for every class that is not all but impossible.
    rows, labels, counts = as_labeled(np.array([1, 0]), soft)
    assert rows.tolist() == [0, 1, 2, 2, 3]
    assert labels.tolist() == [1, 0, 0, 1, 0]
    np.testing.assert_allclose(counts, [1, 1, 1.5, 1.5, 2.997])
    assert check_soft(None, None, 1.0, 2) is None
    assert check_soft([], np.zeros((0, 2)), 1.0, 2) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_soft": None}, "X_soft and y_soft go together"),
        ({"y_soft": np.ones((4, 2)) / 2}, r"shape \(4, 2\) for 4 rows of X_soft and 3"),
        ({"y_soft": np.ones((3, 3)) / 3}, r"pass shape \(4, 3\)"),
        ({"y_soft": np.full((4, 3), np.nan)}, "row 0 of y_soft is no list of prob"),
        ({"y_soft": [[1, 0, 0]] * 3 + [[2, -1, 0]]}, "row 3 of y_soft"),
        ({"soft_weight": 0}, "soft_weight must be a number above 0, got 0"),
        ({"soft_weight": float("nan")}, "soft_weight must be a number above 0"),
        ({"X_soft": np.zeros((4, 5))}, r"X_soft have the shape \(5,\), those of X"),
        ({"X_soft": np.full((4, 4), np.inf)}, "X_soft has NaN, or a value"),
    ],
)
def test_what_are_no_soft_labels_is_refused(
    change: dict[str, Any], message: str
) -> None:
    X, y = iris()
    given = {"X_soft": X[:4], "y_soft": np.ones((4, 3)) / 3, **change}
    with pytest.raises(ValueError, match=message):
        network().fit(X, y, **given)


def test_frozen_embeddings_are_those_before_any_training() -> None:
    X, y = iris()
    model = network()
    expected = torch.nn.Sequential(*list(module())[:2])(torch.tensor(X).float())
    for found in (model.embed_frozen(X), model.fit(X, y).embed_frozen(X)):
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-5)
    assert np.abs(model.embed(X) - found).max() > 1e-3
