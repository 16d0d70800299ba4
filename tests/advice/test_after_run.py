"""The verdict on a run, and its baselines against cold fits of scikit-learn."""

import numpy as np
import pytest
from scipy.stats import ttest_rel
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from salutary.advice.after_run import RunToJudge, verdict_on
from salutary.labeling.definition import split_folds
from salutary.labeling.loop import run, start
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import RULES
from salutary.labeling.splits import repeated_parts
from salutary.labeling.tuning import PENALTIES
from salutary.pools.arrays import ArrayPool

X, Y = make_blobs(90, 3, centers=3, cluster_std=4.0, random_state=1)
LABELED, VALIDATION = np.arange(20), np.arange(20, 70)


def problem(guard: bool) -> Problem:
    def rows(chosen: np.ndarray) -> LabeledRows:
        return LabeledRows(X[chosen], Y[chosen], np.ones(len(chosen)))

    validation = rows(VALIDATION)
    return Problem(
        estimator=LogisticRegression(C=0.3),
        classes=np.arange(3),
        labeled=rows(LABELED),
        validation=validation,
        folds=split_folds(validation, guard, np.random.RandomState(0)),
        pool=ArrayPool.of(X[70:]),
        rule=RULES["plausible"],
        hessian="train",
        batch_size=5,
    )


def cold(X_fit: np.ndarray, y_fit: np.ndarray, C: float, rows: LabeledRows) -> list:
    """Losses of rows under a model that scikit-learn fits anew."""
    model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12)
    model.fit(X_fit, y_fit)
    return [
        log_loss([label], model.predict_proba(row[None]), labels=[0, 1, 2])
        for row, label in zip(rows.X, rows.labels, strict=True)
    ]


def log_losses(model: LogisticRegression, rows: LabeledRows) -> np.ndarray:
    chance = model.predict_proba(rows.X)
    return -np.log(chance[np.arange(len(rows)), rows.labels])


def best_C(fit: list[tuple[np.ndarray, np.ndarray]], judge: list[LabeledRows]) -> float:
    """The C with the lowest loss, up to the first that is not lower than the last."""
    found, lowest = PENALTIES[0], np.inf
    for C in PENALTIES:
        loss = sum(
            sum(cold(*rows, C, judged)) for rows, judged in zip(fit, judge, strict=True)
        )
        if loss >= lowest:
            break
        found, lowest = C, loss
    return found


@pytest.mark.slow
def test_each_canary_row_is_judged_by_tuned_models_that_have_not_seen_it() -> None:
    guarded = problem(guard=True)
    state, _ = run(guarded, 10)
    found = verdict_on(guarded, state)
    assert found is not None
    table = found.table.set_index("option")
    X_train, y_train = X[LABELED], Y[LABELED]
    alone, both, salutary = [], [], []
    # Of each fold, the round that is best by the canary rows of the others.
    rounds = [
        [
            log_losses(snapshot.model, fold.canary)
            for fold, snapshot in zip(guarded.folds, snapshots, strict=True)
        ]
        for snapshots in state.fold_history
    ]
    for number, fold in enumerate(guarded.folds):
        sums = [
            np.concatenate([of for k, of in enumerate(one) if k != number]).sum()
            for one in rounds
        ]
        snapshot = state.fold_history[int(np.argmin(sums))][number]
        C = best_C([(X_train, y_train)], [fold.own])
        alone += cold(X_train, y_train, C, fold.canary)
        rows = np.vstack([X_train, fold.own.X])
        labels = np.append(y_train, fold.own.labels)
        own = LabeledRows(rows, labels, np.ones(len(rows)))
        parts = repeated_parts(labels, 5, 3, seed=0)
        C = best_C(
            [(rows[rest], labels[rest]) for rest, _ in parts],
            [own.take(part) for _, part in parts],
        )
        both += cold(rows, labels, C, fold.canary)
        rows = np.vstack([X_train, X[70:][snapshot.rows]])
        labels = np.append(y_train, snapshot.labels)
        salutary += cold(rows, labels, 0.3, fold.canary)
    assert table.loc["train only", "loss"] == pytest.approx(np.mean(alone), abs=1e-5)
    assert table.loc["train + validation", "loss"] == pytest.approx(
        np.mean(both), abs=1e-5
    )
    assert table.loc["salutary", "loss"] == pytest.approx(np.mean(salutary), abs=1e-5)
    expected = ttest_rel(salutary, both)
    best = table.loc[found.option]
    assert best["difference"] == 0
    assert np.sign(np.mean(salutary) - np.mean(both)) == np.sign(expected.statistic)


def test_a_run_that_kept_no_label_is_not_judged_by_those_of_its_folds() -> None:
    guarded = problem(guard=True)
    found = verdict_on(guarded, start(guarded))
    assert found is not None
    assert found.finding == "no labels"
    assert found.table["option"].tolist() == [
        *("train + validation", "train only", "validation only"),
        "train + weighted validation",
    ]


def test_a_run_can_be_judged_later_without_its_pool() -> None:
    guarded = problem(guard=True)
    state, _ = run(guarded, 10)
    kept = RunToJudge.of(guarded, state, "log_loss").without_the_pool()
    assert len(kept.problem.pool.weight) < len(X[70:])
    found, expected = kept.verdict(), verdict_on(guarded, state)
    assert expected is not None
    assert found.to_dict() == expected.to_dict()


def test_without_a_guard_there_is_nothing_to_judge_by() -> None:
    unguarded = problem(guard=False)
    assert verdict_on(unguarded, start(unguarded)) is None
