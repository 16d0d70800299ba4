"""The advice against scikit-learn and SciPy on the same folds, and what it refuses."""

import json
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import softmax
from scipy.stats import ttest_rel
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss

import salutary.cli.main
import salutary.runs.advise
import salutary.runs.directory
from salutary import advise
from salutary.advice import comparison as module
from salutary.advice.comparison import (
    Comparison,
    compare,
    rows_of_pool,
    rows_of_whole_pool,
)
from salutary.advice.cross_fitting import FoldResults, Judged, cross_fit
from salutary.advice.options import OPTIONS, POOL_OPTIONS
from salutary.advice.task import AdviceTask, FittedOption
from salutary.advice.verdict import ASSIGNED
from salutary.influence.objectives import row_log_loss
from salutary.labeling.rows import LabeledRows
from salutary.labeling.splits import stratified_parts
from salutary.labeling.tuning import PENALTIES

X, Y = make_blobs(150, 4, centers=3, cluster_std=4.0, random_state=3)
TRAIN, VALIDATION, POOL = slice(0, 30), slice(30, 75), slice(75, 150)
SMALL: dict[str, Any] = {
    "budget": 6,
    "batch_size": 3,
    "splits": 2,
    "repeats": 1,
    "random_state": 0,
    "estimator": LogisticRegression(),  # takes rows as they are
}


def small(X: Any = X, y: Any = Y, *, pool: bool = False, **further: Any) -> Comparison:
    """An advice on few rows, within half a second without a pool."""
    arguments = {**SMALL, **further}
    return advise(
        *(X[TRAIN], y[TRAIN], X[VALIDATION], y[VALIDATION]),
        X[POOL] if pool else None,
        **arguments,
    )


@pytest.fixture(scope="module")
def plain() -> Comparison:
    """What the variants of the same task are compared with."""
    return small()


@pytest.fixture(scope="module")
def plain_with_pool() -> Comparison:
    return small(pool=True)


def case(pool: bool = False) -> AdviceTask:
    def rows(part: slice) -> LabeledRows:
        return LabeledRows(X[part], Y[part], np.ones(len(Y[part])))

    found = X[POOL] if pool else None
    return AdviceTask(np.arange(3), rows(TRAIN), rows(VALIDATION), found, 6, 3, seed=5)


@pytest.fixture(scope="module")
def cross_fitted() -> dict[str, Judged]:
    return cross_fit(case(), 3, 2, lambda line: None)


@pytest.mark.slow
def test_training_rows_alone_against_scikit_learn_on_the_same_folds(
    cross_fitted: dict[str, Judged],
) -> None:
    judged = cross_fitted["train only"]
    X_train, y_train, X_val, y_val = X[TRAIN], Y[TRAIN], X[VALIDATION], Y[VALIDATION]
    rng = np.random.RandomState(5)
    losses, right, chosen = np.zeros(45), np.zeros(45), []
    for _ in range(2):
        for seen, held in stratified_parts(y_val, 3, rng):
            rng.randint(2**31)  # the seed of the fold
            models = [
                LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12).fit(
                    X_train, y_train
                )
                for C in PENALTIES
            ]
            model = min(
                models,
                key=lambda m: log_loss(y_val[seen], m.predict_proba(X_val[seen])),
            )
            chosen.append(model.C)
            for row in held:
                chance = model.predict_proba(X_val[[row]])
                losses[row] += log_loss(y_val[[row]], chance, labels=[0, 1, 2]) / 2
                right[row] += accuracy_score(y_val[[row]], [chance.argmax()]) / 2
    found = np.mean([row_log_loss(logits, y_val) for logits in judged.logits], axis=0)
    np.testing.assert_allclose(found, losses, atol=1e-6)
    np.testing.assert_allclose(
        (judged.logits.argmax(axis=2) == y_val).mean(axis=0), right
    )
    assert judged.C.tolist() == chosen
    assert not judged.validation_weight.any()


@pytest.mark.slow
def test_every_row_is_judged_by_fits_that_have_not_seen_it() -> None:
    """A validation row with a label of its own cannot be told by the others."""
    X_val, y_val = X[VALIDATION].copy(), Y[VALIDATION].copy()
    X_val[0], y_val[0] = 100.0, 1
    y = Y[TRAIN].copy()
    X_train = np.vstack([X[TRAIN], np.full((5, 4), 100.0)])
    found = {}
    for label in (0, 1):
        y_val[0] = label
        rows = LabeledRows(X_val, y_val, np.ones(45))
        train = LabeledRows(X_train, np.append(y, [2] * 5), np.ones(35))
        one = AdviceTask(np.arange(3), train, rows, None, 6, 3, seed=0)
        found[label] = cross_fit(one, 3, 1, lambda line: None)["train + validation"]
    for label, judged in found.items():
        (logits,) = judged.logits[:, 0]
        assert logits.argmax() != label
        assert row_log_loss(logits[None], np.array([label]))[0] > 1


