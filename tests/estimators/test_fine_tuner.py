"""Rounds of fine-tuning, against the classifier where embeddings are fixed."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from salutary import (
    SalutaryClassifier,
    SalutaryFineTuner,
    SemiSupervisedClassifier,
    TorchClassifier,
)
from salutary.advice.after_run import labels_on_top
from salutary.deep.canary import part_validation
from salutary.deep.texts import as_texts
from salutary.deep.trainer import Trainer
from salutary.labeling.definition import split_folds
from salutary.labeling.fitting import Snapshot
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import find_rule
from salutary.labeling.tuning import PENALTIES, best_C_by_validation
from salutary.names import FROZEN, FROZEN_POOL
from salutary.pools.arrays import ArrayPool

pytestmark = pytest.mark.slow


class Fixed:
    """Embeds rows as they are, and notes what it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def fit(self, X: Any, y: Any, X_val: Any = None, y_val: Any = None) -> Any:
        FITS.append((X, y, X_val, y_val))
        return self

    def embed(self, X: Any) -> np.ndarray:
        return np.asarray(X, dtype=np.float32)


class Judged(Fixed):
    """Predicts as it is told to, call by call of ``fit``."""

    def fit(self, X: Any, y: Any, X_val: Any = None, y_val: Any = None) -> Any:
        super().fit(X, y, X_val, y_val)
        self.sure = SURE[len(FITS) - 1]
        self.truth = dict(TRUTH)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        rest = (1 - self.sure) / 9
        chance = np.full((len(X), 10), rest)
        own = [self.truth[np.asarray(row).tobytes()] for row in X]
        chance[np.arange(len(X)), own] = self.sure
        return chance


class Known(Fixed):
    """Embeds rows as they are before any fit; a fit loses most columns."""

    def embed_frozen(self, X: Any) -> np.ndarray:
        return np.asarray(X, dtype=np.float32)

    def embed(self, X: Any) -> np.ndarray:
        return np.asarray(X, dtype=np.float32)[:, :2]


FITS: list[tuple[Any, ...]] = []
SURE: list[float] = []
TRUTH: dict[bytes, int] = {}


@pytest.fixture(autouse=True)
def fresh() -> None:
    for memory in (FITS, SURE, TRUTH):
        memory.clear()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    X, y = X[:600].astype(np.float32), y[:600]
    marked = np.where(np.arange(400) < 100, y[:400], -1)
    return X[:400], marked, X[400:], y[400:], y[:400]


def tuner(trainer: Any, **parameters: Any) -> SalutaryFineTuner:
    defaults = {"rule": "plausible", "budget": 30, "guard": False, "random_state": 0}
    return SalutaryFineTuner(trainer, **{**defaults, **parameters})


def test_with_fixed_embeddings_labels_are_the_classifiers(digits: Any) -> None:
    X, y, X_val, y_val, _ = digits
    found = tuner(Fixed()).fit(X, y, X_val, y_val)
    scaled = StandardScaler().fit_transform(np.vstack([X, X_val]))
    train, val = scaled[:100], scaled[400:]
    classes = np.arange(10)
    C = best_C_by_validation(
        LabeledRows(train, y[:100], np.ones(100)),
        LabeledRows(val, y_val, np.ones(len(val))),
        classes,
    )
    expected = SalutaryClassifier(
        LogisticRegression(C=C), rule="plausible", budget=30, guard=False
    ).fit(scaled[:400], y, val, y_val)
    np.testing.assert_array_equal(found.transduction_, expected.transduction_)
    np.testing.assert_allclose(found.influence_, expected.influence_, rtol=1e-4)
    np.testing.assert_allclose(found.influence_se_, expected.influence_se_, rtol=1e-4)
    assert found.termination_condition_ == "budget"
    assert found.labeled_iter_.max() == 1
    # Fine-tuned on the labeled rows, and then on these too.
    assert [len(fit[1]) for fit in FITS] == [100, 130]
    labeled = np.flatnonzero(found.labeled_iter_ == 1)
    new = {row.tobytes() for row in np.asarray(FITS[1][0])[100:]}
    assert new == {X[row].tobytes() for row in labeled}


