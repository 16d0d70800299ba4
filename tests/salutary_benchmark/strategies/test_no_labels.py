"""Strategies that buy no label, against the classifier and scikit-learn's own."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime
from scipy.special import log_softmax
from scipy.stats import entropy
from sklearn.datasets import load_digits, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from salutary import SalutaryClassifier, SemiSupervisedClassifier, label_influence
from salutary_benchmark.data.splits import Part, Split, split
from salutary_benchmark.strategies.no_labels import (
    CONTROLS,
    NO_LABELS,
    WHOLE_POOL,
    Salutary,
)
from salutary_benchmark.strategies.task import (
    PENALTIES,
    Setting,
    Step,
    Task,
    best_C,
    joined,
)

IMAGES, DIGITS = load_digits(return_X_y=True)
FOUR = DIGITS < 4
DATA = split(
    scale(IMAGES)[FOUR],
    DIGITS[FOUR].astype(np.intp),
    n_labeled=30,
    validation=80,
    largest_pool=200,
    seed=0,
)
SETTING = Setting(n_labeled=30, validation=80, budget=7, batch_size=3, C=0.5)
TASK = Task(DATA, SETTING, seed=0)
# Of two classes, on which the best penalty changes from round to round.
WAVERING = split(
    *make_classification(400, 8, n_redundant=0, flip_y=0.2, random_state=1),
    n_labeled=30,
    validation=80,
    seed=0,
)


def with_setting(**changed: Any) -> Task:
    return replace(TASK, setting=replace(SETTING, **changed))


def plain(C: float = 0.5) -> LogisticRegression:
    return LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12)


def same_model(model: Any, other: Any) -> None:
    """As near as L-BFGS comes, which fits more than 200 coefficients, as here."""
    assert_array_equal(model.classes_, other.classes_)
    assert_allclose(model.coef_, other.coef_, atol=1e-5)
    assert_allclose(
        model.predict_proba(DATA.test[0]), other.predict_proba(DATA.test[0]), atol=1e-5
    )


def marked(split: Split) -> Part:
    """Labeled and pool rows, as a semi-supervised classifier wants them."""
    return joined(split.labeled, (split.pool[0], np.full(len(split.pool[1]), -1)))


def fitted_classifier(task: Task, **parameters: Any) -> SalutaryClassifier:
    model = SalutaryClassifier(
        # The solver of the benchmark, so that near ties fall alike.
        plain().set_params(solver="lbfgs", tol=1e-10, max_iter=10_000),
        budget=task.setting.budget,
        batch_size=task.setting.batch_size,
        hessian=task.setting.hessian,
        random_state=task.seed,
        **parameters,
    )
    return model.fit(*marked(task.split), *task.split.validation)


def right(classifier: Any, task: Task, iteration: int) -> float:
    """Share of the labels assigned up to an iteration that are true."""
    truth = np.concatenate([task.split.labeled[1], task.split.pool[1]])
    when = classifier.labeled_iter_
    assigned = (when > 0) & (when <= iteration)
    if not assigned.any():
        return float("nan")
    return float((classifier.transduction_ == truth)[assigned].mean())


@pytest.mark.parametrize("rule", ["tempered", "plausible", "paper"])
@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("hessian", ["train", "pool"])
@pytest.mark.parametrize("seed", [0, 1])
def test_salutary_is_the_classifier_of_the_same_parameters(
    rule: str, guard: bool, hessian: str, seed: int
) -> None:
    task = replace(with_setting(hessian=hessian), seed=seed)
    steps = list(Salutary(rule, guard=guard)(task))
    expected = fitted_classifier(task, rule=rule, guard=guard)
    same_model(steps[-1].model, expected.estimator_)
    assert steps[-1].n_labeled == 30 + (expected.labeled_iter_ > 0).sum()
    for iteration, step in enumerate(steps):
        assert_allclose(step.agreement, right(expected, task, iteration))
    assert len(steps) == expected.n_iter_ + 1


@pytest.mark.slow
def test_the_guards_refusal_leaves_the_model_as_it_was() -> None:
    X, y = make_classification(
        300, 4, n_redundant=0, flip_y=0.4, class_sep=0.3, random_state=0
    )
    ended = set()
    for seed in range(8):
        rows = split(X, y.astype(np.intp), n_labeled=30, validation=60, seed=seed)
        task = Task(rows, replace(SETTING, budget=60, batch_size=20), seed)
        steps = list(Salutary("paper", guard=True)(task))
        expected = fitted_classifier(task, rule="paper", guard=True)
        assert_allclose(steps[-1].model.coef_, expected.estimator_.coef_, atol=1e-6)
        ended.add(expected.termination_condition_)
        if expected.termination_condition_ == "guard":
            assert steps[-1].n_labeled == steps[-2].n_labeled
            assert_array_equal(steps[-1].model.coef_, steps[-2].model.coef_)
            assert_allclose(steps[-1].agreement, steps[-2].agreement)
    assert "guard" in ended


@pytest.mark.parametrize("name", ["Salutary-paper", "Salutary-plausible"])
def test_salutary_begins_with_the_labeled_rows_and_adds_a_batch_a_round(
    name: str,
) -> None:
    steps = list(NO_LABELS[name](TASK))
    assert [step.n_labeled for step in steps] == [30, 33, 36, 37]
    same_model(steps[0].model, plain().fit(*DATA.labeled))
    assert np.isnan(steps[0].agreement)


@pytest.mark.slow
@pytest.mark.parametrize("name", NO_LABELS)
@pytest.mark.parametrize("C", [0.5, None])
def test_no_model_depends_on_the_pools_labels(name: str, C: float | None) -> None:
    task = with_setting(C=C)
    lying = replace(DATA, pool=(DATA.pool[0], (DATA.pool[1] + 1) % 4))
    honest = list(NO_LABELS[name](task))
    lied_to = list(NO_LABELS[name](replace(task, split=lying)))
    for step, other in zip(honest, lied_to, strict=True):
        assert step.n_labeled == other.n_labeled
        assert_array_equal(
            step.model.predict_proba(DATA.test[0]),
            other.model.predict_proba(DATA.test[0]),
        )


@pytest.mark.parametrize("name", [*NO_LABELS, *CONTROLS])
def test_a_seed_fixes_the_models(name: str) -> None:
    strategy = {**NO_LABELS, **CONTROLS}[name]
    for step, again in zip(strategy(TASK), strategy(TASK), strict=True):
        assert_array_equal(
            step.model.predict_proba(DATA.test[0]),
            again.model.predict_proba(DATA.test[0]),
        )


@pytest.mark.parametrize("then_validation", [False, True])
def test_a_tuned_penalty_is_one_of_those_there_are(then_validation: bool) -> None:
    strategy = Salutary("plausible", then_validation=then_validation)
    models = [step.model for step in strategy(with_setting(C=None))]
    assert {model.C for model in models} <= set(PENALTIES)
    # Fitted with the penalty they name.
    start = joined(DATA.labeled, *[DATA.validation] * then_validation)
    same_model(models[0], plain(models[0].C).fit(*start))


def test_a_tuned_run_whose_penalty_stays_is_the_run_with_that_penalty() -> None:
    tuned = list(Salutary("plausible")(with_setting(C=None)))
    penalties = {step.model.C for step in tuned}
    assert len(penalties) == 1
    settled = list(Salutary("plausible")(with_setting(C=penalties.pop())))
    for step, other in zip(tuned, settled, strict=True):
        same_model(step.model, other.model)
        assert_allclose(step.agreement, other.agreement)


def test_a_tuned_run_is_a_loop_that_tunes_on_human_labels_after_each_round() -> None:
    task = replace(with_setting(C=None, budget=40, batch_size=10), split=WAVERING)
    labeled, (X_pool, _), (X_val, y_val) = (
        WAVERING.labeled,
        WAVERING.pool,
        WAVERING.validation,
    )
    known, left, penalties = labeled, np.arange(len(X_pool)), []
    for step in Salutary("plausible")(task):
        C = best_C(known, len(labeled[1]))
        penalties.append(C)
        model = plain(C).fit(*known)
        assert step.model.C == C
        assert_allclose(step.model.coef_, model.coef_, atol=1e-6)
        assert step.n_labeled == len(known[1])
        influence = label_influence(
            model, X_pool[left], X_train=known[0], X_val=X_val, y_val=y_val
        )
        score = influence * model.predict_proba(X_pool[left])
        best = np.argsort(-score.max(axis=1))[:10]
        assigned = score[best].argmax(axis=1)
        known = joined(known, (X_pool[left[best]], assigned))
        left = np.delete(left, best)
    assert len(set(penalties)) > 1


def test_then_validation_refits_each_rounds_model_with_the_validation_rows() -> None:
    steps = list(Salutary("plausible", then_validation=True)(TASK))
    assert [step.n_labeled for step in steps] == [110, 113, 116, 117]
    same_model(steps[0].model, plain().fit(*joined(DATA.labeled, DATA.validation)))
    expected = fitted_classifier(
        TASK, rule="plausible", guard=False, refit_on_validation=True
    )
    same_model(steps[-1].model, expected.estimator_)
    assert_allclose(steps[-1].agreement, right(expected, TASK, 3))


def self_trained(rows: Part, split: Split, max_iter: int) -> SelfTrainingClassifier:
    model = SelfTrainingClassifier(
        plain(), criterion="k_best", k_best=3, max_iter=max_iter
    )
    return model.fit(*joined(rows, (split.pool[0], np.full(len(split.pool[1]), -1))))


@pytest.mark.parametrize("equal_labels", [False, True])
def test_self_training_ends_with_a_fit_to_scikit_learns_labels(
    equal_labels: bool,
) -> None:
    task = with_setting(budget=6, equal_labels=equal_labels)
    steps = list(NO_LABELS["SelfTraining"](task))
    rows = joined(DATA.labeled, *[DATA.validation] * equal_labels)
    start = len(rows[1])
    assert [step.n_labeled - start for step in steps] == [0, 3, 6]
    expected = self_trained(rows, DATA, 2)
    known = expected.labeled_iter_ >= 0
    X = np.concatenate([rows[0], DATA.pool[0]])
    same_model(steps[-1].model, plain().fit(X[known], expected.transduction_[known]))
    same_model(steps[0].model, plain().fit(*rows))
    truth = np.concatenate([rows[1], DATA.pool[1]])
    assigned = expected.labeled_iter_ > 0
    share = (expected.transduction_ == truth)[assigned].mean()
    assert steps[-1].agreement == pytest.approx(share)


def test_self_training_ends_when_the_pool_does() -> None:
    small = replace(DATA, pool=(DATA.pool[0][:4], DATA.pool[1][:4]))
    steps = list(NO_LABELS["SelfTraining"](replace(TASK, split=small)))
    assert [step.n_labeled for step in steps] == [30, 33, 34]


def spread(rows: Part) -> LabelSpreading:
    """scikit-learn's own on seven neighbors."""
    with np.errstate(invalid="ignore"):
        return LabelSpreading(kernel="knn", n_neighbors=7, max_iter=200).fit(*rows)