@pytest.mark.slow
def test_the_table_is_that_of_paired_tests(cross_fitted: dict[str, Judged]) -> None:
    found, judged = compare(case(), 3, 2), cross_fitted
    table = found.table.set_index("option")
    assert table.index.tolist() == list(OPTIONS)
    y_val = Y[VALIDATION]
    losses = {
        name: np.mean(
            [-np.log(softmax(found, axis=1)[np.arange(45), y_val]) for found in logits],
            axis=0,
        )
        for name, logits in ((name, of.logits) for name, of in judged.items())
    }
    best = found.option
    having = {
        name
        for name, of_option in judged.items()
        if name.startswith(ASSIGNED) and of_option.n_labels.any()
    }
    for name, of_option in judged.items():
        row = table.loc[name]
        assert row["loss"] == pytest.approx(losses[name].mean())
        right = of_option.logits.argmax(axis=2) == y_val
        assert row["accuracy"] == pytest.approx(right.mean())
        assert row["C"] == np.median(of_option.C)
        assert row["validation_weight"] == np.median(of_option.validation_weight)
        if name == best:
            assert (row["difference"], row["lower"], row["upper"]) == (0, 0, 0)
            continue
        test = ttest_rel(losses[name], losses[best])
        # The best of several options with assigned labels seems better than it is.
        among = len(having) if having & {name, best} else 1
        interval = test.confidence_interval(1 - 0.05 / among)
        assert row["difference"] == pytest.approx(row["loss"] - table["loss"][best])
        assert row["lower"] == pytest.approx(interval.low)
        assert row["upper"] == pytest.approx(interval.high)
    if best != "train + validation":
        row = table.loc["train + validation"]
        assert row["lower"] > 0
    assert (found.n_train, found.n_validation, found.n_pool) == (30, 45, 0)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_and_another_another(
    plain_with_pool: Comparison,
) -> None:
    first, again = plain_with_pool, small(pool=True)
    pd.testing.assert_frame_equal(first.table, again.table)
    assert first.to_dict() == again.to_dict()
    other = small(pool=True, random_state=1)
    assert not np.allclose(first.table["loss"], other.table["loss"], atol=1e-6)


def warns_of_its_fold(seen: AdviceTask) -> FittedOption:
    """An option that says which fold it is fitted on."""
    warnings.warn(f"seed {seen.seed}", RuntimeWarning, stacklevel=1)
    return OPTIONS["train only"](seen)


@pytest.mark.slow
def test_processes_show_in_no_figure_and_swallow_no_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(OPTIONS, "told", warns_of_its_fold)
    found, said, told = [], [], []
    for n_jobs in (1, 2):
        lines: list[str] = []
        known: dict[int, FoldResults] = {}
        with pytest.warns(RuntimeWarning, match="seed ") as caught:
            judged = cross_fit(
                case(pool=True), 3, 2, lines.append, known, n_jobs=n_jobs
            )
        assert sorted(known) == list(range(6))
        found.append({name: vars(own) for name, own in judged.items()})
        said.append([str(one.message) for one in caught])
        told.append(lines)
    np.testing.assert_equal(found[0], found[1])
    assert (
        said[0]
        == said[1]
        == [
            f"seed {seed}"
            for seed in dict.fromkeys(
                int(line.removeprefix("seed ")) for line in said[0]
            )
        ]
    )
    assert len(said[0]) == 6
    assert told[0] == told[1]