def test_the_verdict_is_the_classifiers_where_embeddings_are_fixed(
    digits: Any,
) -> None:
    X, y, X_val, y_val, _ = digits
    found = tuner(Fixed(), guard=True, budget=30, batch_size=20).fit(X, y, X_val, y_val)
    # What is drawn before the folds are cut.
    rng = np.random.RandomState(0)
    own, canary = part_validation(np.arange(200), y_val, True, rng)
    np.testing.assert_array_equal(FITS[0][2], X_val[canary])
    rng.randint(2**31)
    seed = int(rng.randint(2**31))
    scaled = StandardScaler().fit_transform(np.vstack([X, X_val])).astype(np.float32)
    train, val = scaled[:100], scaled[400:][own]
    C = best_C_by_validation(
        LabeledRows(train, y[:100], np.ones(100)),
        LabeledRows(val, y_val[own], np.ones(len(val))),
        np.arange(10),
    )
    expected = SalutaryClassifier(
        LogisticRegression(C=C), rule="plausible", budget=20, random_state=seed
    ).fit(scaled[:400], y, val, y_val[own])
    assert found.verdict_ is not None
    assert expected.verdict_ is not None
    assert found.verdict_.sentence == expected.verdict_.sentence
    table = found.verdict_.table
    pd.testing.assert_frame_equal(table, expected.verdict_.table, rtol=1e-4)
    assert {"salutary", "train only"} < {*table["option"]}


def test_without_a_guard_there_is_no_verdict(digits: Any) -> None:
    X, y, X_val, y_val, _ = digits
    found = tuner(Known()).fit(X, y, X_val, y_val)
    assert found.verdict_ is None
    assert found.baselines_ == {}


class OneSeed(np.random.RandomState):
    """Draws one number as every seed."""

    def randint(self, *_: Any, **__: Any) -> int:
        return 0


BLOBS, KIND = make_blobs(600, 20, centers=3, cluster_std=7, random_state=3)
MARKED = np.where(np.arange(540) < 30, KIND[:540], -1)
CLUSTERS = BLOBS[:540], MARKED, BLOBS[540:], KIND[540:]
"""30 labeled rows, a pool, and 60 validation rows."""


def of_clusters(trainer: Any) -> SalutaryFineTuner:
    found = tuner(
        trainer, guard=True, budget=10, batch_size=10, random_state=OneSeed(0)
    )
    return found.fit(*CLUSTERS)


@pytest.fixture(scope="module")
def known() -> SalutaryFineTuner:
    return of_clusters(Known())