def test_label_spreading_is_scikit_learns() -> None:
    (step,) = NO_LABELS["LabelSpreading"](TASK)
    expected = spread(marked(DATA))
    assert step.n_labeled == len(expected.transduction_)
    chance = step.model.predict_proba(DATA.test[0])
    assert_array_equal(step.model.classes_, expected.classes_)
    assert_allclose(chance, expected.predict_proba(DATA.test[0]))
    assert_allclose(chance.sum(axis=1), 1)
    share = (expected.transduction_[30:] == DATA.pool[1]).mean()
    assert step.agreement == pytest.approx(share)


def test_label_spreading_says_class_frequencies_where_no_label_reaches() -> None:
    # Each far-away row has all its neighbors among the others there.
    away = DATA.pool[0][:20] * 1e-3 + 1e3
    pool = (
        np.concatenate([DATA.pool[0], away]),
        np.concatenate([DATA.pool[1], np.zeros(20, dtype=np.intp)]),
    )
    labeled = (DATA.labeled[0][:25], DATA.labeled[1][:25])
    far = replace(DATA, labeled=labeled, pool=pool)
    (step,) = NO_LABELS["LabelSpreading"](replace(TASK, split=far))
    asked = np.concatenate([DATA.test[0], away + 1e-4])
    chance = step.model.predict_proba(asked)
    with np.errstate(invalid="ignore"):
        own = spread(marked(far)).predict_proba(asked)
    finite = np.isfinite(own).all(axis=1)
    assert not finite[-20:].any()
    assert finite[:-20].all()
    assert_allclose(chance[finite], own[finite])
    frequency = np.bincount(labeled[1], minlength=4) / 25
    assert len(set(frequency)) > 1
    assert_allclose(chance[~finite], np.tile(frequency, (20, 1)))


