"""Distillation, against regressions fitted here and rows that nothing has seen."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from salutary import SalutaryFineTuner, SemiSupervisedClassifier, TorchClassifier
from salutary.deep import frozen
from salutary.deep.canary import part_validation
from salutary.labeling.tuning import PENALTIES
from salutary.names import FROZEN, FROZEN_POOL

pytestmark = pytest.mark.slow

FITS: list[dict[str, Any]] = []
BLOBS, KIND = make_blobs(600, 20, centers=3, cluster_std=7, random_state=3)


@pytest.fixture(autouse=True)
def fresh() -> None:
    FITS.clear()


class OneSeed(np.random.RandomState):
    """Draws one number as every seed."""

    def randint(self, *_: Any, **__: Any) -> int:
        return 0


class Student:
    """Embeds rows as they are; predicts the truth, the surer with a teacher."""

    def __init__(self, taught: float = 0.8, untaught: float = 0.6) -> None:
        self.taught, self.untaught = taught, untaught

    def fit(
        self,
        X: Any,
        y: Any,
        X_val: Any = None,
        y_val: Any = None,
        X_soft: Any = None,
        y_soft: Any = None,
        soft_weight: float = 1.0,
    ) -> Any:
        given = {"X": X, "y": y, "X_val": X_val, "y_val": y_val}
        FITS.append({**given, "X_soft": X_soft, "y_soft": y_soft, "w": soft_weight})
        self.sure = self.untaught if X_soft is None else self.taught
        return self

    def embed(self, X: Any) -> np.ndarray:
        return np.asarray(X, dtype=np.float32)

    def embed_frozen(self, X: Any) -> np.ndarray:
        return self.embed(X)

    def predict_proba(self, X: Any) -> np.ndarray:
        nearest = [np.flatnonzero((row == BLOBS).all(axis=1))[0] for row in X]
        chance = np.full((len(X), 3), (1 - self.sure) / 2)
        chance[np.arange(len(X)), KIND[nearest]] = self.sure
        return chance


def rows(pool: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """30 labeled rows and a pool, and 60 validation rows."""
    X = BLOBS[:540].copy()
    if pool is not None:
        X[30:] = pool
    return X, np.where(np.arange(540) < 30, KIND[:540], -1), BLOBS[540:], KIND[540:]


def tuner(trainer: Any, **parameters: Any) -> SalutaryFineTuner:
    defaults = {"budget": 10, "batch_size": 10, "random_state": OneSeed(0)}
    return SalutaryFineTuner(trainer, **{"distill": True, **defaults, **parameters})


def parts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All rows, standardized, and numbers of own and canary validation rows."""
    own, canary = part_validation(540 + np.arange(60), KIND[540:], True, OneSeed(0))
    scaled = StandardScaler().fit_transform(BLOBS.astype(np.float32))
    return scaled.astype(np.float64), own, canary


def teacher_of(validation: np.ndarray) -> SemiSupervisedClassifier:
    """The regression of labeled rows, validation rows and the pool."""
    X, *_ = parts()
    order = np.concatenate([np.arange(30), validation, np.arange(30, 540)])
    marked = np.where(np.isin(np.arange(600), order[30 + len(validation) :]), -1, KIND)
    return SemiSupervisedClassifier(random_state=OneSeed(0)).fit(
        X[order], marked[order]
    )


def test_the_teacher_is_the_semi_supervised_classifier() -> None:
    found = tuner(Student()).fit(*rows())
    X, own, canary = parts()
    teacher, figures = teacher_of(own), found.distillation_
    assert figures is not None
    (fit,) = [fit for fit in FITS if fit["X_soft"] is not None]
    np.testing.assert_array_equal(fit["X"], BLOBS[:30])
    np.testing.assert_array_equal(fit["X_val"], BLOBS[canary])
    np.testing.assert_array_equal(fit["X_soft"], BLOBS[30:540])
    np.testing.assert_allclose(
        fit["y_soft"], teacher.predict_proba(X[30:540]), atol=2e-3
    )
    # The whole pool weighs as much as the labeled rows.
    assert fit["w"] * 510 == pytest.approx(30)
    assert (figures["teacher"], figures["pool_rows"]) == (FROZEN_POOL, 510)
    loss = log_loss(KIND[canary], teacher.predict_proba(X[canary]))
    assert figures["teacher_log_loss"] == pytest.approx(loss, rel=1e-3)
    share = np.bincount(KIND[np.concatenate([np.arange(30), own])]) / (30 + len(own))
    guessed = log_loss(KIND[canary], np.tile(share, (len(canary), 1)))
    assert figures["guessing_log_loss"] == pytest.approx(guessed)