def parts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All rows, standardized, and numbers of own and canary validation rows."""
    own, canary = part_validation(540 + np.arange(60), KIND[540:], True, OneSeed(0))
    scaled = StandardScaler().fit_transform(BLOBS.astype(np.float32))
    return scaled.astype(np.float64), own, canary


def test_without_tuning_a_regression_is_fitted_on_both_tables(
    known: SalutaryFineTuner,
) -> None:
    X, own, canary = parts()
    fitted = np.concatenate([np.arange(30), own])
    found = known.baselines_[FROZEN]
    models = [
        LogisticRegression(C=C, max_iter=10_000, tol=1e-8).fit(X[fitted], KIND[fitted])
        for C in PENALTIES
    ]
    losses = [
        log_loss(KIND[canary], model.predict_proba(X[canary])) for model in models
    ]
    (same,) = np.flatnonzero(np.isclose(losses, found["log_loss"], rtol=1e-4))
    assert found["accuracy"] == models[same].score(X[canary], KIND[canary])


def test_with_the_whole_pool_it_is_the_semi_supervised_classifier(
    known: SalutaryFineTuner,
) -> None:
    X, own, canary = parts()
    marked = np.concatenate([MARKED, KIND[540:]])
    order = np.concatenate([np.arange(30), own, np.arange(30, 540)])
    expected = SemiSupervisedClassifier(random_state=OneSeed(0)).fit(
        X[order], marked[order]
    )
    assert expected.parameters_
    loss = log_loss(KIND[canary], expected.predict_proba(X[canary]))
    assert known.baselines_[FROZEN_POOL]["log_loss"] == pytest.approx(loss, rel=1e-3)
    assert loss != pytest.approx(known.baselines_[FROZEN]["log_loss"], rel=1e-2)


def test_the_verdict_compares_with_the_model_as_it_comes(
    known: SalutaryFineTuner,
) -> None:
    assert known.verdict_ is not None
    table = known.verdict_.table.set_index("option")
    assert known.verdict_.option in (FROZEN, FROZEN_POOL)
    assert "embeddings of the model as it comes" in known.verdict_.sentence
    assert (table.loc[[FROZEN, FROZEN_POOL], "labels"] == 0).all()
    # With embeddings that no fit changes it is train + validation, row for row.
    same = Known()
    same.embed = same.embed_frozen  # type: ignore[method-assign]
    found = of_clusters(same).verdict_
    assert found is not None
    table = found.table.set_index("option")
    pd.testing.assert_series_equal(
        table.loc[FROZEN], table.loc["train + validation"], check_names=False
    )


def test_without_a_pool_there_is_nothing_to_compare_a_pool_with(digits: Any) -> None:
    X, y, X_val, y_val, _ = digits
    with pytest.warns(UserWarning, match="y has no unlabeled row"):
        found = tuner(Known(), guard=True).fit(X[:100], y[:100], X_val, y_val)
    assert found.verdict_ is None
    assert list(found.baselines_) == [FROZEN]


def test_rounds_go_on_from_the_labels_before(digits: Any) -> None:
    X, y, X_val, y_val, _ = digits
    found = tuner(Fixed(), batch_size=12).fit(X, y, X_val, y_val)
    assert [len(fit[1]) for fit in FITS] == [100, 112, 124, 130]
    assert np.bincount(found.labeled_iter_[found.labeled_iter_ > 0]).tolist() == [
        0,
        12,
        12,
        6,
    ]
    assert [entry["n_labeled"] for entry in found.history_] == [100, 112, 124, 130]
    for earlier, later in pairwise(FITS):
        np.testing.assert_array_equal(earlier[0], later[0][: len(earlier[0])])
        np.testing.assert_array_equal(earlier[1], later[1][: len(earlier[1])])


def test_the_canary_is_for_stopping_and_never_for_influence(digits: Any) -> None:
    X, y, X_val, y_val, _ = digits
    found = tuner(Fixed(), guard=True).fit(X, y, X_val, y_val)
    held = {np.asarray(row).tobytes() for row in FITS[0][2]}
    assert len(held) == round(0.3 * len(X_val))
    own = np.array([row.tobytes() not in held for row in X_val])
    # Rows of the canary with any labels change no influence.
    other = np.where(own, y_val, (y_val + 1) % 10)
    again = tuner(Fixed(), guard=True).fit(X, y, X_val, other)
    again_held = {np.asarray(row).tobytes() for row in FITS[2][2]}
    if held == again_held:  # it is drawn class by class
        np.testing.assert_array_equal(found.influence_, again.influence_)


def test_a_round_that_harms_the_deep_model_is_undone(digits: Any) -> None:
    X, y, X_val, y_val, true = digits
    TRUTH.update(
        {row.tobytes(): int(label) for row, label in zip(X, true, strict=True)}
    )
    TRUTH.update(
        {row.tobytes(): int(label) for row, label in zip(X_val, y_val, strict=True)}
    )
    SURE.extend([0.6, 0.7, 0.5, 0.9])
    found = tuner(Judged(), guard=True, batch_size=10).fit(X, y, X_val, y_val)
    assert found.termination_condition_ == "guard"
    assert found.n_iter_ == 2
    assert [entry["undone"] for entry in found.history_] == [False, False, True]
    assert (found.labeled_iter_ == 1).sum() == len(FITS[1][1]) - 100 > 0
    assert not (found.labeled_iter_ == 2).any()
    assert found.trainer_.sure == 0.7
    losses = [entry["canary_loss"] for entry in found.history_]
    np.testing.assert_allclose(losses, -np.log([0.6, 0.7, 0.5]), rtol=1e-6)


def test_a_trainer_of_two_methods_is_judged_by_a_regression(digits: Any) -> None:
    X, y, X_val, y_val, _ = digits
    found = tuner(Fixed(), guard=True).fit(X, y, X_val, y_val)
    assert isinstance(found.trainer_, Fixed)
    assert isinstance(found.trainer_, Trainer)
    assert found.score(X_val, y_val) > 0.85
    assert found.predict_proba(X_val).shape == (len(X_val), 10)
    assert 0 < found.history_[-1]["canary_loss"] < 1


class Plain:
    """Two methods, of the fewest arguments, and no return value."""

    def fit(self, X: Any, y: Any) -> None:
        FITS.append((X, y))

    def embed(self, X: Any) -> np.ndarray:
        return np.asarray(X, dtype=np.float32)


def test_a_trainer_need_not_stop_early(digits: Any) -> None:
    X, y, X_val, y_val, _ = digits
    found = tuner(Plain(), guard=True).fit(X, y, X_val, y_val)
    expected = tuner(Fixed(), guard=True).fit(X, y, X_val, y_val)
    np.testing.assert_array_equal(found.transduction_, expected.transduction_)


@pytest.mark.parametrize("refits", [True, False])
def test_the_final_model_may_see_the_validation_rows(digits: Any, refits: bool) -> None:
    X, y, X_val, y_val, _ = digits
    tuner(Fixed(), refit_on_validation=refits).fit(X, y, X_val, y_val)
    assert len(FITS[-1][1]) == 130 + refits * len(y_val)
    assert FITS[-1][2] is None


def test_labels_stay_beside_the_validation_rows_only_if_they_help(digits: Any) -> None:
    kept = np.arange(100, 130)
    for shift in (0, 1):  # all right, all wrong
        snapshot = Snapshot(None, kept, (digits[4][kept] + shift) % 10)
        assert (beside_validation(digits, snapshot) > 0) == (shift == 0)


@pytest.mark.parametrize("fall", [1.0, -1.0])
def test_the_final_fit_has_the_labels_only_if_the_folds_say_so(
    digits: Any, fall: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y, X_val, y_val, _ = digits
    said = (fall, 0.1)
    monkeypatch.setattr("salutary.deep.fine_tuning.labels_on_top", lambda *_: said)
    found = tuner(Fixed(), guard=True, refit_on_validation=True)
    found.fit(X, y, X_val, y_val)
    n_labels = int((found.labeled_iter_ == 1).sum())
    assert n_labels > 0
    assert len(FITS[-1][1]) == 100 + len(y_val) + (n_labels if fall > 0 else 0)


def beside_validation(digits: Any, snapshot: Snapshot) -> float:
    """What given labels do beside the validation rows, by scikit-learn's own fits."""
    X, _, X_val, y_val, true = digits
    # In float32, scikit-learn may stop well before the optimum.
    stacked = np.vstack([X, X_val]).astype(np.float64)
    scaled = StandardScaler().fit_transform(stacked)
    val = LabeledRows(scaled[400:], y_val, np.ones(len(y_val)))
    folds = split_folds(val, True, np.random.RandomState(0))
    problem = Problem(
        estimator=LogisticRegression(C=0.1),
        classes=np.arange(10),
        labeled=LabeledRows(scaled[:100], true[:100], np.ones(100)),
        validation=val,
        folds=folds,
        pool=ArrayPool.of(scaled[:400]),
        rule=find_rule("plausible"),
        hessian="train",
        batch_size=10,
    )
    found = labels_on_top(problem, [snapshot] * 3)
    assert found is not None
    losses = []
    for rows, labels in ((np.arange(100), true[:100]), _with(snapshot, true)):
        total = 0.0
        for fold in folds:
            model = LogisticRegression(C=0.1, solver="newton-cholesky", tol=1e-12).fit(
                np.vstack([scaled[rows], fold.own.X]),
                np.concatenate([labels, fold.own.labels]),
            )
            total += log_loss(
                fold.canary.labels,
                model.predict_proba(fold.canary.X),
                labels=np.arange(10),
                normalize=False,
            )
        losses.append(total / len(y_val))
    assert found[0] == pytest.approx(losses[0] - losses[1], abs=1e-6)
    return found[0]


