"""Training a module, against scikit-learn's optimum and the module run by hand."""

from contextlib import suppress
from copy import deepcopy
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy import sparse
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from salutary import TorchClassifier
from salutary.errors import InputError
from salutary.progress import reporting

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch", reason="needs salutary[torch]")


def linear(n_features: int, n_classes: int) -> Any:
    module = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(n_features, n_classes)
    )
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    return module


def network(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(64, 16),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.2),
        torch.nn.Linear(16, 10),
    )


def classifier(module: Any, layer: str = "0", **parameters: Any) -> TorchClassifier:
    return TorchClassifier(
        module, layer, device="cpu", **{"random_state": 0, **parameters}
    )


def digits() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def test_a_linear_module_ends_at_the_optimum_of_scikit_learn() -> None:
    X, y = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = (y == 1).astype(int)  # overlapping
    found = classifier(
        linear(4, 2),
        learning_rate=0.05,
        epochs=2000,
        batch_size=150,
        weight_decay=0.0,
    ).fit(X, y)
    expected = LogisticRegression(C=1e6, tol=1e-8, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(
        found.predict_proba(X), expected.predict_proba(X), atol=2e-3
    )
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))


def test_the_epoch_that_does_best_on_validation_rows_is_kept() -> None:
    X, y = digits()
    seen: list[tuple[int, int]] = []
    model = classifier(network(), epochs=60, patience=5, learning_rate=1e-2)
    with reporting(lambda done, total: seen.append((done, total))):
        model.fit(X[:100], y[:100], X[100:160], y[100:160])
    n_steps = -(-100 // 16)
    run = seen[-1][0] // n_steps
    assert seen[-1][1] == 60 * n_steps
    assert run == min(60, model.n_epochs_ + 5)
    losses = []
    for epochs in (run, model.n_epochs_):
        # The rate falls with the epochs there might be, so these are cut off.
        again = classifier(
            Caught(network()), "module.0", epochs=60, patience=60, learning_rate=1e-2
        )
        stop = (epochs * n_steps, 60 * n_steps)
        with suppress(_Stop), reporting(partial(_stop, stop=stop)):
            again.fit(X[:100], y[:100], X[100:160], y[100:160])
        losses.append(log_loss(y[100:160], _chances(Caught.copies[-1], X[100:160])))
    kept = log_loss(y[100:160], model.predict_proba(X[100:160]))
    assert kept == pytest.approx(losses[1], rel=1e-5)
    assert kept <= losses[0]


class _Stop(Exception):
    """Raised after the steps asked for."""


def _stop(done: int, total: int, stop: tuple[int, int]) -> None:
    if (done, total) == stop:
        raise _Stop


class Caught(torch.nn.Module):
    """A module that remembers its copies, of which one is trained."""

    copies: ClassVar[list[Any]] = []

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, rows: Any) -> Any:
        return self.module(rows)

    def __deepcopy__(self, memo: Any) -> Any:
        self.copies.append(Caught(deepcopy(self.module, memo)))
        return self.copies[-1]


def _chances(module: Any, X: np.ndarray) -> np.ndarray:
    """Probabilities of a module whose training was cut off."""
    with torch.inference_mode():
        logits = module.eval()(torch.tensor(X).float())
    return softmax(logits.double().numpy(), axis=1)


def test_one_seed_fixes_the_model_and_leaves_the_callers_numbers() -> None:
    X, y = digits()
    module = network()
    before = [parameter.clone() for parameter in module.parameters()]
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = classifier(module, epochs=3).fit(X[:60], y[:60])
    assert torch.equal(torch.rand(3), expected)
    second = clone(first).fit(X[:60], y[:60])
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    other = clone(first).set_params(random_state=1).fit(X[:60], y[:60])
    assert np.abs(first.predict_proba(X) - other.predict_proba(X)).max() > 1e-3
    for parameter, value in zip(module.parameters(), before, strict=True):
        assert torch.equal(parameter, value)


def test_embeddings_and_logits_are_the_modules() -> None:
    X, y = digits()
    model = classifier(network(), "1", epochs=2).fit(X[:60], y[:60])
    with torch.inference_mode():
        rows = torch.tensor(X).float()
        hidden = model.module_.eval()[:2](rows)
        logits = model.module_(rows)
    np.testing.assert_allclose(model.embed(X), hidden.numpy(), atol=1e-6)
    np.testing.assert_allclose(model.decision_function(X), logits.numpy(), atol=1e-5)
    assert model.decision_function(X[:0]).shape == (0, 10)


def test_the_callers_rows_stay_as_they_are() -> None:
    X, y = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)).astype(np.float32)
    X.setflags(write=False)  # torch would warn of it, if it got this very array
    module = torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Linear(4, 3))
    before = X.copy()
    model = classifier(module, epochs=1).fit(X, y, X, y)
    for method in (model.predict, model.embed):
        method(X)
        np.testing.assert_array_equal(X, before)
    X = before.copy()
    model.fit(X, y, X, y).predict(X)
    np.testing.assert_array_equal(X, before)


def test_labels_of_any_kind() -> None:
    X, y = load_iris(return_X_y=True)
    names = np.array(["c", "a", "b"])[y]
    model = classifier(linear(4, 3), "1", learning_rate=0.1).fit(X, names)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert model.score(X, names) > 0.9