def test_the_distilled_model_is_kept_if_it_does_better() -> None:
    better = tuner(Student(0.8, 0.6)).fit(*rows())
    worse = tuner(Student(0.6, 0.8)).fit(*rows())
    assert (better.trainer_.sure, worse.trainer_.sure) == (0.8, 0.8)
    for found, used in ((better, True), (worse, False)):
        figures = found.distillation_
        assert figures is not None
        assert (figures["used"], figures["reason"]) == (used, None)
        assert figures["log_loss"] == pytest.approx(-np.log(0.8 if used else 0.6))
        sign = 1 if used else -1
        assert figures["decrease"] == pytest.approx(sign * np.log(0.8 / 0.6))
        assert figures["accuracy"] == 1
        # The labels of the run are what they are without.
        np.testing.assert_array_equal(found.transduction_, better.transduction_)


def test_trained_on_validation_rows_it_has_a_teacher_of_all_rows() -> None:
    tuner(Student(), refit_on_validation=True).fit(*rows())
    X, own, canary = parts()
    last = FITS[-1]
    fitted = np.concatenate([np.arange(30), own, canary])
    np.testing.assert_array_equal(last["X"], BLOBS[fitted])
    np.testing.assert_array_equal(last["y"], KIND[fitted])
    assert last["X_val"] is None
    assert last["w"] * 510 == pytest.approx(90)
    expected = teacher_of(np.concatenate([own, canary])).predict_proba(X[30:540])
    np.testing.assert_allclose(last["y_soft"], expected, atol=2e-3)


def test_a_worse_model_is_not_trained_on_validation_rows() -> None:
    found = tuner(Student(0.6, 0.8), refit_on_validation=True).fit(*rows())
    assert FITS[-1]["X_soft"] is None
    assert len(FITS[-1]["y"]) >= 90
    assert found.trainer_.sure == 0.8


def test_of_a_large_pool_rows_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen, "LARGEST_TAUGHT_POOL", 100)
    found = tuner(Student()).fit(*rows())
    assert found.distillation_ is not None
    assert found.distillation_["pool_rows"] == 100
    whole = FITS[-1]["X_soft"]
    assert len(whole) == len(np.unique(whole, axis=0)) == 100
    places = [np.flatnonzero((BLOBS[30:540] == row).all(axis=1))[0] for row in whole]
    assert (np.diff(places) > 0).all()
    tuner(Student()).fit(*rows())
    np.testing.assert_array_equal(FITS[-1]["X_soft"], whole)


def test_rows_of_another_kind_in_the_pool_leave_it_alone() -> None:
    rng = np.random.default_rng(0)
    foreign = rng.uniform(-30, 30, (510, 20))
    found = tuner(Student()).fit(*rows(foreign))
    figures = found.distillation_
    assert figures is not None
    assert figures["teacher"] == FROZEN
    _, own, canary = parts()
    stacked = np.vstack([BLOBS[:30], foreign, BLOBS[540:]]).astype(np.float32)
    X = StandardScaler().fit_transform(stacked).astype(np.float64)
    fitted = np.concatenate([np.arange(30), own])
    losses = [
        log_loss(
            KIND[canary],
            LogisticRegression(C=C, max_iter=10_000, tol=1e-8)
            .fit(X[fitted], KIND[fitted])
            .predict_proba(X[canary]),
        )
        for C in PENALTIES
    ]
    assert np.isclose(losses, figures["teacher_log_loss"], rtol=1e-4).any()


