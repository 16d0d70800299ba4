"""Ten rounds of ten on Bank against margin sampling with scikit-learn alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from salutary.cli.contenders import (
    Plan,
    active_learning,
    fit_salutary,
    margin_query,
    split,
)
from speed.measure import Ratio, ratio, read_complete_bank

KINDS: dict[str, tuple[dict[str, object], float | None]] = {
    "plausible, unguarded": ({"rule": "plausible", "guard": False}, 1.5),
    "default, unguarded": ({"guard": False}, None),
    "default": ({"guard": True}, None),
}
"""Parameters of the classifier, and the promised bound on the ratio, if any."""


def speed(folder: Path) -> Iterator[Ratio]:
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

    # One BLAS thread for both: on matrices this small more threads only wait.
    with threadpool_limits(limits=1, user_api="blas"):
        for kind, (parameters, bound) in KINDS.items():
            yield ratio(
                f"ten rounds of ten on Bank, {kind}",
                partial(fit_salutary, data, plan, 0, **parameters),
                "the same rounds by margin of predict_proba, scikit-learn alone",
                margin,
                bound=bound,
            )