def test_label_spreading_with_many_identical_rows_stays_finite() -> None:
    # More copies than neighbors: they are one another's only neighbors.
    copies = np.repeat(DATA.pool[0][:1] + 50, 30, axis=0)
    pool = (
        np.concatenate([DATA.pool[0], copies]),
        np.concatenate([DATA.pool[1], np.zeros(30, dtype=np.intp)]),
    )
    (step,) = NO_LABELS["LabelSpreading"](replace(TASK, split=replace(DATA, pool=pool)))
    chance = step.model.predict_proba(copies)
    assert np.isfinite(chance).all()
    assert_allclose(chance.sum(axis=1), 1)


def test_information_maximization_is_at_an_optimum_of_what_it_says() -> None:
    (step,) = NO_LABELS["InformationMaximization"](TASK)
    model, (X, y) = step.model, DATA.labeled
    assert model.C == SETTING.C
    frequency = np.bincount(y, minlength=4) / len(y) * 0.999 + 0.001 / 4

    def objective(flat: Any) -> float:
        coef, intercept = flat[:-4].reshape(4, -1), flat[-4:]
        loss = -log_softmax(X @ coef.T + intercept, axis=1)[np.arange(len(y)), y].sum()
        pool = np.exp(log_softmax(DATA.pool[0] @ coef.T + intercept, axis=1))
        drawn = entropy(pool, axis=1).mean() + entropy(pool.mean(axis=0), frequency)
        return float(loss + (coef**2).sum() / 2 / SETTING.C + 0.3 * len(y) * drawn)

    at = np.concatenate([model.coef_.ravel(), model.intercept_])
    slope = approx_fprime(at, objective)
    assert abs(slope).max() < 1e-3
    without = plain().fit(X, y)
    start = np.concatenate([without.coef_.ravel(), without.intercept_])
    assert abs(approx_fprime(start, objective)).max() > 0.1
    assert objective(at) < objective(start)


