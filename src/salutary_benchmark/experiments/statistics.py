"""What a run's results say: means, paired tests, ranks, and the paper's claim."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import friedmanchisquare, wilcoxon

from salutary_benchmark.experiments.experiment import CELL_COLUMNS
from salutary_benchmark.strategies.true_labels import TRUE_LABELS

LEVEL = 0.05
"""Of the family of tests in one table."""

PUBLISHED = "Salutary-paper"
"""The strategy that the paper's claim is about."""

MEASURES = {"accuracy": 1, "balanced_accuracy": 1, "log_loss": -1}
"""Of the test rows; 1 if more is better."""


@dataclass(frozen=True)
class Claim:
    """Where a strategy is above every one that buys true labels, in mean accuracy.

    Parameters
    ----------
    holds : list of str
        Data sets where it is.
    fails : dict of str to (str, float)
        Data sets where it is not: the best strategy, and by how much it is ahead.
    """

    holds: list[str]
    fails: dict[str, tuple[str, float]]


def final(results: pd.DataFrame) -> pd.DataFrame:
    """The rows of each cell's last round.

    Parameters
    ----------
    results : DataFrame
        As in results.parquet.

    Returns
    -------
    DataFrame
        Of the same columns.
    """
    keys = [name for name in CELL_COLUMNS if name in results]
    last = results.groupby(keys, observed=True)["round"].transform("max")
    return results[results["round"] == last].reset_index(drop=True)


def means(results: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Mean and standard error after the last round, strategies by data sets.

    Returns
    -------
    DataFrame
        With columns (data set, "mean") and (data set, "sem").
    """
    table = final(results).pivot_table(
        index="strategy",
        columns="dataset",
        values=measure,
        aggfunc=["mean", "sem"],
        dropna=False,  # one seed has no standard error
    )
    return table.swaplevel(axis=1).sort_index(axis=1)


def compared(results: pd.DataFrame, strategy: str, measure: str) -> pd.DataFrame:
    """Wins, ties and losses of a strategy against each other one.

    Parameters
    ----------
    results : DataFrame
    strategy : str
    measure : {"accuracy", "balanced_accuracy", "log_loss"}

    Returns
    -------
    DataFrame
        One row for each opponent, with the columns wins, ties and losses: data sets
        where Wilcoxon's signed-rank test over the seeds that both have done finds a
        difference at 5%, with Holm's correction over the whole table.

    Notes
    -----
    Splits of one data set share rows, so the tests are somewhat too sure.
    """
    from statsmodels.stats.multitest import multipletests

    table = final(results).pivot_table(
        index=["dataset", "seed"], columns="strategy", values=measure
    )
    found = [
        (opponent, *_paired(of_set[strategy] - of_set[opponent]))
        for opponent in table.columns.drop(strategy)
        for _, of_set in table.groupby(level="dataset")
    ]
    tests = pd.DataFrame(found, columns=["opponent", "direction", "p"])
    rejected = multipletests(tests["p"], alpha=LEVEL, method="holm")[0]
    sign = tests["direction"] * MEASURES[measure] * rejected
    counts = {"wins": sign > 0, "ties": sign == 0, "losses": sign < 0}
    return tests.assign(**counts).groupby("opponent")[list(counts)].sum()


def _paired(difference: pd.Series[float]) -> tuple[float, float]:
    """Sign of the sum of signed ranks, and its p-value; 1 where nothing can be told."""
    difference = difference.dropna()
    difference = difference[difference != 0]
    if len(difference) < 2:
        return 0.0, 1.0
    direction = np.sign((np.sign(difference) * difference.abs().rank()).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of ties and few rows
        return float(direction), float(wilcoxon(difference).pvalue)


def ranks(results: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Rank of each strategy's mean on each data set, 1 for the best.

    Data sets are rows, strategies columns; a strategy that is missing on a data set is
    left out.
    """
    mean = final(results).groupby(["dataset", "strategy"])[measure].mean().unstack()
    return mean.dropna(axis=1).rank(axis=1, ascending=MEASURES[measure] < 0)


def friedman(ranked: pd.DataFrame) -> float:
    """p-value of Friedman's test that all strategies do alike; NaN for too few."""
    if len(ranked) < 2 or ranked.shape[1] < 3:
        return float("nan")
    if (ranked.nunique(axis=1) == 1).all():
        return 1.0
    return float(friedmanchisquare(*ranked.to_numpy().T).pvalue)


def claim(results: pd.DataFrame, strategy: str = PUBLISHED) -> Claim:
    """Check the paper's claim on each data set where the strategy and others have run.

    Means are over the seeds that all of them have done.
    """
    table = final(results).pivot_table(
        index=["dataset", "seed"], columns="strategy", values="accuracy"
    )
    holds, fails = [], {}
    for name, of_set in table.groupby(level="dataset"):
        buyers = [buyer for buyer in TRUE_LABELS if buyer in table]
        of_set = of_set[[strategy, *buyers]].dropna(axis=1, how="all").dropna()
        if len(of_set) == 0 or of_set.shape[1] < 2 or strategy not in of_set:
            continue
        mean = of_set.mean()
        best = mean.drop(strategy)
        if mean[strategy] > best.max():
            holds.append(str(name))
        else:
            fails[str(name)] = str(best.idxmax()), float(best.max() - mean[strategy])
    return Claim(holds, fails)
