"""How true are the estimates of what adding one row does?

    python -m studies.add_one_in

compares first order and Newton with a refit on four data sets, and writes
``docs/studies/add_one_in``: every measurement, a summary and a picture. It resumes from
the measurements it finds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale

from benchmarks.measure import data_folder
from salutary import add_one_in
from studies.writing import environment, write_study

SETS = ("digits", "waveform_40", "grid_stability", "celeba_attributes")
PENALTIES = (0.02, 0.1, 1.0, 10.0)
LABELED = (100, 300)
SEEDS = range(3)
N_VAL, N_CANDIDATES = 300, 40
LARGEST = 12_000


@lru_cache(maxsize=1)
def data_set(name: str) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """One-hot encoded, standardized features, and classes."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return scale(X), y
    frame = pd.read_parquet(data_folder() / f"{name}.parquet")
    if len(frame) > LARGEST:
        frame = frame.sample(LARGEST, random_state=0)
    labels = frame.pop("label")
    y = np.unique(labels, return_inverse=True)[1]
    return scale(pd.get_dummies(frame).to_numpy(np.float64)), y


def measure(
    data: str, n_labeled: int, C: float, seed: int
) -> Iterator[dict[str, float | str]]:
    """Compare the estimates with a refit on one draw of rows."""
    X, y = data_set(data)
    order = np.random.default_rng(seed).permutation(len(y))
    train, val, rows = np.split(
        order[: n_labeled + N_VAL + N_CANDIDATES], [n_labeled, n_labeled + N_VAL]
    )
    model = LogisticRegression(C=C, tol=1e-10, max_iter=50_000).fit(X[train], y[train])
    known = np.isin(y[val], model.classes_)
    fixed = {
        "X_train": X[train],
        "y_train": y[train],
        "X_val": X[val][known],
        "y_val": y[val][known],
    }
    falls, seconds = {}, {}
    for estimate in ("refit", "first_order", "newton"):
        began = time.perf_counter()
        falls[estimate] = add_one_in(model, X[rows], **fixed, estimate=estimate)
        seconds[estimate] = time.perf_counter() - began
    truth = falls["refit"].ravel()
    for estimate in ("first_order", "newton"):
        found = falls[estimate].ravel()
        yield {
            "estimate": estimate,
            "error": np.abs(found - truth).mean() / np.abs(truth).mean(),
            "spearman": spearmanr(found, truth).statistic,
            "pearson": pearsonr(found, truth).statistic,
            "time_ratio": seconds[estimate] / seconds["refit"],
            "refit_ms": 1000 * seconds["refit"] / len(truth),
        }


@dataclass(frozen=True)
class Truth:
    """How far both estimates are from refits.

    Parameters
    ----------
    found : DataFrame
        All measurements.
    """

    found: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Means over seeds, one row a data set, labeled rows and C."""
        columns = ["error", "spearman", "time_ratio"]
        cells = self.found.groupby(["data", "n_labeled", "C", "estimate"])
        wide = cells[columns].mean().unstack("estimate")
        return pd.DataFrame(
            {
                "first order: error": wide["error", "first_order"].round(3),
                "newton: error": wide["error", "newton"].round(4),
                "first order: Spearman": wide["spearman", "first_order"].round(3),
                "newton: Spearman": wide["spearman", "newton"].round(4),
                "newton: time / refit": wide["time_ratio", "newton"].round(3),
            }
        ).reset_index()

    def plot(self) -> Figure:
        """Relative error of both estimates against C."""
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        panels = figure.subplots(1, len(SETS), sharey=True)
        styles = {
            "first_order": ("tab:orange", "first order"),
            "newton": ("tab:blue", "newton"),
        }
        for panel, name in zip(panels, SETS, strict=True):
            of_set = self.found[self.found["data"] == name]
            for estimate, (color, label) in styles.items():
                for n_labeled, line in zip(LABELED, ("--", "-"), strict=True):
                    chosen = of_set[
                        (of_set["estimate"] == estimate)
                        & (of_set["n_labeled"] == n_labeled)
                    ]
                    means = chosen.groupby("C")["error"].mean().clip(lower=1e-6)
                    panel.loglog(
                        means.index,
                        means,
                        line,
                        color=color,
                        label=f"{label}, {n_labeled} labeled",
                    )
            panel.set_title(name, fontsize=9)
            panel.set_xlabel("C")
            panel.axhline(1, color="0.8", linewidth=0.8, zorder=0)
        panels[0].set_ylabel("mean error / mean effect")
        panels[0].legend(fontsize=6)
        return figure


def main() -> None:
    write_study(
        "add_one_in",
        {"data": SETS, "n_labeled": LABELED, "C": PENALTIES, "seed": SEEDS},
        measure,
        lambda found: {"Error against C": Truth(found)},
        heading=(
            "How true are the estimates of what adding one row does?",
            f"{N_CANDIDATES} random rows under every class, {N_VAL} validation rows, "
            f"means over {len(SEEDS)} draws. The error is the mean absolute error over "
            "the mean absolute effect that refits show; the time is relative to refits "
            f"of the same candidates. {environment()}.",
        ),
    )


if __name__ == "__main__":
    main()