def _with(snapshot: Snapshot, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = np.concatenate([np.arange(100), snapshot.rows])
    return rows, np.concatenate([true[:100], snapshot.labels])


def test_the_final_model_of_all_rows_is_calibrated(digits: Any) -> None:
    torch = pytest.importorskip("torch", reason="needs salutary[torch]")
    X, y, X_val, y_val, _ = digits
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.Linear(16, 10))
    trainer = TorchClassifier(
        module, "0", epochs=20, learning_rate=0.01, device="cpu", random_state=0
    )
    assert tuner(trainer).fit(X, y, X_val, y_val).refit_ is None
    found = tuner(trainer, refit_on_validation=True).fit(X, y, X_val, y_val)
    tried = [found.refit_, *found.refit_["others"]]
    assert {20, 10} <= {way["epochs"] for way in tried}
    assert found.refit_["log_loss"] == min(way["log_loss"] for way in tried)
    assert found.refit_["labels"] == (found.labeled_iter_ > 0).sum()
    assert found.trainer_.epochs == found.refit_["epochs"]
    assert found.trainer_.temperature_ == found.refit_["temperature"]
    np.testing.assert_array_equal(
        found.predict_proba(X_val), found.trainer_.predict_proba(X_val)
    )


def test_validation_rows_are_split_off_and_trained_on_at_last(digits: Any) -> None:
    X, y, *_ = digits
    found = tuner(Fixed(), validation_fraction=0.3).fit(X, y)
    assert [len(fit[1]) for fit in FITS] == [70, 100, 130]
    assert (found.labeled_iter_ == 0).sum() == 100


