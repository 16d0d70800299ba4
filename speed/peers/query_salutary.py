"""Ten rows, with their labels, by salutary."""

from __future__ import annotations

from functools import partial

import numpy as np
from sklearn.linear_model import LogisticRegression

from salutary import SalutaryClassifier
from salutary.labeling.batch import choose_batches
from salutary.labeling.fitting import begin
from salutary.labeling.problem import Problem as Run
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import find_rule
from salutary.pools.arrays import ArrayPool
from speed.peers.problem import Problem
from speed.peers.query_sklearn import N_ROWS
from speed.peers.serving import Way, Work, serve


def choice(problem: Problem) -> Work:
    """What a round does between two fits, under the default rule without a guard."""
    labeled, validation = (
        LabeledRows(X, y, np.ones(len(X)))
        for X, y in (
            (problem.X_train, problem.y_train),
            (problem.X_val, problem.y_val),
        )
    )
    run = Run(
        estimator=LogisticRegression(),
        classes=np.arange(problem.n_classes),
        labeled=labeled,
        validation=validation,
        folds=(),
        pool=ArrayPool.of(problem.X_pool),
        rule=find_rule("tempered"),
        hessian="train",
        batch_size=N_ROWS,
    )
    model = begin(run)

    def work() -> np.ndarray:
        (batch,) = choose_batches(run, validation, model, N_ROWS).values()
        return batch.rows

    return work


def whole(problem: Problem, guard: bool) -> Work:
    """A fit of one round, with the fits of models before and after it."""
    X = np.vstack([problem.X_train, problem.X_pool])
    unlabeled = np.full(len(problem.X_pool), -1)
    y = np.concatenate([problem.y_train, unlabeled])
    model = SalutaryClassifier(
        budget=N_ROWS, batch_size=N_ROWS, guard=guard, random_state=0
    )

    def work() -> np.ndarray:
        model.fit(X, y, problem.X_val, problem.y_val)
        return np.flatnonzero(model.labeled_iter_ == 1) - len(problem.X_train)

    return work


WAYS: dict[str, Way] = {
    "choose_batches": choice,
    "fit, no guard": partial(whole, guard=False),
    "fit": partial(whole, guard=True),
}

if __name__ == "__main__":
    serve(WAYS, "salutary", "numpy", "scipy", "scikit-learn")