@pytest.mark.parametrize(
    ("parameters", "y", "held", "message"),
    [
        ({"layer": "9"}, [0, 1, 2], None, "has no layer '9'; it has 0, 1"),
        ({}, [1, 1, 1], None, "y contains only one class"),
        ({}, [0, 1, 1], None, "returns shape .1, 3. for a row, but there are 2"),
        ({}, [0, 1, 2], [3], r"y_val has the class 3 \(row 0\)"),
        ({"learning_rate": 2.0}, [0, 1, 2], None, "above 0 and at most 1, got 2.0"),
        ({"epochs": 1.5}, [0, 1, 2], None, "epochs must be an integer of at least 1"),
        ({}, [0, 1, 2], [], "X_val has no rows"),
        ({"module": None}, [0, 1, 2], None, "module is None, not a torch.nn.Module"),
        ({"module": torch.nn.ReLU}, [0, 1, 2], None, "module is <class .*, not a"),
        ({}, [0, 1, 2], [1, 1], "inconsistent numbers"),
        ({}, [0.0, 1.0, np.nan], None, "y has no label in row 2"),
        ({"device": "nowhere"}, [0, 1, 2], None, "device 'nowhere' cannot be used"),
        (
            {"epochs": 0},
            [0, 1, 2],
            None,
            "epochs must be an integer of at least 1, got 0",
        ),
        ({"learning_rate": -1.0}, [0, 1, 2], None, "learning_rate must be above 0"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    parameters: dict[str, Any], y: list[int], held: list[int] | None, message: str
) -> None:
    X = np.arange(12.0).reshape(3, 4)
    model = clone(classifier(linear(4, 3), "1")).set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, None if held is None else X[: len(held[:1])], held)


def test_a_single_row_left_over_joins_the_batch_before() -> None:
    X, y = digits()
    module = torch.nn.Sequential(
        torch.nn.Linear(64, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 10)
    )
    seen: list[tuple[int, int]] = []
    model = classifier(module, epochs=2)
    with reporting(lambda done, total: seen.append((done, total))):
        model.fit(X[:33], y[:33])
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_value_that_is_not_finite_is_named_by_its_row() -> None:
    X, y = digits()
    X[7, 3] = np.nan
    with pytest.raises(ValueError, match=r"X has NaN, or a value .* in row 7"):
        classifier(network()).fit(X[:30], y[:30])


def test_rows_of_another_shape_are_refused_in_one_line() -> None:
    X, y = digits()
    model = classifier(network(), epochs=1).fit(X[:30], y[:30])
    message = r"^the module cannot take rows of shape \(63,\): [^\n]+$"
    for method in (model.predict, model.predict_proba, model.embed):
        with pytest.raises(ValueError, match=message):
            method(X[:5, 1:])
    with pytest.raises(ValueError, match=message):
        classifier(network()).fit(X[:30], y[:30], X[:5, 1:], y[:5])


def test_a_frozen_module_cannot_be_trained_and_none_predicts_untrained() -> None:
    X, y = digits()
    module = network().requires_grad_(False)
    with pytest.raises(ValueError, match="no parameters to train"):
        classifier(module).fit(X[:30], y[:30])
    for method in ("predict", "predict_proba", "embed"):
        with pytest.raises(NotFittedError):
            getattr(classifier(network()), method)(X)


def test_a_fit_that_fails_leaves_the_one_before_whole() -> None:
    X, y = digits()
    model = classifier(network(), epochs=3).fit(X[:60], y[:60])
    before, classes = model.predict_proba(X[:20]), model.classes_

    def stopped(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), reporting(stopped):
        model.fit(X[:60], y[:60] + 1)
    with pytest.raises(ValueError, match="but there are 2 classes"):
        model.fit(X[:60], y[:60] % 2)
    np.testing.assert_array_equal(model.predict_proba(X[:20]), before)
    np.testing.assert_array_equal(model.classes_, classes)


def test_batch_normalization_on_single_rows_is_refused_in_one_line() -> None:
    X, y = digits()
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(64), torch.nn.Linear(64, 10))
    message = r"^the module cannot be trained on batches of 1 rows: [^\n]*batch_size$"
    with pytest.raises(InputError, match=message):
        classifier(module, batch_size=1).fit(X[:60], y[:60])


@pytest.mark.parametrize("missing", [None, np.nan, float("nan")])
def test_a_missing_label_in_a_list_of_texts_is_refused(missing: Any) -> None:
    X = np.arange(12.0).reshape(3, 4)
    model = classifier(linear(4, 2), "1")
    with pytest.raises(ValueError, match=r"^y has no label in row 1"):
        model.fit(X, ["a", missing, "b"])
    with pytest.raises(ValueError, match=r"^y_val has no label in row 2"):
        model.fit(X, ["a", "a", "b"], X, ["a", "b", missing])


def test_rows_no_module_takes_are_refused_in_one_line() -> None:
    model = classifier(linear(4, 3), "1")
    with pytest.raises(InputError, match=r"sparse matrix, .*; pass X.toarray\(\)$"):
        model.fit(sparse.eye_array(3, 4), [0, 1, 2])
    with pytest.raises(InputError, match="X is a dict with the keys 'x'"):
        model.fit({"x": [1.0, 2.0, 3.0]}, [0, 1, 2])