def test_a_cnn_learns_from_labels(digits: Any) -> None:
    torch = pytest.importorskip("torch", reason="needs salutary[torch]")
    X, y, X_val, y_val, _ = digits
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * 36, 10),
    )
    images = X.reshape(-1, 1, 8, 8) / 16
    trainer = TorchClassifier(module, "2", epochs=40, learning_rate=1e-2, device="cpu")
    found = tuner(trainer, guard=True, rule="tempered").fit(
        images, y, X_val.reshape(-1, 1, 8, 8) / 16, y_val
    )
    assert trainer.random_state is None
    again = tuner(trainer, guard=True, rule="tempered").fit(
        images, y, X_val.reshape(-1, 1, 8, 8) / 16, y_val
    )
    np.testing.assert_array_equal(found.transduction_, again.transduction_)
    assert found.score(X_val.reshape(-1, 1, 8, 8) / 16, y_val) > 0.85
    assert found.embed(images[:3]).shape == (3, 8 * 36)


def test_rows_may_be_lists_tables_and_arrays(digits: Any) -> None:
    X, y, X_val, y_val, _ = digits
    expected = tuner(Fixed()).fit(X, y, X_val, y_val).transduction_
    for kind in (list, pd.DataFrame):
        found = tuner(Fixed()).fit(kind(X), y, kind(X_val), y_val)
        np.testing.assert_array_equal(found.transduction_, expected)