def test_a_teacher_that_knows_nothing_teaches_nothing() -> None:
    rng = np.random.default_rng(1)
    X, y, X_val, y_val = rows()
    X[:30], X_val = rng.normal(size=(30, 20)), rng.normal(size=(60, 20))
    y[:30] = np.arange(30) % 3
    found = tuner(Blind()).fit(X, y, X_val, y_val)
    figures = found.distillation_
    assert figures is not None
    assert figures["teacher_log_loss"] >= figures["guessing_log_loss"]
    assert not figures["used"]
    assert figures["reason"] == (
        "the teacher does no better than guessing by class frequencies"
    )
    assert all(fit["X_soft"] is None for fit in FITS)


class Blind(Student):
    """Predicts the same for every row."""

    def predict_proba(self, X: Any) -> np.ndarray:
        return np.full((len(X), 3), 1 / 3)


def test_without_a_pool_or_canary_rows_the_reason_is_told() -> None:
    X, y, X_val, y_val = rows()
    with pytest.warns(UserWarning, match="y has no unlabeled row"):
        found = tuner(Student()).fit(X[:30], y[:30], X_val, y_val)
    assert found.distillation_ == {"used": False, "reason": "there is no pool"}
    with pytest.warns(UserWarning, match="19 validation rows are too few"):
        found = tuner(Student()).fit(X, y, X_val[:19], y_val[:19])
    assert found.distillation_ == {
        "used": False,
        "reason": "without a guard no row shows whether it helps",
    }
    assert tuner(Student(), distill=False).fit(*rows()).distillation_ is None


class Hard:
    """Takes hard labels alone."""

    def fit(self, X: Any, y: Any) -> None:
        pass

    def embed(self, X: Any) -> np.ndarray:
        return np.asarray(X, dtype=np.float32)

    def embed_frozen(self, X: Any) -> np.ndarray:
        return self.embed(X)


class NeverFrozen(Student):
    embed_frozen = property()  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("trainer", "parameters", "message"),
    [
        (
            Hard(),
            {},
            "fit takes X_soft, y_soft, soft_weight; Hard has not all of these",
        ),
        (NeverFrozen(), {}, "NeverFrozen has not all of these; pass distill=False"),
        (
            Student(),
            {"guard": False},
            "distill needs the guard, whose rows say whether",
        ),
        (Student(), {"distill": "yes"}, "'distill' parameter"),
    ],
)
def test_what_cannot_be_distilled_is_refused(
    trainer: Any, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        tuner(trainer, **parameters).fit(*rows())
    assert not FITS


def test_hard_labels_alone_go_on_working() -> None:
    found = tuner(Hard(), distill=False).fit(*rows())
    assert found.distillation_ is None
    assert found.predict_proba(BLOBS[:5]).shape == (5, 3)


def test_a_network_learns_from_a_teacher() -> None:
    torch = pytest.importorskip("torch", reason="needs salutary[torch]")
    X, y = load_digits(return_X_y=True)
    X, y = (X[:800] / 16).astype(np.float32), y[:800]
    marked = np.where(np.arange(600) < 50, y[:600], -1)
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(64, 128), torch.nn.Tanh(), torch.nn.Linear(128, 10)
    )
    trainer = TorchClassifier(module, "1", epochs=30, device="cpu")
    found = tuner(trainer, random_state=0).fit(X[:600], marked, X[600:700], y[600:700])
    figures = found.distillation_
    assert figures is not None
    assert figures["used"]
    _, canary = part_validation(
        600 + np.arange(100), y[600:700], True, np.random.RandomState(0)
    )
    loss = log_loss(y[canary], found.predict_proba(X[canary]), labels=np.arange(10))
    assert figures["log_loss"] == pytest.approx(loss, rel=1e-6)
    alone = tuner(trainer, random_state=0, distill=False)
    alone.fit(X[:600], marked, X[600:700], y[600:700])
    assert found.score(X[700:], y[700:]) > alone.score(X[700:], y[700:])
