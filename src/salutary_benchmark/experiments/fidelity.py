"""How well the estimates of what adding one row does agree with refits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr

from salutary.displays import style
from salutary.influence.add_one_in import add_one_in
from salutary.names import EstimateName
from salutary_benchmark.experiments.experiment import (
    Cell,
    Experiment,
    Picture,
    Shown,
    Table,
)
from salutary_benchmark.experiments.pictures import draw_panels
from salutary_benchmark.experiments.rounds import task_of
from salutary_benchmark.experiments.side_by_side import mean_and_error
from salutary_benchmark.strategies.task import Setting, fit

SUBJECT = "add_one_in"
"""In place of a strategy's name: a cell measures all estimates on the same refits."""

ESTIMATES: tuple[EstimateName, ...] = ("first_order", "newton")
N_CANDIDATES = 40
"""Number of random pool rows; each is added under every class."""
BEST = 10
"""Size of the sets of best candidates whose overlap is measured."""

MEASURES = (
    "pearson",
    "spearman",
    "absolute_error",
    "relative_error",
    "overlap",
)


def measure(
    cell: Cell, setting: Setting, folder: Path | None
) -> Iterator[dict[str, Any]]:
    """Compare the estimates with refits of the same candidates on one split."""
    task = task_of(cell, setting, folder)
    (X, y), (X_val, y_val) = task.split.labeled, task.split.validation
    model = fit(task, (X, y))
    known = np.isin(y_val, model.classes_)
    rows = {
        "X_train": X,
        "y_train": y,
        "X_val": X_val[known],
        "y_val": y_val[known],
    }
    X_pool = task.split.pool[0]
    drawn = np.random.RandomState(cell.seed).permutation(len(X_pool))[:N_CANDIDATES]
    began = time.perf_counter()
    truth = add_one_in(model, X_pool[drawn], **rows, estimate="refit")
    refit_seconds = time.perf_counter() - began
    for estimate in ESTIMATES:
        began = time.perf_counter()
        found = add_one_in(model, X_pool[drawn], **rows, estimate=estimate)
        taken = time.perf_counter() - began
        yield {
            **asdict(cell),
            "estimate": estimate,
            **agreement(found, truth),
            "effect": float(np.abs(truth).mean()),
            "time_ratio": taken / refit_seconds,
            "refit_ms": 1000 * refit_seconds / truth.size,
        }


def agreement(
    found: NDArray[np.float64], truth: NDArray[np.float64]
) -> dict[str, float]:
    """How close estimates are to the true effects, over all rows and classes.

    The relative error is the mean absolute error divided by the mean absolute effect.
    The overlap is the part of the ten truly best candidates that are among the ten best
    by the estimate.
    """
    found, truth = found.ravel(), truth.ravel()
    error = float(np.abs(found - truth).mean())
    best = np.argsort(-truth, kind="stable")[:BEST]
    picked = np.argsort(-found, kind="stable")[:BEST]
    return {
        "pearson": float(pearsonr(found, truth).statistic),
        "spearman": float(spearmanr(found, truth).statistic),
        "absolute_error": error,
        "relative_error": error / float(np.abs(truth).mean()),
        "overlap": len(np.intersect1d(best, picked)) / len(best),
    }


def with_factors(results: pd.DataFrame) -> pd.DataFrame:
    """The results with columns for the number of labeled rows and C of the setting."""
    parts = results["setting"].astype("str").str.split(",", expand=True)
    labeled, C = (parts[column].str.partition("=")[2] for column in (0, 1))
    return results.assign(labeled=labeled.astype(int), C=C.astype(float))