def test_labels_that_are_text_and_a_pool_that_ends(digits: Any) -> None:
    X, y, X_val, y_val, _ = digits
    X, y = X[:110], y[:110]
    named = np.array([None if label < 0 else f"digit {label}" for label in y])
    found = tuner(Fixed()).fit(X, named, X_val, [f"digit {label}" for label in y_val])
    assert found.termination_condition_ == "pool_exhausted"
    assert all(label.startswith("digit") for label in found.transduction_)


def test_no_pool_at_all(digits: Any) -> None:
    X, y, X_val, y_val, _ = digits
    with pytest.warns(UserWarning, match="y has no unlabeled row"):
        found = tuner(Fixed(), guard=True).fit(X[:100], y[:100], X_val, y_val)
    assert (found.n_iter_, found.termination_condition_) == (0, "pool_exhausted")
    assert found.verdict_ is None


def test_few_validation_rows_leave_the_run_unguarded(digits: Any) -> None:
    X, y, X_val, y_val, _ = digits
    with pytest.warns(UserWarning, match="19 validation rows are too few to guard"):
        tuner(Fixed(), guard=True).fit(X, y, X_val[:19], y_val[:19])
    assert FITS[0][2] is None


@pytest.mark.parametrize(
    ("parameters", "change", "message"),
    [
        ({"budget": 0}, {}, "'budget' parameter"),
        ({"rule": "best"}, {}, "'rule' parameter"),
        ({"trainer": LogisticRegression()}, {}, "'trainer' parameter"),
        ({}, {"y_val": None}, "go together"),
        ({}, {"X": "abc"}, "X is one text, .abc.; pass a list of texts"),
        ({}, {"X_val": np.zeros((0, 64)), "y_val": []}, "X_val has no rows"),
        ({}, {"y_val": np.full(200, 11)}, "y_val"),
        ({}, {"y": np.full(400, 1)}, "class"),
        ({}, {"y": np.zeros(399)}, "inconsistent numbers"),
        ({}, {"X_val": np.zeros((3, 64), dtype=np.float32)}, "inconsistent numbers"),
    ],
)
def test_what_cannot_be_run_is_refused(
    digits: Any, parameters: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    X, y, X_val, y_val, _ = digits
    given = {"X": X, "y": y, "X_val": X_val, "y_val": y_val, **change}
    with pytest.raises(ValueError, match=message):
        tuner(Fixed()).set_params(**parameters).fit(**given)
    assert not FITS


class Odd(Fixed):
    """Returns what no trainer should."""

    def __init__(self, vectors: Any = None, chances: Any = None) -> None:
        super().__init__()
        self.vectors, self.chances = vectors, chances

    def embed(self, X: Any) -> Any:
        return super().embed(X) if self.vectors is None else self.vectors(X)

    def predict_proba(self, X: Any) -> Any:
        return self.chances(X)


class Unprobed(Fixed):
    """Has no ``predict_proba``, and returns what no trainer should."""

    def embed(self, X: Any) -> Any:
        return np.full((len(X), 3), np.nan)


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        (Unprobed(), "embed returned numbers that are not finite"),
        (Odd(chances=lambda X: np.ones((len(X), 3))), "predict_proba returned shape"),
        (Odd(chances=lambda X: np.full((len(X), 10), np.nan)), "not finite"),
        (Odd(lambda X: np.ones((3, 2)), lambda X: np.ones((len(X), 10)) / 10), "embed"),
        (Odd(lambda X: np.ones(len(X)), lambda X: np.ones((len(X), 10)) / 10), "embed"),
        (Fixed, "trainer is the class Fixed; pass an instance"),
    ],
)
def test_what_a_trainer_must_not_return(
    digits: Any, trainer: Any, message: str
) -> None:
    X, y, X_val, y_val, _ = digits
    with pytest.raises(ValueError, match=message):
        tuner(trainer, guard=True).fit(X, y, X_val, y_val)


