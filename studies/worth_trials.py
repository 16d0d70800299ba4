"""Trials for the study of what advice with a whole pool is worth."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from salutary.advice.comparison import compare, drawn, going_on
from salutary.advice.cross_fitting import FoldResults, Judged, cross_fit
from salutary.advice.measure import Measure
from salutary.advice.options import options_of
from salutary.advice.task import AdviceTask
from salutary.arrays import Float64Array
from salutary.influence.objectives import log_losses, row_log_loss
from salutary.labeling.guard import mean_decrease
from salutary.labeling.rows import LabeledRows, join
from salutary.labeling.tuning import (
    best_C_by_cross_validation,
    fit_penalized,
    probabilities,
)
from salutary.names import TRAIN_AND_VALIDATION
from studies.worth_data import Drawn, draw_rows

SPLITS, REPEATS, BUDGET, BATCH = 5, 2, 100, 10
"""What `salutary.advise` does by default."""

EVERYTHING = "everything labeled"
"""Train, validation and pool with their true labels: what labels could give at most."""


NOT_SEEN = {"advised": False, "seen_losses": None}
"""What the folds say of everything labeled, which is no option."""


def measure(wrong: float, draw: int, size: int, data: str) -> Iterator[dict[str, Any]]:
    """Advise on one draw, and judge all options and everything labeled by test rows."""
    rows = draw_rows(data, size, wrong, draw)
    task = task_of(rows, draw)
    began, cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        # Of rows that stand twice, and of too few rows for a guard of three folds.
        warnings.simplefilter("ignore", UserWarning)
        seen = seen_by_folds(task)
        seconds = time.perf_counter() - began
        chances = chances_of_test(task, rows)
    losses = {
        name: log_losses(chance, rows.test.labels) for name, chance in chances.items()
    }
    best = min(seen, key=lambda name: float(losses[name].mean()))
    for name, loss in losses.items():
        right = chances[name].argmax(axis=1) == rows.test.labels
        difference, se = _less(loss, losses[TRAIN_AND_VALIDATION])
        behind, behind_se = _less(loss, losses[best])
        yield {
            "option": name,
            "log_loss": float(loss.mean()),
            "accuracy": float(right.mean()),
            "difference": difference,
            "se": se,
            "behind": behind,
            "behind_se": behind_se,
            **seen.get(name, NOT_SEEN),
            "n_pool": len(rows.pool),
            "n_test": len(rows.test),
            "advise_seconds": seconds,
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - cpu,
        }


def task_of(rows: Drawn, seed: int) -> AdviceTask:
    """What `salutary.advise` makes of arrays."""
    return AdviceTask(
        classes=np.unique(rows.train.labels),
        train=rows.train,
        validation=rows.validation,
        pool=rows.pool.X,
        budget=BUDGET,
        batch_size=BATCH,
        seed=seed,
    )


def seen_by_folds(task: AdviceTask) -> dict[str, dict[str, Any]]:
    """What cross-fitting says of every option, and each validation row's losses."""
    folds: dict[int, FoldResults] = {}
    found = compare(task, SPLITS, REPEATS, known=folds)
    used, _ = drawn(task)
    measure = Measure(used.validation.truth)
    # All folds are known by now, so that nothing is fitted again.
    judged = cross_fit(
        used, SPLITS, REPEATS, lambda line: None, folds, partial(going_on, measure)
    )
    return {
        row["option"]: {
            "advised": row["option"] == found.option,
            "seen_log_loss": row["loss"],
            "seen_difference": row["difference"],
            "seen_lower": row["lower"],
            "seen_upper": row["upper"],
            "taking_part": row["labels"] + row["pool_rows"],
            "seen_losses": row_losses(judged[row["option"]], used.validation),
        }
        for row in found.table.to_dict("records")
    }


def row_losses(judged: Judged, rows: LabeledRows) -> list[float]:
    """Log loss of each validation row, as a mean over the repeats; of six figures."""
    losses = [row_log_loss(logits, rows.labels) for logits in judged.logits]
    return list(np.mean(losses, axis=0).astype(np.float32))


def chances_of_test(task: AdviceTask, rows: Drawn) -> dict[str, Float64Array]:
    """Probabilities of the test rows, by option, and with everything labeled."""
    used, _ = drawn(task)
    known = join(join(rows.corrected, rows.validation), rows.pool)
    with threadpool_limits(limits=1, user_api="blas"):
        models = {name: fit(used).model for name, fit in options_of(used).items()}
        C = best_C_by_cross_validation(known, used.classes, used.seed)
        models[EVERYTHING] = fit_penalized(C, known, used.classes)
    return {
        name: probabilities(model, rows.test.X, used.classes)
        for name, model in models.items()
    }


def _less(loss: Float64Array, other: Float64Array) -> tuple[float, float]:
    """How much higher the mean of losses is than that of others on the same rows."""
    return mean_decrease(loss, other, np.ones(len(loss)))