@dataclass(frozen=True)
class FidelityCurves:
    """A measure of agreement with refits, by C.

    Parameters
    ----------
    results : DataFrame
        Rows of results.parquet.
    measure : str, default="spearman"
    """

    results: pd.DataFrame
    measure: str = "spearman"

    def frame(self) -> pd.DataFrame:
        """Columns dataset, labeled, C, estimate, mean and sem."""
        keys = ["dataset", "labeled", "C", "estimate"]
        grouped = with_factors(self.results).groupby(keys)[self.measure]
        return grouped.agg(["mean", "sem"]).reset_index()

    def plot(self) -> Figure:
        """A panel for each data set, with bars of one standard error."""
        found = self.frame()
        colors = {
            "first_order": style.HELD_OUT["color"],
            "newton": style.VALIDATION["color"],
        }
        styles = dict(
            zip(sorted(found["labeled"].unique()), (":", "--", "-", "-."), strict=False)
        )

        def draw(panel: Axes, of_set: pd.DataFrame) -> None:
            for (estimate, labeled), line in of_set.groupby(["estimate", "labeled"]):
                panel.errorbar(
                    line["C"],
                    line["mean"],
                    line["sem"].fillna(0),
                    capsize=2,
                    color=colors[str(estimate)],
                    linestyle=styles.get(labeled, "-"),
                    label=f"{estimate}, {labeled} labeled",
                )
            panel.set_xscale("log")
            if self.measure.endswith("error"):
                panel.set_yscale("log")

        return draw_panels(
            found.groupby("dataset"),
            draw,
            columns=2,
            xlabel="C",
            ylabel=self.measure.replace("_", " "),
        )


_TITLES = {
    "spearman": "Spearman's correlation with refits",
    "relative_error": "Relative error",
    "overlap": f"Overlap of the best {BEST}",
    "pearson": "Pearson's correlation with refits",
    "absolute_error": "Absolute error",
}


def show(results: pd.DataFrame) -> Shown:
    """Curves of the agreement with refits by C, and all figures."""
    pictures = [
        Picture(
            f"{title} against C",
            f"{N_CANDIDATES} random pool rows under every class; means over splits, "
            "with bars of one standard error.",
            f"{measure}.png",
            FidelityCurves(results, measure),
        )
        for measure, title in _TITLES.items()
    ]
    first, *others = pictures
    return Shown(_verdict(results), [first, *_tables(results), *others])


def _verdict(results: pd.DataFrame) -> str:
    by_C = with_factors(results).groupby(["estimate", "C"])["spearman"].mean()
    correlations = []
    for estimate in by_C.index.unique("estimate"):
        of = by_C[estimate]
        correlations.append(
            f"{estimate} {of.iloc[0]:.3f} at C = {of.index[0]:g} and {of.iloc[-1]:.3f} "
            f"at C = {of.index[-1]:g}"
        )
    return (
        "Spearman's correlation with the effects that refits show, mean over all data "
        f"sets and numbers of labeled rows: {'; '.join(correlations)}."
    )


def _tables(results: pd.DataFrame) -> Iterator[Table]:
    keys = ["dataset", "labeled", "C"]
    for estimate, of in with_factors(results).groupby("estimate"):
        grouped = of.groupby(keys)
        mean, error = (
            grouped[[*MEASURES, "effect", "time_ratio"]].agg(how)
            for how in ("mean", "sem")
        )
        rows = [
            [
                " ".join((str(key[0]), f"{key[1]} labeled,", f"C = {key[2]:g}")),
                *(
                    mean_and_error(mean.loc[key, name], error.loc[key, name])
                    for name in ("pearson", "spearman", "relative_error", "overlap")
                ),
                f"{mean.loc[key, 'absolute_error']:.2g}",
                f"{mean.loc[key, 'effect']:.2g}",
                f"{mean.loc[key, 'time_ratio']:.2g}",
            ]
            for key in mean.index
        ]
        yield Table(
            str(estimate),
            "Means ± standard errors over splits. The absolute error and the effect "
            "are means over candidates, in nats of validation loss; the relative error "
            "is their quotient. Time is relative to refits of the same candidates.",
            [
                "setting",
                "Pearson",
                "Spearman",
                "relative error",
                f"overlap of the best {BEST}",
                "absolute error",
                "effect",
                "time / refits",
            ],
            rows,
        )


FIDELITY = Experiment(
    measure,
    {
        "estimate": "str",
        **dict.fromkeys((*MEASURES, "effect", "time_ratio", "refit_ms"), "float32"),
    },
    ("estimate",),
    MEASURES,
    show,
)
"""First-order and Newton estimates are compared with refits of random pool rows."""