def test_rows_and_validation_rows_are_of_one_kind(digits: Any) -> None:
    X, y, X_val, y_val, _ = digits
    for first, second in ((list(X), X_val), (X, list(X_val)), (X, pd.DataFrame(X_val))):
        with pytest.raises(ValueError, match="pass both as the same"):
            tuner(Fixed()).fit(first, y, second, y_val)
    other = pd.DataFrame(X_val).add_prefix("x")
    with pytest.raises(ValueError, match="X_val has the columns"):
        tuner(Fixed()).fit(pd.DataFrame(X), y, other, y_val)


def test_unfitted_it_does_not_predict() -> None:
    for method in ("predict", "predict_proba", "embed"):
        with pytest.raises(NotFittedError):
            getattr(tuner(Fixed()), method)([[0.0]])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_missing_label_in_a_list_of_texts_is_a_pool_row(
    digits: Any, missing: Any
) -> None:
    X, y, X_val, y_val, _ = digits
    named = [missing if label < 0 else f"digit {label}" for label in y.tolist()]
    found = tuner(Fixed()).fit(X, named, X_val, [f"digit {label}" for label in y_val])
    assert found.classes_.tolist() == [f"digit {digit}" for digit in range(10)]
    assert (found.labeled_iter_ == 0).sum() == 100
    expected = tuner(Fixed()).fit(X, y, X_val, y_val)
    np.testing.assert_array_equal(found.labeled_iter_, expected.labeled_iter_)
    with pytest.raises(ValueError, match="y_val has no label in row 3"):
        tuner(Fixed()).fit(X, y, X_val, [*y_val[:3], missing, *y_val[4:]])


class Stream:
    """What a table of polars offers to others, and nothing else."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = pa.table({str(n): column for n, column in enumerate(rows.T)})
        self.shape, self.columns = self.rows.shape, self.rows.column_names

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)


def test_tables_of_polars_and_sparse_rows_are_rows(digits: Any) -> None:
    X, y, X_val, y_val, _ = digits
    expected = tuner(Fixed()).fit(X, y, X_val, y_val)
    found = tuner(Fixed()).fit(Stream(X), y, Stream(X_val), y_val)
    np.testing.assert_array_equal(found.transduction_, expected.transduction_)
    np.testing.assert_allclose(
        found.predict_proba(Stream(X_val)), expected.predict_proba(X_val)
    )
    assert found.embed(Stream(X_val)).shape == (200, 64)
    kinds = (sparse.csr_array, sparse.csc_matrix)
    found = tuner(Dense()).fit(kinds[0](X), y, kinds[1](X_val), y_val)
    np.testing.assert_array_equal(found.transduction_, expected.transduction_)


class Dense(Fixed):
    """Takes sparse rows."""

    def embed(self, X: Any) -> np.ndarray:
        return np.asarray(X.toarray(), dtype=np.float32)


class Texts(Fixed):
    """Takes a table of two columns of texts."""

    def embed(self, X: Any) -> np.ndarray:
        pairs = as_texts(X)
        return np.array([[float(text) for text in pair] for pair in pairs], np.float32)


def test_pairs_of_texts_in_tables_of_every_library(digits: Any) -> None:
    X, y, X_val, y_val, _ = digits
    kinds = (pd.DataFrame, pl.from_pandas, pa.Table.from_pandas)
    found = []
    for kind in kinds:
        rows, val_rows = (
            kind(pd.DataFrame({"q": part[:, 20], "a": part[:, 36]}).astype(str))
            for part in (X, X_val)
        )
        model = tuner(Texts()).fit(rows, y, val_rows, y_val)
        found.append(model.predict_proba(val_rows))
        assert model.embed(rows).shape == (len(X), 2)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_a_dict_of_columns_is_not_rows(digits: Any) -> None:
    _, y, X_val, y_val, _ = digits
    with pytest.raises(ValueError, match="X is a dict with the keys 'text', 'label'"):
        tuner(Fixed()).fit({"text": ["a", "b"], "label": y}, y, X_val, y_val)
    assert not FITS
