"""What cross-validation chooses, against fits made fold by fold with scikit-learn."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.stats import sem
from sklearn.datasets import load_digits, make_blobs, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from salutary.influence.objectives import log_losses
from salutary.labeling.rows import LabeledRows
from salutary.labeling.tuning import (
    best_C_by_cross_validation,
    cross_validation_parts,
)
from salutary.pools.arrays import ArrayPool
from salutary.semisupervised.task import Method, SemiSupervisedTask, Setting
from salutary.semisupervised.tuning import (
    METHODS,
    PLAIN,
    Candidate,
    Tuned,
    helps,
    judged,
    tune,
    tuning_splits,
)


def clusters(n_labeled: int = 40, seed: int = 0) -> tuple[SemiSupervisedTask, Any, Any]:
    """A task whose pool helps, and rows to judge by."""
    X, y = make_blobs(2600, 20, centers=3, cluster_std=10, random_state=seed)
    X /= 10
    rows = LabeledRows(X[:n_labeled], y[:n_labeled], np.ones(n_labeled))
    pool = ArrayPool.of(X[n_labeled:400])
    return SemiSupervisedTask(np.arange(3), rows, pool), X[600:], y[600:]


def tune_alone(task: SemiSupervisedTask, method: Method) -> Tuned | None:
    """Tuned to one method."""
    return tune(task, {"information_maximization": method})


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_pool_of_clusters_is_used_and_helps(method: Method) -> None:
    X, y = load_digits(return_X_y=True)
    X, y = X[200:] / 16, y[200:]
    rows = LabeledRows(X[:100], y[:100], np.ones(100))
    task = SemiSupervisedTask(np.arange(10), rows, ArrayPool.of(X[100:700]))
    tuned = tune_alone(task, method)
    assert tuned is not None
    assert tuned.chosen.setting.parameters
    assert tuned.chosen.loss < tuned.plain.loss
    plain = task.plain(tuned.plain.setting.C)
    loss, without = (
        log_loss(y[700:], model.predict_proba(X[700:]))
        for model in (tuned.model, plain)
    )
    assert loss < without
    assert tuned.model.score(X[700:], y[700:]) > plain.score(X[700:], y[700:])


def test_the_plain_candidate_is_the_best_regression_of_all_folds() -> None:
    task, _, _ = clusters()
    tuned = tune_alone(task, METHODS["information_maximization"])
    assert tuned is not None
    C = best_C_by_cross_validation(task.rows, task.classes, task.seed)
    assert tuned.plain.setting == Setting(C)
    losses, n_rows = np.zeros(40), np.arange(40.0)[:, None]
    numbered = LabeledRows(n_rows, task.rows.labels, task.rows.weight)
    for fitted, held in cross_validation_parts(numbered, task.seed, 3):
        seen = fitted.X.ravel().astype(int)
        own = held.X.ravel().astype(int)
        model = LogisticRegression(C=C, tol=1e-8).fit(task.rows.X[seen], fitted.labels)
        losses[own] += log_losses(model.predict_proba(task.rows.X[own]), held.labels)
    if tuned.plain.temperature == 1.0:
        assert_allclose(tuned.plain.losses, losses / 3, rtol=0.01, atol=1e-3)
    assert tuned.plain.loss <= losses.mean() / 3 + 1e-3


def test_held_out_rows_have_no_part_in_the_fits_that_judge_them() -> None:
    task, _, _ = clusters()
    seen = []

    def models(part: SemiSupervisedTask, settings: Any) -> Any:
        seen.append(part)
        yield from (part.plain(setting.C) for setting in settings)

    method = Method(PLAIN.paths, models)
    for parts in tuning_splits(task):
        list(judged(parts, method, [Setting(1.0)]))
    assert len(seen) == 15
    everything = {tuple(row) for row in task.rows.X}
    folds = [part for parts in tuning_splits(task) for part in parts]
    for part, fold in zip(seen, folds, strict=True):
        fitted = {tuple(row) for row in part.rows.X}
        held = {tuple(row) for row in fold.held.X}
        assert not fitted & held
        assert fitted | held == everything
        assert {tuple(row) for row in task.rows.X[fold.numbers]} == held


@pytest.mark.parametrize(("n_rows", "n_fits"), [(40, (5, 15)), (1000, (5,))])
def test_settings_are_compared_on_one_split_and_the_best_is_judged_on_all(
    n_rows: int, n_fits: tuple[int, ...]
) -> None:
    X, y = make_blobs(n_rows + 10, 3, centers=2, random_state=0)
    rows = LabeledRows(X[10:], y[10:], np.ones(n_rows))
    task = SemiSupervisedTask(np.arange(2), rows, ArrayPool.of(X[:10]))
    asked: list[tuple[tuple[float, ...], SemiSupervisedTask]] = []

    def models(part: SemiSupervisedTask, settings: Any) -> Any:
        if len(part.rows) < n_rows:
            asked.append((tuple(setting.C for setting in settings), part))
        yield from (part.plain(setting.C) for setting in settings)

    tune_alone(task, Method(lambda C: [[Setting(0.001)], [Setting(0.01)]], models))
    first = [C for C, _ in asked[:10]]
    assert first == [(0.001,)] * 5 + [(0.01,)] * 5
    best = [C for C, _ in asked[10:]]
    assert best == [(0.01,)] * 15 * (len(n_fits) > 1)  # weaker is better for blobs


def test_settings_are_compared_on_a_part_of_a_large_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("salutary.semisupervised.tuning.TUNING_POOL", 50)
    task, _, _ = clusters()
    folds = [part.task for parts in tuning_splits(task) for part in parts]
    (pool,) = {id(part.pool): part.pool for part in folds}.values()
    assert len(pool.weight) == 50
    assert {tuple(row) for row in pool.X} <= {tuple(row) for row in task.pool.X}


def candidate(losses: np.ndarray) -> Candidate:
    return Candidate(Setting(1.0), 1.0, losses, float(losses.mean()))


def test_the_pool_is_used_only_when_it_lowers_the_loss_by_a_standard_error() -> None:
    losses = np.random.default_rng(0).exponential(size=50)
    noise = np.random.default_rng(1).normal(size=50)
    noise = (noise - noise.mean()) / sem(noise)  # of standard error 1 and mean 0
    plain, weight = candidate(losses), np.ones(50)
    for fall, used in ((2.0, True), (1.01, True), (0.99, False), (-1.0, False)):
        other = candidate(losses - 0.01 * (noise + fall))
        assert helps(plain, other, weight) is used
    assert not helps(plain, candidate(losses), weight)


def test_one_held_out_row_chooses_nothing() -> None:
    plain, other = candidate(np.ones(1)), candidate(np.zeros(1))
    assert not helps(plain, other, np.ones(1))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_settings_that_do_worse_leave_the_plain_model(method: Method) -> None:
    task, X, _ = clusters()

    def models(part: SemiSupervisedTask, settings: Any) -> Any:
        for model in method.models(part, settings):
            model.coef_ = -model.coef_
            yield model

    tuned = tune_alone(task, replace(method, models=models))
    assert tuned is not None
    assert tuned.chosen is tuned.plain
    assert tuned.chosen.setting.parameters == {}
    plain = LogisticRegression(C=tuned.plain.setting.C, tol=1e-10)
    plain.fit(task.rows.X, task.rows.labels)
    assert_allclose(
        tuned.model.decision_function(X) * tuned.plain.temperature,
        plain.decision_function(X),
        rtol=1e-3,
        atol=1e-4,
    )


def test_the_temperature_is_absorbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salutary.semisupervised.tuning.MARGIN", -1e9)  # always used
    X, y = make_classification(
        700, 40, n_informative=3, flip_y=0.3, random_state=3, n_clusters_per_class=1
    )
    rows = LabeledRows(X[:100], y[:100], np.ones(100))
    task = SemiSupervisedTask(np.arange(2), rows, ArrayPool.of(X[100:]))
    method = METHODS["information_maximization"]
    hot = replace(method, paths=lambda C: [[s] for s in method.paths(10.0)[-1][-1:]])
    tuned = tune_alone(task, hot)
    assert tuned is not None
    folds = [part for parts in tuning_splits(task) for part in parts]
    (path,) = hot.paths(1.0)
    (found,) = judged(folds, hot, path)
    assert tuned.chosen.temperature == found.temperature > 1.5
    (model,) = method.models(task, path)
    logits = tuned.model.decision_function(X) * found.temperature
    assert_allclose(logits, model.decision_function(X), rtol=1e-9)


@pytest.mark.slow
def test_rows_that_nothing_is_known_of_are_not_held_out() -> None:
    X, y = make_blobs(40, 3, centers=3, random_state=0)
    labels = np.where(y == 2, 0, y)
    labels[7] = 2  # the only row of its class
    rows = LabeledRows(X, labels, np.ones(40))
    task = SemiSupervisedTask(np.arange(3), rows, ArrayPool.of(X + 0.1))
    for parts in tuning_splits(task):
        held = np.concatenate([part.held.labels for part in parts])
        assert 2 not in held
        assert len(held) == 39
    for method in METHODS.values():
        tuned = tune_alone(task, method)
        assert tuned is not None
        assert np.isfinite(tuned.chosen.losses).all()
        assert tuned.model.predict_proba(X).shape == (40, 3)


def test_a_row_of_each_class_leaves_nothing_to_tune_by() -> None:
    rows = LabeledRows(np.eye(3), np.arange(3), np.ones(3))
    task = SemiSupervisedTask(np.arange(3), rows, ArrayPool.of(np.eye(3)))
    assert tune_alone(task, METHODS["information_maximization"]) is None


# Pools that are not what they should be


def held_out_differences(
    foreign: Any, n_draws: int = 6
) -> dict[str, tuple[float, float]]:
    """How much higher the loss on new rows is with a pool; mean and standard error."""
    found: dict[str, list[float]] = {name: [] for name in METHODS}
    for seed in range(n_draws):
        task, X, y = clusters(40, seed)
        task = replace(task, pool=ArrayPool.of(foreign(task.pool.X, seed)))
        for name, method in METHODS.items():
            tuned = tune_alone(task, method)
            assert tuned is not None
            plain = task.plain(tuned.plain.setting.C)
            loss, without = (
                log_losses(model.predict_proba(X), y).mean()
                for model in (tuned.model, plain)
            )
            found[name].append(loss - without)
    return {
        name: (float(np.mean(d)), float(np.std(d, ddof=1) / np.sqrt(n_draws)))
        for name, d in found.items()
    }


def of_another_set(X: np.ndarray, seed: int) -> np.ndarray:
    """Half of the rows from clusters that cut across the classes."""
    rng = np.random.default_rng(seed)
    other = rng.normal(size=(len(X) // 2, X.shape[1]), scale=X.std())
    other[: len(other) // 2] += 3 * X.std()
    return np.vstack([X[: len(X) - len(other)], other])


@pytest.mark.slow
@pytest.mark.parametrize(
    "foreign",
    [
        of_another_set,
        lambda X, seed: X[:, np.random.default_rng(seed).permutation(X.shape[1])],
    ],
    ids=["half of another set", "columns swapped"],
)
def test_a_pool_of_another_distribution_does_no_surely_visible_harm(
    foreign: Any,
) -> None:
    for mean, error in held_out_differences(foreign).values():
        assert mean <= 2 * error + 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize(
    "pool",
    [
        lambda X, y: X[y != 2],
        lambda X, y: X[y == 0],
        lambda X, y: X[:5],
        lambda X, y: X[:1],
        lambda X, y: np.repeat(X[:4], 1500, axis=0),
    ],
    ids=["class absent", "one cluster", "five rows", "one row", "duplicates"],
)
def test_odd_pools_leave_a_model_that_is_no_worse_in_cross_validation(
    pool: Any, method: Method
) -> None:
    X, y = make_blobs(330, 6, centers=3, cluster_std=4, random_state=0)
    rows = LabeledRows(X[:30], y[:30], np.ones(30))
    task = SemiSupervisedTask(np.arange(3), rows, ArrayPool.of(pool(X[30:], y[30:])))
    tuned = tune_alone(task, method)
    assert tuned is not None
    assert tuned.chosen.loss <= tuned.plain.loss
    assert np.isfinite(tuned.model.coef_).all()


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_ten_thousand_sparse_features_pass(method: Method) -> None:
    rng = np.random.default_rng(0)
    dense = rng.random((200, 10_000)) * (rng.random((200, 10_000)) < 0.002)
    X = sparse.csr_array(dense)
    y = np.asarray(X[:, :5000].sum(axis=1) > X[:, 5000:].sum(axis=1)).astype(np.intp)
    rows = LabeledRows(X[:40], y[:40], np.ones(40))
    task = SemiSupervisedTask(np.arange(2), rows, ArrayPool.of(X[40:]))
    tuned = tune_alone(task, method)
    assert tuned is not None
    assert tuned.model.predict_proba(X).shape == (200, 2)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_separable_classes_are_told_apart(method: Method) -> None:
    X, y = make_blobs(300, 3, centers=[[-9, 0, 0], [9, 0, 0]], random_state=0)
    rows = LabeledRows(X[:20], y[:20], np.ones(20))
    task = SemiSupervisedTask(np.arange(2), rows, ArrayPool.of(X[20:]))
    tuned = tune_alone(task, method)
    assert tuned is not None
    assert tuned.model.score(X, y) == 1.0
    assert np.isfinite(tuned.model.coef_).all()


def test_a_task_of_other_rows_has_a_plain_model_of_its_own() -> None:
    task, _, _ = clusters()
    whole = task.plain(1.0)
    assert task.plain(1.0) is whole
    part = replace(task, rows=task.rows.take(np.arange(20)))
    assert not np.array_equal(part.plain(1.0).coef_, whole.coef_)
