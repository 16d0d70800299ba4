"""The final model that trains on validation rows too, against scikit-learn's."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss

from salutary.deep.final_model import N_PARTS, final_model
from salutary.deep.fine_tuning import FineTuning
from salutary.deep.lesson import Lesson
from salutary.errors import InputError
from salutary.labeling.fitting import Snapshot
from salutary.labeling.rules import find_rule
from salutary.labeling.splits import stratified_parts

torch = pytest.importorskip("torch", reason="needs salutary[torch]")

from salutary import TorchClassifier  # noqa: E402

pytestmark = pytest.mark.slow

X, Y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)


def network(epochs: int = 40) -> TorchClassifier:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
    )
    return TorchClassifier(
        module, "1", epochs=epochs, learning_rate=0.02, device="cpu", random_state=0
    )


def task(fine_tune: Callable[[Lesson], Any], **parts: Any) -> FineTuning:
    """Sixty labeled rows, sixty validation rows, a third of them canary rows."""
    given: dict[str, Any] = {
        "fine_tune": fine_tune,
        "X": X[:200],
        "codes": Y[:200].astype(np.intp),
        "labeled": np.arange(60),
        "pool": np.arange(120, 200),
        "own_rows": np.arange(60, 100),
        "canary_rows": np.arange(100, 120),
        "classes": np.arange(10),
        "rule": find_rule("tempered"),
        "batch_size": 10,
        "seed": 0,
    }
    return FineTuning(**{**given, **parts})


def fitting(trainer: Any) -> Callable[[Lesson], Any]:
    """Fits a copy of a trainer on each lesson."""

    def fine_tune(lesson: Lesson) -> Any:
        model = clone(trainer)
        if lesson.epochs is not None:
            model.set_params(epochs=lesson.epochs)
        return model.fit(lesson.X, lesson.y, lesson.X_val, lesson.y_val)

    return fine_tune


def no_labels(model: Any) -> Snapshot:
    nothing = np.zeros(0, dtype=np.intp)
    return Snapshot(model, nothing, nothing)


def test_it_is_the_calibrated_classifier_of_scikit_learn() -> None:
    given = task(fitting(network()))
    found = final_model(given, no_labels(network()))
    parts = stratified_parts(Y[:120], N_PARTS, np.random.RandomState(0))
    expected = CalibratedClassifierCV(
        network(), method="temperature", cv=parts, ensemble=False
    ).fit(X[:120], Y[:120])
    (way,) = found.ways
    beta = expected.calibrated_classifiers_[0].calibrators[0].beta_
    assert way.temperature == pytest.approx(1 / beta, rel=1e-3)
    assert way.temperature > 1.1
    held = X[200:500]
    np.testing.assert_allclose(
        found.model.predict_proba(held), expected.predict_proba(held), atol=1e-3
    )
    plain = network().fit(X[:120], Y[:120])
    assert log_loss(Y[200:500], found.model.predict_proba(held)) < log_loss(
        Y[200:500], plain.predict_proba(held)
    )
    np.testing.assert_array_equal(found.model.predict(held), plain.predict(held))


class Told:
    """Gives the right class a probability that hangs on the number of epochs."""

    SURE: dict[int, float] = {}  # noqa: RUF012
    FITS: list[Lesson] = []  # noqa: RUF012

    def __init__(self, lesson: Lesson) -> None:
        self.epochs, self.temperature = lesson.epochs, 1.0
        self.FITS.append(lesson)

    def predict_proba(self, rows: Any) -> np.ndarray:
        truth = [Y[np.flatnonzero((row == X).all(axis=1))[0]] for row in rows]
        chance = np.full((len(rows), 10), (1 - self.SURE[self.epochs]) / 9)
        chance[np.arange(len(rows)), truth] = self.SURE[self.epochs]
        return chance

    def set_temperature(self, temperature: float) -> None:
        self.temperature = temperature


@pytest.mark.parametrize(
    ("sure", "tried", "best"),
    [
        ({8: 0.5, 4: 0.6, 2: 0.7, 1: 0.8}, [8, 4, 2, 1], 1),
        ({8: 0.5, 4: 0.6, 2: 0.55, 1: 0.9}, [8, 4, 2], 4),
        ({8: 0.5, 4: 0.5}, [8, 4], 8),
    ],
)
def test_epochs_are_halved_while_the_loss_falls(
    sure: dict[int, float], tried: list[int], best: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(Told, "SURE", sure)
    monkeypatch.setattr(Told, "FITS", [])
    labels = Snapshot(None, np.arange(120, 125), Y[120:125].astype(np.intp))
    labels = replace(labels, model=Told(Lesson("0", None, Y[:1], epochs=8)))
    Told.FITS.clear()
    found = final_model(task(Told, epochs=8), labels)
    assert found.ways[0].epochs == best
    assert sorted(way.epochs or 0 for way in found.ways) == sorted(tried)
    for way in found.ways:
        assert way.log_loss == pytest.approx(-np.log(sure[way.epochs or 0]))
    *parts, final = Told.FITS
    assert [lesson.epochs for lesson in parts] == np.repeat(tried, N_PARTS).tolist()
    assert len({lesson.name for lesson in Told.FITS}) == len(Told.FITS)
    # Each row is left out once for each number of epochs; the run's labels never are.
    assert sum(len(lesson.y) for lesson in parts[:N_PARTS]) == 2 * 120 + 3 * 5
    np.testing.assert_array_equal(final.X, X[:125])
    assert (found.model.epochs, found.n_labels) == (best, 5)


def test_a_class_with_one_row_is_known_to_every_model() -> None:
    codes = np.where(Y[:200] == 9, 0, Y[:200]).astype(np.intp)
    codes[3] = 9
    lessons: list[Lesson] = []

    def fine_tune(lesson: Lesson) -> Any:
        lessons.append(lesson)
        return fitting(network(5))(lesson)

    found = final_model(task(fine_tune, codes=codes), no_labels(network()))
    assert found.ways[0].log_loss is not None
    for lesson in lessons:
        assert set(lesson.y) == set(range(10))


def test_a_trainer_that_cannot_be_calibrated_is_fitted_once() -> None:
    class Plain:
        def __init__(self, lesson: Lesson) -> None:
            lessons.append(lesson)

    lessons: list[Lesson] = []
    found = final_model(task(Plain, epochs=7), no_labels(object()))
    assert [(lesson.epochs, len(lesson.y)) for lesson in lessons] == [(7, 120)]
    assert found.figures() == {
        "epochs": 7,
        "distilled": False,
        "temperature": 1.0,
        "log_loss": None,
        "labels": 0,
        "others": [],
    }


def test_a_temperature_divides_the_logits() -> None:
    model = network().fit(X[:120], Y[:120])
    before = model.decision_function(X[:9])
    assert model.set_temperature(2.0) is model
    np.testing.assert_allclose(model.decision_function(X[:9]), before / 2)
    np.testing.assert_allclose(
        model.set_temperature(1.5).decision_function(X[:9]), before / 3
    )
    for wrong in (0, -1.0, np.nan, np.inf, "2"):
        with pytest.raises(InputError, match="temperature must be a number above 0"):
            model.set_temperature(wrong)
    # A fit begins anew.
    np.testing.assert_array_equal(
        model.fit(X[:120], Y[:120]).decision_function(X[:9]), before
    )
