"""Options that let all of a pool take part, and which options go on to a repeat."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.special import softmax
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from salutary.advice import cross_fitting
from salutary.advice.comparison import going_on
from salutary.advice.cross_fitting import (
    FoldResult,
    Judged,
    cross_fit,
    judge_fold,
    leading,
)
from salutary.advice.measure import Measure
from salutary.advice.options import (
    OPTIONS,
    train_and_validation,
    whole_pool,
)
from salutary.advice.task import AdviceTask, FittedOption
from salutary.advice.verdict import ASSIGNED, reach_verdict
from salutary.influence.objectives import Truth
from salutary.labeling.rows import LabeledRows
from salutary.names import WHOLE_POOL, SemiSupervisedMethod
from salutary.semisupervised import tuning
from salutary.semisupervised.tuning import METHODS

ORDER = np.random.RandomState(0).permutation(1_500)
DIGITS, KIND = (part[ORDER] for part in load_digits(return_X_y=True))
DIGITS = StandardScaler().fit_transform(DIGITS)
TRAIN, VALIDATION, POOL = slice(0, 60), slice(60, 120), slice(120, 700)
TEST = slice(700, 1_500)
PEOPLE = {name: OPTIONS[name] for name in OPTIONS if not name.startswith(ASSIGNED)}


def task_of(X: np.ndarray, y: np.ndarray, pool: object) -> AdviceTask:
    def rows(part: slice) -> LabeledRows:
        return LabeledRows(X[part], y[part], np.ones(len(y[part])))

    return AdviceTask(np.unique(y), rows(TRAIN), rows(VALIDATION), pool, 8, 4, seed=3)


def alone(task: AdviceTask, method: SemiSupervisedMethod) -> FittedOption:
    """The whole pool by one method."""
    return whole_pool(task, {method: METHODS[method]})


@pytest.fixture(scope="module")
def digits() -> AdviceTask:
    return task_of(DIGITS, KIND, DIGITS[POOL])


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_that_is_used_gets_no_labels(
    method: SemiSupervisedMethod, digits: AdviceTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "MARGIN", -100.0)  # so that it is used
    found, plain = alone(digits, method), train_and_validation(digits)
    assert not np.allclose(found.model.coef_, plain.model.coef_)
    assert found.pool_rows == 580
    assert found.pool_method == method
    assert not found.n_labels
    assert found.model.score(DIGITS[TEST], KIND[TEST]) > 0.8
    assert found.validation_weight == 1.0
    assert not found.rounds


def test_a_pool_that_does_not_help_is_left_alone(digits: AdviceTask) -> None:
    constant = np.zeros((50, 64))
    case = replace(digits, pool=constant)
    found, plain = alone(case, "self_training"), train_and_validation(case)
    assert not found.pool_rows
    assert found.pool_method is None
    np.testing.assert_array_equal(found.model.coef_, plain.model.coef_)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "kind", ["few", "copies", "one point", "one class", "sparse", "wide"]
)
def test_odd_pools(method: SemiSupervisedMethod, kind: str) -> None:
    X, y = DIGITS[:, :20], KIND % 3
    pools: dict[str, object] = {
        "few": X[200:202],
        "copies": np.repeat(X[200:210], 100, axis=0),
        "one point": np.zeros((50, 20)),
        "one class": X[POOL][y[POOL] == 0],
        "sparse": sparse.csr_matrix(X[POOL]),
    }
    if kind == "wide":
        X = np.hstack([X, np.random.RandomState(0).normal(size=(len(X), 1_000))])
        pools["wide"] = X[200:300]
    found = alone(task_of(X, y, pools[kind]), method)
    if kind == "sparse":
        dense = alone(task_of(X, y, X[POOL]), method)
        np.testing.assert_allclose(found.model.coef_, dense.model.coef_, atol=1e-6)
    assert np.isfinite(found.model.coef_).all()
    assert found.pool_rows in (0, pools[kind].shape[0])  # type: ignore[attr-defined]


def test_too_few_rows_to_hold_any_out_leave_the_pool_alone() -> None:
    rows = LabeledRows(DIGITS[:4], np.array([0, 1, 2, 3]), np.ones(4))
    task = AdviceTask(np.arange(4), rows, rows.take([0]), DIGITS[POOL], 8, 4, seed=0)
    assert not alone(task, "self_training").pool_rows


def test_a_pool_that_is_half_of_another_data_set_is_not_worse_than_none() -> None:
    blobs, _ = make_blobs(300, 64, centers=3, cluster_std=0.5, random_state=0)
    task = task_of(DIGITS, KIND, np.vstack([DIGITS[200:500], blobs]))
    # What assigns a part of the labels has tests of its own, and takes long.
    fitted = [train_and_validation(task), *(alone(task, name) for name in METHODS)]
    losses = [
        log_loss(KIND[TEST], option.model.predict_proba(DIGITS[TEST]))
        for option in fitted
    ]
    assert max(losses) <= losses[0] + 0.05


def test_the_method_is_that_with_the_lowest_loss_of_held_out_rows() -> None:
    """The judges of each method alone are those of all."""
    chosen = set()
    for seed in range(4):
        X, y = make_blobs(700, 8, centers=3, cluster_std=6, random_state=seed)
        X[:, 1:] *= np.random.default_rng(seed).uniform(0.1, 1, 7)
        X = StandardScaler().fit_transform(X)
        task = task_of(X, y, X[POOL])
        own = task.with_pool
        assert own is not None
        firsts = {
            name: min(candidate.loss for candidate in own.walked(method))
            for name, method in METHODS.items()
        }
        name, _ = own.best(METHODS)
        assert name == min(firsts, key=lambda name: firsts[name])
        assert whole_pool(task).pool_method in (name, None)
        chosen.add(name)
    assert len(chosen) > 1


def judged(*losses: float, repeats: int = 1, labels: int = 5) -> Judged:
    """An option with these log losses of rows whose classes take turns."""
    logits = -np.log(np.expm1(losses))
    table = np.stack([logits, np.zeros(len(losses))], axis=1)
    table[1::2] = table[1::2, ::-1]
    n_labels = np.full(2, labels)
    return Judged(np.stack([table] * repeats), np.ones(2), np.ones(2), n_labels)


def test_an_option_that_is_surely_behind_does_not_go_on() -> None:
    truth = Truth(np.arange(6) % 2, np.ones(6))
    near = 0.5, 0.6, 0.7, 0.5, 0.6, 0.7
    results = {
        "train + validation": judged(*near),
        "train only": judged(*[loss + 1 for loss in near], labels=0),
        "salutary": judged(0.6, 0.5, 0.8, 0.4, 0.7, 0.6),
        "self-training": judged(1.5, 1.7, 1.7, 1.6, 1.5, 1.8),
    }
    # People's labels stay, so that the verdict can name how far they are behind.
    left = ["train + validation", "train only", "salutary"]
    assert going_on(Measure(truth), results) == left


def test_options_that_do_not_go_on_keep_the_repeats_they_have(
    digits: AdviceTask,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(cross_fitting, "options_of", lambda task: PEOPLE)
    caplog.set_level("INFO", "salutary")
    task = replace(digits, pool=None)
    lines: list[str] = []
    people = ["train + validation", "train only"]
    asked = []

    def first_two(results: dict[str, Judged]) -> list[str]:
        asked.append({name: len(found.logits) for name, found in results.items()})
        return people

    found = cross_fit(task, 2, 3, lines.append, going_on=first_two)
    assert {name: len(results.logits) for name, results in found.items()} == {
        name: 3 if name in people else 1 for name in PEOPLE
    }
    assert [set(counts.values()) for counts in asked] == [{1}, {1, 2}]
    assert len(lines) == 6 * len(PEOPLE)  # a bar of the progress is filled
    folds = [message.split(":")[0] for message in caplog.messages]
    assert folds == [f"fold {number} of 6" for number in range(1, 7)]
    everything = cross_fit(task, 2, 3, lines.append)
    for name in people:
        np.testing.assert_array_equal(found[name].logits, everything[name].logits)
    for name in set(PEOPLE) - set(people):
        np.testing.assert_array_equal(found[name].logits, everything[name].logits[:1])


def test_the_option_with_the_lowest_loss_so_far_leads() -> None:
    """Of those that the last fold still has."""

    def fold(**losses: float) -> dict[str, FoldResult]:
        none = np.zeros((1, 2))
        return {
            name: FoldResult(none, 1.0, 0.0, 0, loss) for name, loss in losses.items()
        }

    folds = [fold(a=0.5, b=0.1, c=0.0), fold(a=0.5, b=2.0, c=0.0)]
    assert leading(folds[:1]) == "c"
    assert leading(folds) == "c"
    assert leading([*folds, fold(a=0.5, b=0.1)]) == "a"


def test_the_loss_of_a_fold_is_that_of_scikit_learn(digits: AdviceTask) -> None:
    weight = np.random.RandomState(0).uniform(0, 2, 60)
    task = replace(digits, validation=replace(digits.validation, weight=weight))
    held = task.validation.take(np.arange(20))
    (result,) = judge_fold(task, held, {"both": train_and_validation}).values()
    chance = softmax(result.logits, axis=1)
    labels = np.arange(10)
    expected = log_loss(held.labels, chance, sample_weight=held.weight, labels=labels)
    assert result.loss == pytest.approx(expected)
    weightless = replace(held, weight=np.zeros(20))
    (result,) = judge_fold(task, weightless, {"both": train_and_validation}).values()
    assert result.loss == 0


def test_the_advice_takes_a_pool_that_is_surely_better() -> None:
    """Of many rows, for which the folds are sure."""
    options = {
        "train + validation": judged(*[0.5, 0.6, 0.7] * 20, labels=0),
        WHOLE_POOL: judged(*[0.4, 0.5, 0.5] * 20),
    }
    truth = Truth(np.arange(60) % 2, np.ones(60))
    verdict = reach_verdict(options, Measure(truth))
    assert verdict.option == WHOLE_POOL
    assert "and, without labels, on the whole pool; " in verdict.sentence
