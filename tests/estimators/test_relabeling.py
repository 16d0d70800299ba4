"""Relabeling against refits by scikit-learn, and labels known to be wrong."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from salutary.estimators.relabeling import Relabeling, relabel
from salutary.influence.objectives import ExpectedCost
from salutary.labeling.edits import BATCHES, default_batch
from salutary.labeling.tuning import PENALTIES

N = 80


class Blobs:
    """Noisy training rows, clean validation rows."""

    def __init__(
        self, n_classes: int = 3, noise: float = 0.25, seed: int = 1, box: float = 3.0
    ) -> None:
        X, y = make_blobs(
            2 * N,
            3,
            centers=n_classes,
            center_box=(-box, box),
            cluster_std=1.5,
            random_state=seed,
        )
        self.X, self.true, self.X_val, self.y_val = X[:N], y[:N], X[N:], y[N:]
        rng = np.random.default_rng(seed)
        wrong = rng.random(N) < noise
        self.y = np.where(wrong, (self.true + 1) % n_classes, self.true)

    def run(self, **parameters: Any) -> Relabeling:
        given = {"X": self.X, "y": self.y, "X_val": self.X_val, "y_val": self.y_val}
        plain = {"random_state": 0, "estimator": LogisticRegression()}
        return relabel(**{**plain, **given, **parameters})


def fit(
    X: Any, y: np.ndarray, weight: np.ndarray | None = None, **parameters: Any
) -> LogisticRegression:
    model = LogisticRegression(solver="newton-cholesky", tol=1e-12, **parameters)
    return model.fit(X, y, sample_weight=weight)


def wrong(found: Relabeling, blobs: Blobs) -> int:
    return int((found.y != blobs.true).sum())


def mean_log_loss(y: np.ndarray, probability: np.ndarray, groups: Any) -> float:
    return float(log_loss(y, probability, labels=range(probability.shape[1])))


def class_mean(y: np.ndarray, probability: np.ndarray, groups: Any) -> float:
    kinds = [y == k for k in np.unique(y)]
    return float(np.mean([mean_log_loss(y[o], probability[o], None) for o in kinds]))


def worst_mean(y: np.ndarray, probability: np.ndarray, groups: np.ndarray) -> float:
    kinds = [groups == g for g in np.unique(groups)]
    losses = np.array([mean_log_loss(y[o], probability[o], None) for o in kinds])
    return float(0.1 * np.log(np.mean(np.exp(losses / 0.1))))


COSTS = np.array([[0.0, 1, 5], [2, 0, 1], [1, 8, 0]])


def mean_cost(y: np.ndarray, probability: np.ndarray, groups: Any) -> float:
    return float(np.mean([COSTS[t] @ p for t, p in zip(y, probability, strict=True)]))


OBJECTIVES = {
    "log_loss": ("log_loss", mean_log_loss),
    "balanced": ("balanced", class_mean),
    "worst_group": ("worst_group", worst_mean),
    "cost": (ExpectedCost(COSTS), mean_cost),
}
every_objective = pytest.mark.parametrize(
    ("objective", "value"), OBJECTIVES.values(), ids=OBJECTIVES.keys()
)
GROUPS = np.random.default_rng(9).integers(3, size=N)


@every_objective
@pytest.mark.parametrize("rule", ["paper", "plausible", "tempered"])
def test_influences_are_the_derivatives_that_split_rows_show(
    rule: str, objective: Any, value: Any
) -> None:
    blobs = Blobs()
    weight = np.linspace(0.5, 2, N)
    found = blobs.run(
        objective=objective,
        groups_val=GROUPS,
        rule=rule,
        guard=False,
        sample_weight=weight,
        batch_size=3,
        budget=6,
    )
    assert found.switches["round"].tolist() == [1] * 3 + [2] * 3
    y = blobs.y.copy()
    for _, batch in found.switches.groupby("round"):
        start = fit(blobs.X, y, weight)
        for line in batch.itertuples():
            values = []
            for moved in (0.0, 1e-3, 2e-3):
                split = np.append(weight, moved)
                split[line.row] -= moved
                refit = fit(
                    np.vstack([blobs.X, blobs.X[line.row]]),
                    np.append(y, line.label),
                    split,
                )
                chance = refit.predict_proba(blobs.X_val)
                values.append(value(blobs.y_val, chance, GROUPS))
            slope = (3 * values[0] - 4 * values[1] + values[2]) / 2e-3
            assert line.influence == pytest.approx(slope, rel=2e-3)
            assert line.old_label == y[line.row] != line.label
            chance = start.predict_proba(blobs.X[[line.row]])[0, line.label]
            assert line.probability == pytest.approx(chance, rel=1e-5)
        y[batch["row"]] = batch["label"]
    assert_array_equal(found.y, y)


@pytest.mark.slow
@pytest.mark.parametrize("class_weight", [None, {0: 1.0, 1: 4.0, 2: 0.3}])
def test_the_first_round_switches_the_labels_of_largest_effect(
    class_weight: Any,
) -> None:
    blobs = Blobs()
    found = blobs.run(
        estimator=LogisticRegression(class_weight=class_weight),
        rule="paper",
        guard=False,
        batch_size=5,
        budget=5,
    )
    start = fit(blobs.X, blobs.y, class_weight=class_weight)
    before = log_loss(blobs.y_val, start.predict_proba(blobs.X_val))
    effect = np.zeros((N, 3))
    for row, label in np.ndindex(N, 3):
        if label != blobs.y[row]:
            weight = np.append(np.ones(N), 1e-4)
            weight[row] -= 1e-4
            rows = np.vstack([blobs.X, blobs.X[row]])
            refit = fit(
                rows, np.append(blobs.y, label), weight, class_weight=class_weight
            )
            after = log_loss(blobs.y_val, refit.predict_proba(blobs.X_val))
            effect[row, label] = (before - after) / 1e-4
    best = np.argsort(-effect.max(axis=1))[:5]
    assert found.switches["row"].tolist() == best.tolist()
    assert found.switches["label"].tolist() == effect[best].argmax(axis=1).tolist()


@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("rule", ["plausible", "tempered"])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"fit_intercept": False},
        {"class_weight": "balanced"},
        {"C": 0.05},
    ],
    ids=str,
)
def test_labels_switches_and_model_go_together(
    parameters: dict[str, Any], rule: str, guard: bool
) -> None:
    blobs = Blobs()
    found = blobs.run(
        estimator=LogisticRegression(**parameters), rule=rule, guard=guard, budget=25
    )
    switches = found.switches
    assert switches["row"].is_unique
    assert len(switches) <= 25
    expected = blobs.y.copy()
    expected[switches["row"]] = switches["label"]
    assert_array_equal(found.y, expected)
    assert_array_equal(switches["old_label"], blobs.y[switches["row"]])
    assert (switches["old_label"] != switches["label"]).all()
    assert (switches[["influence", "influence_se"]] > 0).all(axis=None)
    exact = fit(blobs.X, found.y, **parameters)
    assert_allclose(found.model.coef_, exact.coef_, rtol=1e-4, atol=1e-6)
    assert_allclose(found.model.intercept_, exact.intercept_, rtol=1e-4, atol=1e-6)
    kept = [record for record in found.history if not record["undone"]]
    assert switches["round"].nunique() == len(kept) - 1
    loss = log_loss(blobs.y_val, exact.predict_proba(blobs.X_val))
    assert kept[-1]["validation_loss"] == pytest.approx(loss, rel=1e-5)
    undone = len(kept) < len(found.history)
    assert (found.termination == "guard") == undone
    assert {record["n_labeled"] for record in found.history} == {N}
    assert not undone or guard


def test_the_callers_labels_are_not_changed() -> None:
    blobs = Blobs()
    before = blobs.y.copy()
    assert len(blobs.run(guard=False, budget=5).switches) == 5
    assert_array_equal(blobs.y, before)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("guard", [False, True])
def test_noisy_labels_get_cleaner(guard: bool, n_classes: int) -> None:
    blobs = Blobs(n_classes, noise=0.3, box=8.0)
    found = blobs.run(guard=guard, budget=None if guard else 20)
    n_wrong = int((blobs.y != blobs.true).sum())
    assert n_wrong > 15
    assert wrong(found, blobs) <= 0.5 * n_wrong
    before, after = (
        log_loss(blobs.y_val, fit(blobs.X, y).predict_proba(blobs.X_val))
        for y in (blobs.y, found.y)
    )
    assert after < before


@pytest.mark.slow
@every_objective
def test_every_objective_falls_on_rows_that_nothing_saw(
    objective: Any, value: Any
) -> None:
    blobs = Blobs(noise=0.35)
    X_new, y_new = blobs.X_val[::2], blobs.y_val[::2]
    groups = GROUPS[1::2]
    found = blobs.run(
        objective=objective,
        X_val=blobs.X_val[1::2],
        y_val=blobs.y_val[1::2],
        groups_val=groups,
    )
    assert len(found.switches)
    before, after = (
        value(y_new, model.predict_proba(X_new), GROUPS[::2])
        for model in (fit(blobs.X, blobs.y), found.model)
    )
    assert after < before


def test_the_guard_undoes_what_harms_clean_labels() -> None:
    blobs = Blobs(noise=0.0)
    settings = {"rule": "paper", "estimator": LogisticRegression(C=100.0)}
    guarded = blobs.run(batch_size=20, **settings)
    assert guarded.termination == "guard"
    assert guarded.history[-1]["undone"]
    unguarded = blobs.run(guard=False, batch_size=20, **settings)
    assert wrong(guarded, blobs) < wrong(unguarded, blobs)
    assert np.isnan(unguarded.history[0]["canary_loss"])


@pytest.mark.parametrize("budget", [0, 1, 7, 10])
def test_the_budget_is_what_is_switched_at_most(budget: int) -> None:
    found = Blobs().run(guard=False, budget=budget, batch_size=3)
    assert len(found.switches) == budget
    assert found.termination == "budget"
    sizes = [3] * (budget // 3) + ([budget % 3] if budget % 3 else [])
    counts = found.switches["round"].value_counts(sort=False).tolist()
    assert counts == sizes
    assert len(found.history) == 1 + len(sizes)


def test_without_switches_the_model_is_that_of_the_labels_as_they_are() -> None:
    blobs = Blobs()
    found = blobs.run(min_influence_z=1e9)
    assert found.termination == "no_positive_influence"
    assert [record["round"] for record in found.history] == [0]
    assert found.switches.columns.tolist() == [
        *("row", "old_label", "label"),
        *("influence", "influence_se", "probability", "round"),
    ]
    assert len(found.switches) == 0
    assert_array_equal(found.y, blobs.y)
    assert_allclose(found.model.coef_, fit(blobs.X, blobs.y).coef_, rtol=1e-4)


@pytest.mark.parametrize("z", [0.5, 2.0])
def test_switches_clear_the_smallest_z(z: float) -> None:
    found = Blobs().run(min_influence_z=z, guard=False)
    ratio = found.switches["influence"] / found.switches["influence_se"]
    assert len(ratio)
    assert (ratio >= z).all()
    without = Blobs().run(guard=False, budget=len(ratio)).switches
    assert (without["influence"] / without["influence_se"]).min() < z


def test_all_rows_are_switched_once_and_then_no_more() -> None:
    X = np.array([[-1.0], [1.0], [-2.0], [2.0], [-3.0], [3.0]])
    y = np.array([1, 0, 1, 0, 1, 0])
    X_val, y_val = np.array([[-1.5], [1.5]]), np.array([0, 1])
    found = relabel(X, y, X_val, y_val, guard=False, batch_size=2, budget=100)
    assert found.termination == "pool_exhausted"
    assert sorted(found.switches["row"]) == list(range(6))
    assert_array_equal(found.y, 1 - y)


def test_without_a_budget_the_rows_end_the_run() -> None:
    X, y = np.array([[-1.0], [1.0], [-2.0], [2.0]]), np.array([1, 0, 1, 0])
    X_val, y_val = np.array([[-1.5], [1.5]]), np.array([0, 1])
    found = relabel(X, y, X_val, y_val, guard=False)
    assert len(found.switches) == 4
    assert found.termination == "pool_exhausted"


@pytest.mark.parametrize(
    ("n_rows", "size"), [(1, 10), (500, 10), (549, 10), (550, 11), (5000, 100)]
)
def test_a_round_switches_ten_or_a_fiftieth(n_rows: int, size: int) -> None:
    assert BATCHES == 50
    assert default_batch(n_rows) == size


def test_the_default_batch_is_the_default() -> None:
    found = Blobs().run(guard=False, budget=15)
    assert found.switches["round"].tolist() == [1] * 10 + [2] * 5


def test_a_pipelines_earlier_steps_are_fitted_on_the_training_rows_alone() -> None:
    blobs = Blobs()
    scale = np.array([1e3, 1.0, 1e-3])
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.5))
    found = blobs.run(
        X=blobs.X * scale,
        X_val=blobs.X_val * scale,
        estimator=pipeline,
        guard=False,
        budget=15,
    )
    scaler = StandardScaler().fit(blobs.X)
    by_hand = blobs.run(
        X=scaler.transform(blobs.X),
        X_val=scaler.transform(blobs.X_val),
        estimator=LogisticRegression(C=0.5),
        guard=False,
        budget=15,
    )
    assert_array_equal(found.y, by_hand.y)
    assert [name for name, _ in found.model.steps] == [
        name for name, _ in pipeline.steps
    ]
    assert not hasattr(pipeline[0], "mean_")
    assert_allclose(
        found.model.predict_proba(blobs.X_val * scale),
        by_hand.model.predict_proba(scaler.transform(blobs.X_val)),
        rtol=1e-6,
    )
    refit = clone(found.model).set_params(logisticregression__tol=1e-10)
    refit.fit(blobs.X * scale, found.y)
    assert_allclose(
        found.model.predict_proba(blobs.X * scale),
        refit.predict_proba(blobs.X * scale),
        atol=1e-5,
    )


@pytest.mark.slow
def test_frames_keep_their_column_names() -> None:
    blobs = Blobs()
    columns = ["a", "b", "c"]
    X, X_val = (pd.DataFrame(rows, columns=columns) for rows in (blobs.X, blobs.X_val))
    y = pd.Series(blobs.y, index=np.arange(N) + 100)
    found = blobs.run(X=X, y=y, X_val=X_val, y_val=list(blobs.y_val), guard=False)
    assert found.model.feature_names_in_.tolist() == columns
    assert found.model.predict(X_val).shape == (N,)  # without a warning
    assert_array_equal(found.y, blobs.run(guard=False).y)
    pipeline = make_pipeline(StandardScaler(), PCA(2), LogisticRegression())
    piped = blobs.run(X=X, X_val=X_val, estimator=pipeline, guard=False, budget=5)
    assert piped.model.feature_names_in_.tolist() == columns
    assert piped.model.predict(X_val).shape == (N,)


def test_a_validation_frame_with_columns_in_another_order_is_refused() -> None:
    blobs = Blobs()
    X, X_val = (
        pd.DataFrame(rows, columns=list("abc")) for rows in (blobs.X, blobs.X_val)
    )
    with pytest.raises(ValueError, match="order"):
        blobs.run(X=X, X_val=X_val[["c", "b", "a"]], guard=False, budget=5)


@pytest.mark.slow
@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize(
    "names", [np.array(["ash", "birch", "cedar"]), np.array([False, True])], ids=str
)
def test_labels_of_any_kind_are_switched_as_numbers_are(
    names: np.ndarray, guard: bool
) -> None:
    blobs = Blobs(len(names))
    found = blobs.run(y=names[blobs.y], y_val=names[blobs.y_val], guard=guard)
    numbers = blobs.run(guard=guard)
    assert found.y.dtype == names.dtype
    assert_array_equal(found.y, names[numbers.y])
    assert_array_equal(found.switches["label"], names[numbers.switches["label"]])
    assert_array_equal(
        found.switches["old_label"], names[numbers.switches["old_label"]]
    )
    assert_array_equal(found.model.classes_, names)


def test_words_as_objects_are_switched_as_words_are() -> None:
    blobs, names = Blobs(), np.array(["ash", "birch", "cedar"])
    words, objects = (
        blobs.run(y=names.astype(kind)[blobs.y], y_val=names[blobs.y_val], guard=False)
        for kind in (str, object)
    )
    assert objects.y.dtype == object
    assert objects.y.tolist() == words.y.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_array, np.asarray])
def test_float32_and_sparse_rows_are_switched_alike(
    container: Any, dtype: type
) -> None:
    blobs = Blobs()
    rows = {
        "X": container(blobs.X.astype(dtype)),
        "X_val": container(blobs.X_val.astype(dtype)),
    }
    found = blobs.run(**rows, budget=12, guard=False)
    plain = blobs.run(budget=12, guard=False)
    assert_array_equal(found.y, plain.y)
    assert_allclose(found.switches["influence"], plain.switches["influence"], rtol=1e-3)


def test_float32_rows_are_fitted_in_double_precision() -> None:
    blobs = Blobs()
    X, X_val = ((rows + 100).astype(np.float32) for rows in (blobs.X, blobs.X_val))
    found = blobs.run(X=X, X_val=X_val, guard=False, budget=10)
    exact = fit(X.astype(float), found.y)
    assert_allclose(found.model.coef_, exact.coef_, rtol=1e-4)


@pytest.mark.parametrize("rule", ["plausible", "tempered"])
def test_rows_of_weight_zero_are_never_switched_and_change_nothing(rule: str) -> None:
    blobs = Blobs()
    weight = np.ones(N)
    weight[::4] = 0
    found = blobs.run(sample_weight=weight, rule=rule, guard=False, budget=N)
    assert len(found.switches)
    assert not (found.switches["row"] % 4 == 0).any()
    assert_array_equal(found.y[::4], blobs.y[::4])
    kept = np.flatnonzero(weight)
    without = blobs.run(X=blobs.X[kept], y=blobs.y[kept], rule=rule, guard=False)
    assert_array_equal(found.y[kept], without.y)


@pytest.mark.slow
def test_a_random_state_fixes_the_run() -> None:
    blobs = Blobs(noise=0.35)
    first, again = blobs.run(random_state=3), blobs.run(random_state=3)
    pd.testing.assert_frame_equal(first.switches, again.switches)
    assert_array_equal(first.model.coef_, again.model.coef_)
    canary = {
        tuple(entry["canary_loss"] for entry in blobs.run(random_state=seed).history)
        for seed in (3, 4)
    }
    assert len(canary) == 2  # it parts the validation rows


def test_a_callable_rule_gets_the_effect_and_the_probability() -> None:
    blobs = Blobs()

    def own(influence: np.ndarray, probability: np.ndarray) -> np.ndarray:
        assert_allclose(probability.sum(axis=1), 1, rtol=1e-6)
        assert ((influence == 0).sum(axis=1) == 1).all()  # of the row's own label
        return influence * probability

    settings = {"guard": False, "budget": 12}
    found = blobs.run(rule=own, **settings)
    assert_array_equal(found.y, blobs.run(rule="plausible", **settings).y)


def test_a_callable_objective_is_as_good_as_a_name() -> None:
    blobs = Blobs()

    def own(logits: np.ndarray, truth: Any) -> tuple[float, np.ndarray]:
        chance = softmax(logits, axis=1)
        rows = np.arange(len(logits))
        gradient = chance.copy()
        gradient[rows, truth.labels] -= 1
        share = truth.weight / truth.weight.sum()
        value = -share @ np.log(chance[rows, truth.labels])
        return float(value), gradient * share[:, None]

    for guard in (False, True):
        found = blobs.run(objective=own, guard=guard, budget=10)
        assert_array_equal(found.y, blobs.run(guard=guard, budget=10).y)


def test_verbose_prints_a_line_a_round(capsys: pytest.CaptureFixture[str]) -> None:
    Blobs().run(guard=False, budget=12, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["round 1", "round 2"]
    Blobs().run(guard=False, budget=12)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("objective", ["log_loss", "balanced", ExpectedCost(COSTS)])
def test_one_validation_row_has_no_standard_error(objective: Any) -> None:
    blobs = Blobs()
    found = blobs.run(
        X_val=blobs.X_val[:1],
        y_val=blobs.y_val[:1],
        objective=objective,
        guard=False,
        budget=3,
    )
    assert len(found.switches) == 3
    assert found.switches["influence_se"].isna().all()


def test_one_validation_row_has_no_standard_error_of_the_worst_group() -> None:
    blobs = Blobs()
    found = blobs.run(
        X_val=blobs.X_val[:1],
        y_val=blobs.y_val[:1],
        objective="worst_group",
        groups_val=["a"],
        guard=False,
        budget=3,
    )
    assert found.switches["influence_se"].isna().all()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_slip_of_the_pen_stays_a_class_of_its_own(n_classes: int) -> None:
    blobs = Blobs(2, noise=0.0)
    y = blobs.y.copy()
    if n_classes == 3:
        y[5] = 2  # a slip of the pen
    else:
        y[:] = 0
        y[5] = 1
        blobs.y_val[:] = 0
    found = blobs.run(y=y, guard=False, rule="plausible", batch_size=1, budget=N)
    assert n_classes == 2 or len(found.switches) > 3
    assert 5 not in found.switches["row"].tolist()
    exact = fit(blobs.X, found.y)
    assert_allclose(found.model.coef_, exact.coef_, rtol=1e-4, atol=1e-6)
    assert found.model.predict_proba(blobs.X).shape == (N, n_classes)


def test_without_an_estimator_C_is_the_best_by_the_validation_rows() -> None:
    blobs = Blobs()
    found = blobs.run(estimator=None, budget=2)
    losses = {
        C: log_loss(blobs.y_val, fit(blobs.X, blobs.y, C=C).predict_proba(blobs.X_val))
        for C in PENALTIES
    }
    assert min(losses, key=lambda C: losses[C]) == found.model.C
    search = LogisticRegressionCV(
        Cs=[0.01, 1.0], cv=3, scoring="neg_log_loss", l1_ratios=(0.0,),
        use_legacy_attributes=False,
    )  # fmt: skip
    chosen = search.fit(blobs.X, blobs.y).C_
    assert chosen == blobs.run(estimator=search, budget=2).model.C


def test_too_few_validation_rows_for_a_guard_are_said_to_be() -> None:
    blobs = Blobs()
    with pytest.warns(UserWarning, match="5 validation rows are too few to guard"):
        blobs.run(X_val=blobs.X_val[:5], y_val=blobs.y_val[:5], budget=2)


INFINITE = np.full((N, 3), np.inf)
REFUSED = {
    "one class": ({"y": np.zeros(N)}, "only one class: 0.0"),
    "as many labels as rows": ({"y": np.zeros(3)}, "inconsistent numbers"),
    "as many validation labels": ({"y_val": np.zeros(3)}, "inconsistent numbers"),
    "other features": (
        {"X_val": np.zeros((N, 2))},
        "X_val has 2 features, but X has 3",
    ),
    "an unknown class": ({"y_val": np.full(N, 7)}, "y_val has the class 7 .row 0"),
    "infinity": ({"X": INFINITE}, "row 0, column 0"),
    "infinity to validate on": ({"X_val": INFINITE}, "X_val contains infinity"),
    "a rule": ({"rule": "best"}, "rule"),
    "an objective": ({"objective": "accuracy"}, "objective must be one of"),
    "no groups": ({"objective": "worst_group"}, "pass groups_val"),
    "few groups": ({"groups_val": [1]}, "inconsistent numbers"),
    "no label": (
        {"y": np.array([*["a", "b"] * (N // 2 - 1), "a", None], dtype=object)},
        f"^y has no label in row {N - 1}; give it one, or drop the row",
    ),
    "no label among words in a list": (
        {"y": [*["a", "b"] * (N // 2 - 1), "a", np.nan]},
        f"^y has no label in row {N - 1}; ",
    ),
    "no label to validate on": (
        {"y_val": np.array([None, *[0] * (N - 1)], dtype=object)},
        "^y_val has no label in row 0; ",
    ),
    "real values": ({"y": np.linspace(0, 1, N)}, "Unknown label type: continuous"),
    "words and numbers": ({"y": ["no", 7] * (N // 2)}, "^y has labels of several kin"),
    "tuples": (
        {"y": [(1, 2), (3, 4)] * (N // 2)},
        "^y has the label .1, 2. in row 0, of",
    ),
    "no weight": ({"sample_weight": np.zeros(N)}, "^sample_weight(: | is zero)"),
    "a tiny C": ({"estimator": LogisticRegression(C=1e-320)}, "^C="),
    "costs by name": ({"objective": "cost"}, r"pass salutary.ExpectedCost\(costs\)"),
    "a negative weight": ({"sample_weight": -np.ones(N)}, "[Nn]egative"),
    "a forest": ({"estimator": StandardScaler()}, "a Pipeline ending in one"),
    "no penalty": ({"estimator": LogisticRegression(C=np.inf)}, "C"),
    "small costs": ({"objective": ExpectedCost(np.eye(2))}, "costs must be finite"),
}


@pytest.mark.parametrize(("parameters", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_input_is_refused(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Blobs().run(**parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {"batch_size": 0},
        {"batch_size": -1},
        {"budget": -1},
        {"budget": 2.5},
        {"min_influence_z": -1.0},
        {"min_influence_z": np.nan},
    ],
    ids=str,
)
def test_numbers_out_of_range_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(parameters))):
        Blobs().run(**parameters, guard=False)


@pytest.mark.parametrize(
    ("dtype", "kind"), [("Int64", "i"), ("boolean", "b"), ("string", "O")]
)
def test_nullable_dtypes_of_pandas_keep_their_labels(dtype: str, kind: str) -> None:
    blobs = Blobs(2)
    y = pd.Series(blobs.y.astype(str if dtype == "string" else int)).astype(dtype)
    y_val = pd.Series(blobs.y_val.astype(str if dtype == "string" else int))
    found = blobs.run(y=y, y_val=y_val.astype(dtype), guard=False, budget=10)
    numbers = blobs.run(guard=False, budget=10)
    assert found.y.dtype.kind == found.model.classes_.dtype.kind == kind
    assert found.y.astype(int).tolist() == numbers.y.tolist()
