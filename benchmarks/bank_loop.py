"""Ten rounds of ten on Bank against margin sampling with scikit-learn alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from benchmarks.measure import Ratio, ratio, read_complete_bank
from salutary.benchmark.buying import active_learning, margin_query
from salutary.benchmark.comparison import Plan, fit_salutary
from salutary.benchmark.splits import split


def speed(folder: Path) -> Ratio:
    import pandas as pd

    bank = read_complete_bank(folder)
    y = (bank.pop("label") == "yes").to_numpy(int)
    X = scale(pd.get_dummies(bank).to_numpy(np.float64))
    plan = Plan(LogisticRegression(max_iter=1000))
    data = split(X, y, n_labeled=300, seed=0)

    def margin() -> None:
        active_learning(
            plan.estimator,
            data.labeled,
            data.pool,
            margin_query,
            budget=plan.budget,
            batch_size=plan.batch_size,
            seed=0,
        )

    def salutary() -> None:
        fit_salutary(data, plan, 0, guard=False)

    # One BLAS thread for both: matrices this small only make threads wait.
    with threadpool_limits(limits=1, user_api="blas"):
        return ratio(
            "ten rounds of ten on Bank",
            salutary,
            "the same rounds by margin of predict_proba, scikit-learn alone",
            margin,
            bound=1.5,
        )