def test_whole_pool_self_training_is_three_fits_to_its_own_labels() -> None:
    (step,) = NO_LABELS["WholePoolSelfTraining"](TASK)
    (X, y), (pool, _) = DATA.labeled, DATA.pool
    model = plain().fit(X, y)
    for _ in range(3):
        chance, rows = model.predict_proba(pool), []
        labels = chance.argmax(axis=1)
        for label in range(4):
            of_label = np.flatnonzero(labels == label)
            order = np.argsort(-chance[of_label, label], kind="stable")
            rows.extend(of_label[order[: -(-len(of_label) // 2)]])
        weight = np.append(np.ones(len(y)), np.full(len(rows), len(y) / len(rows)))
        both = joined((X, y), (pool[rows], labels[rows]))
        model = plain().fit(*both, sample_weight=weight)
    same_model(step.model, model)


def test_the_teacher_is_scikit_learns_label_spreading() -> None:
    (step,) = NO_LABELS["LabelSpreadingTeacher"](TASK)
    teacher = LabelSpreading(kernel="knn", n_neighbors=7, max_iter=1000, tol=1e-9)
    teacher.fit(*marked(DATA))
    shares = teacher.label_distributions_[30:]
    weight = shares.max(axis=1) / shares.max(axis=1).sum() * 30
    both = joined(DATA.labeled, (DATA.pool[0], shares.argmax(axis=1)))
    same_model(
        step.model, plain().fit(*both, sample_weight=np.append(np.ones(30), weight))
    )


def test_semi_supervised_is_the_estimator_as_it_comes() -> None:
    (step,) = NO_LABELS["SemiSupervised"](with_setting(equal_labels=True))
    rows = joined(DATA.labeled, DATA.validation)
    expected = SemiSupervisedClassifier(random_state=0).fit(
        *joined(rows, (DATA.pool[0], np.full(len(DATA.pool[1]), -1)))
    )
    assert expected.parameters_
    assert_allclose(
        step.model.predict_proba(DATA.test[0]), expected.predict_proba(DATA.test[0])
    )
    assert step.n_labeled == len(rows[1]) + len(DATA.pool[1])
    right = expected.predict(DATA.pool[0]) == DATA.pool[1]
    assert step.agreement == pytest.approx(right.mean())


def test_a_pool_that_is_left_alone_is_no_row_that_was_trained_on() -> None:
    noise = np.random.default_rng(0).normal(size=DATA.pool[0].shape)
    other = replace(DATA, pool=(noise, DATA.pool[1]))
    (step,) = NO_LABELS["SemiSupervised"](replace(TASK, split=other))
    assert step.model.parameters_ == {}
    assert step.n_labeled == 30
    assert np.isnan(step.agreement)


def without_class(part: Part, label: int) -> Part:
    kept = part[1] != label
    return part[0][kept], part[1][kept]


@pytest.mark.parametrize(
    "name", ["SelfTraining", "LabelSpreading", *WHOLE_POOL, *CONTROLS]
)
def test_a_class_that_no_labeled_row_has_is_no_obstacle(name: str) -> None:
    lacking = replace(DATA, labeled=without_class(DATA.labeled, 1))
    strategy = {**NO_LABELS, **CONTROLS}[name]
    *_, last = strategy(replace(TASK, split=lacking))
    assert set(last.model.classes_) <= {0, 1, 2, 3}
    chance = last.model.predict_proba(DATA.test[0])
    assert chance.shape == (len(DATA.test[1]), len(last.model.classes_))
    assert_allclose(chance.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("TrainOnly", ["labeled"]),
        ("ValidationOnly", ["validation"]),
        ("TrainPlusValidation", ["labeled", "validation"]),
        ("FullPool", ["labeled", "pool"]),
    ],
)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("equal_labels", [True, False])
def test_a_control_is_a_plain_fit_on_the_rows_it_names(
    name: str, parts: list[str], fit_intercept: bool, equal_labels: bool
) -> None:
    task = with_setting(fit_intercept=fit_intercept, equal_labels=equal_labels)
    step: Step
    (step,) = CONTROLS[name](task)
    rows = joined(*[getattr(DATA, part) for part in parts])
    assert step.n_labeled == len(rows[1])
    assert np.isnan(step.agreement)
    expected = plain().set_params(fit_intercept=fit_intercept).fit(*rows)
    same_model(step.model, expected)
    assert_allclose(step.model.intercept_, expected.intercept_, atol=1e-5)