@pytest.mark.slow
def test_sparse_and_float32_rows_give_the_same(plain_with_pool: Comparison) -> None:
    expected = plain_with_pool.table
    for rows, tolerance in ((sparse.csr_array(X), 1e-6), (X.astype("f4"), 1e-4)):
        found = small(rows, pool=True).table
        pd.testing.assert_frame_equal(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
def test_float32_rows_are_computed_with_in_float64() -> None:
    single = X.astype("f4")
    pd.testing.assert_frame_equal(
        small(single).table, small(single.astype("f8")).table, rtol=1e-12, atol=1e-12
    )


@pytest.mark.slow
def test_lists_give_the_same(plain: Comparison) -> None:
    dense = [X[TRAIN].tolist(), Y[TRAIN].tolist(), X[VALIDATION].tolist()]
    lists = advise(*dense, Y[VALIDATION].tolist(), **SMALL)
    pd.testing.assert_frame_equal(lists.table, plain.table)


@pytest.mark.slow
@pytest.mark.parametrize(
    "classes",
    [
        np.array(["a", "b", "c"]),
        np.array(["a", "b", "c"], dtype=object),
        np.array([-1, 0, 1]),
        np.array([-1.0, 0.0, 2.0]),
    ],
    ids=["str", "object", "int with -1", "float"],
)
def test_labels_of_any_type_give_the_same(
    classes: np.ndarray, plain: Comparison
) -> None:
    pd.testing.assert_frame_equal(small(y=classes[Y]).table, plain.table)
    frame = pd.DataFrame(X, columns=["", "[bold]", "a\nb", "a"])
    parts = [frame.iloc[TRAIN], frame.iloc[VALIDATION]]
    labels = pd.Series(classes[Y])
    found = advise(*(parts[0], labels[TRAIN], parts[1], labels[VALIDATION]), **SMALL)
    pd.testing.assert_frame_equal(found.table, plain.table)


@pytest.mark.slow
def test_a_class_that_a_fold_lacks_is_no_obstacle() -> None:
    """One validation row of a class: where it is judged, no other validation row is."""
    kept = np.flatnonzero(Y[VALIDATION] != 2)
    rows = np.append(kept, np.flatnonzero(Y[VALIDATION] == 2)[0])
    found = advise(
        *(X[TRAIN], Y[TRAIN], X[VALIDATION][rows], Y[VALIDATION][rows]), **SMALL
    )
    assert np.isfinite(found.table.drop(columns="option").to_numpy()).all()
    log_losses = found.table.set_index("option")["loss"]
    assert log_losses["validation only"] > 36 / len(rows)
    assert log_losses["train + validation"] < 36 / len(rows)


@pytest.mark.slow
def test_validation_rows_of_one_class_are_no_obstacle() -> None:
    rows = np.flatnonzero(Y[VALIDATION] == 2)
    words = "no validation row has class 0, 1; whether labels help there cannot be seen"
    with pytest.warns(UserWarning, match=f"^{words}$") as caught:
        found = advise(
            *(X[TRAIN], Y[TRAIN], X[VALIDATION][rows], Y[VALIDATION][rows]), **SMALL
        )
    assert [warning.filename for warning in caught] == [__file__]
    assert found.classes_not_validated == ["0", "1"]
    table = found.table.set_index("option")
    assert table.loc["validation only", "loss"] == pytest.approx(0)
    assert found.option != "validation only"  # it would predict no other class


@pytest.mark.slow
@pytest.mark.parametrize("splits", [2, 3, 6])
def test_six_validation_rows_are_enough(splits: int) -> None:
    rows = slice(30, 36)
    found = advise(
        *(X[TRAIN], Y[TRAIN], X[rows], Y[rows], X[POOL]),
        **{**SMALL, "splits": splits},
    )
    assert found.table["option"].tolist() == [*OPTIONS, *POOL_OPTIONS]
    assert np.isfinite(found.table.drop(columns="option").to_numpy()).all()


@pytest.mark.slow
def test_of_a_large_pool_a_part_is_drawn(
    plain_with_pool: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = plain_with_pool
    assert (whole.n_pool, whole.n_pool_used) == (75, 75)
    monkeypatch.setattr(module, "LARGEST_POOL", 20)
    part = small(pool=True)
    assert (part.n_pool, part.n_pool_used) == (75, 20)
    same = small(pool=True)
    pd.testing.assert_frame_equal(part.table, same.table)
    losses = [found.table.set_index("option")["loss"] for found in (whole, part)]
    unmoved = losses[0] == losses[1]
    assert unmoved[list(OPTIONS)].all()
    assert not unmoved["self-training"]
    assert set(part.whole_pool_rows.values()) == {20}
    everything = small(pool=True, use_all=True)
    assert everything.n_pool_used == 75
    assert set(everything.whole_pool_rows.values()) == {75}
    pd.testing.assert_frame_equal(everything.table, whole.table)


@pytest.mark.parametrize("use_all", [False, True])
def test_how_many_pool_rows_each_method_used_is_told(use_all: bool) -> None:
    task = replace(case(), pool=np.zeros((15_000, 4)), use_all=use_all)
    n = rows_of_whole_pool(task)
    assert n["information maximization"] == n["self-training"] == 15_000
    assert n["label spreading"] == (15_000 if use_all else 10_000)
    lines = rows_of_pool({"n_pool": 15_000, "whole_pool_rows": n}, "--all")
    assert len(lines) == (not use_all)
    assert rows_of_whole_pool(replace(task, pool=None)) == {}
    assert rows_of_pool({"n_pool": 0, "whole_pool_rows": {}}, "--all") == []


@pytest.mark.slow
def test_the_weights_of_training_rows_count(plain_with_pool: Comparison) -> None:
    weight = np.where(np.arange(30) < 10, 2.0, 1.0)
    rows = np.concatenate([np.arange(30), np.arange(10)])
    weighed = small(sample_weight=weight, pool=True).table
    twice = advise(
        *(X[TRAIN][rows], Y[TRAIN][rows], X[VALIDATION], Y[VALIDATION], X[POOL]),
        **SMALL,
    ).table
    # A row of weight two is switched whole, of two copies perhaps one. And two copies
    # may be in two folds of a cross-validation.
    same = ["train only", "validation only", "train + weighted validation"]
    alike = weighed["option"].isin([*same, "self-training", "salutary"])
    columns = ["option", "accuracy", "loss", "C"]
    weighed, twice = weighed[columns], twice[columns]
    pd.testing.assert_frame_equal(weighed[alike], twice[alike], rtol=1e-4, atol=1e-4)
    assert not np.allclose(weighed["loss"], plain_with_pool.table["loss"])


FRAME = pd.DataFrame(X, columns=["a b", "[bold]", "{x}", "d"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(30)}, "only one class: 0.0"),
        ({"y": np.append(Y[:29], 1.5)[:29]}, "inconsistent numbers of samples"),
        ({"y": np.array([None, *Y[1:30]], dtype=object)}, "y has no label in row 0"),
        ({"y": ["no", 7] * 15}, "y has labels of several kinds, 'no' in row 0 and 7"),
        ({"y": [(1,), (1, 2)] * 15}, "y has the label .1,. in row 0, of type tuple"),
        ({"y": np.linspace(0, 1, 30)}, "Unknown label type: continuous"),
        ({"y_val": np.where(np.arange(45) == 3, 7, Y[VALIDATION])}, r"7 \(row 3\)"),
        ({"y_val": np.where(np.arange(45) == 3, np.nan, 1)}, "y_val has .* row 3"),
        ({"X_val": X[VALIDATION][:, :3]}, "X_val has 3 features, but X has 4"),
        ({"X_pool": X[POOL][:, :2]}, "X_pool has 2 features, but X has 4"),
        ({"X": np.where(X[TRAIN] == X[2, 1], np.nan, X[TRAIN])}, "row 2, column 1"),
        ({"X_pool": np.full((3, 4), np.inf)}, "X_pool .* row 0, column 0"),
        (
            {"X": FRAME[TRAIN], "X_pool": FRAME[POOL][["d", "{x}", "[bold]", "a b"]]},
            r"X_pool has other columns than X, .*pass \['a b', '\[bold\]', '{x}'",
        ),
        (
            {"X": FRAME[TRAIN], "X_val": FRAME[VALIDATION].rename(columns={"d": "e"})},
            "X_val has other columns than X",
        ),
        ({"X_val": X[30:35], "y_val": Y[30:35]}, "X_val has 5 rows, .* 6 or more"),
        ({"X_val": X[30:31], "y_val": Y[30:31]}, "X_val has 1 row, too few"),
        ({"splits": 46}, "splits=46 is more than the 45 rows"),
        ({"splits": 1}, "splits == 1, must be >= 2"),
        ({"repeats": 0}, "repeats == 0, must be >= 1"),
        ({"budget": 0}, "budget == 0"),
        ({"batch_size": 0}, "batch_size == 0"),
        ({"sample_weight": np.zeros(30)}, "sample_weight(: .* non-| is )zero"),
        ({"sample_weight": np.ones(29)}, "sample_weight: "),
        ({"sample_weight": np.full(30, 1e-320)}, "sample_weight is below 1e-100"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    change: dict[str, Any], message: str
) -> None:
    arguments = {
        **{"X": X[TRAIN], "y": Y[TRAIN], "X_val": X[VALIDATION]},
        **{"y_val": Y[VALIDATION], "X_pool": X[POOL]},
        **SMALL,
        **change,
    }
    with pytest.raises(ValueError, match=message) as refusal:
        advise(**arguments)
    assert "\n" not in str(refusal.value)


@pytest.mark.slow
def test_the_advice_is_plain_json(plain_with_pool: Comparison) -> None:
    found = plain_with_pool
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False)) == found.to_dict()
    assert found.to_dict()["options"] == found.table.to_dict("records")
    assert found.sentence.startswith("Advice: ")


@pytest.mark.slow
def test_where_it_stands_is_printed_if_wanted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    small()
    assert capsys.readouterr().out == ""
    small(verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["fold 1 of 2", "fold 2 of 2, so far 'train + validation' leads"]


def test_it_is_a_public_name_that_no_module_hides() -> None:
    modules = [salutary.runs.directory, salutary.runs.advise, salutary.cli.main]
    assert all(modules)
    assert salutary.advise is advise
