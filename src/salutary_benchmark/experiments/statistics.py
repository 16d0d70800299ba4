"""Statistics of a run's results: means, paired tests, ranks, and the paper's claim."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import friedmanchisquare, wilcoxon

from salutary_benchmark.experiments.experiment import CELL_COLUMNS
from salutary_benchmark.strategies.true_labels import TRUE_LABELS

LEVEL = 0.05
"""Significance level of all tests of a table together."""

PUBLISHED = "Salutary-paper"
"""The strategy that the paper's claim is about."""

MEASURES = {"accuracy": 1, "balanced_accuracy": 1, "log_loss": -1}
"""Measures on the test rows; 1 if more is better, -1 if less is."""


@dataclass(frozen=True)
class Claim:
    """Whether a strategy has a higher mean accuracy than all that buy true labels.

    Parameters
    ----------
    holds : list of str
        Data sets where it has.
    fails : dict of str to (str, float)
        For each other data set, the best strategy that buys labels and how much higher
        its mean accuracy is.
    """

    holds: list[str]
    fails: dict[str, tuple[str, float]]


def final(results: pd.DataFrame) -> pd.DataFrame:
    """The rows of each cell's last round.

    Parameters
    ----------
    results : DataFrame
        Rows of results.parquet.

    Returns
    -------
    DataFrame
        With the same columns.
    """
    keys = [name for name in CELL_COLUMNS if name in results]
    last = results.groupby(keys, observed=True)["round"].transform("max")
    return results[results["round"] == last].reset_index(drop=True)


def means(results: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Mean and standard error after the last round, by strategy and data set.

    Returns
    -------
    DataFrame
        Indexed by strategy, with the columns (data set, "mean") and (data set, "sem").
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
    """Wins, ties and losses of a strategy against every other strategy.

    Parameters
    ----------
    results : DataFrame
    strategy : str
    measure : {"accuracy", "balanced_accuracy", "log_loss"}

    Returns
    -------
    DataFrame
        One row for each opponent, with the columns wins, ties and losses: numbers of
        data sets. A win or loss is a significant difference at 5% by Wilcoxon's
        signed-rank test over the seeds that both have done, with Holm's correction over
        the whole table.

    Notes
    -----
    Splits of one data set share rows, so the tests find somewhat too many differences.
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
    """Sign of the sum of signed ranks, and its p-value; 1 for too few differences."""
    difference = difference.dropna()
    difference = difference[difference != 0]
    if len(difference) < 2:
        return 0.0, 1.0
    direction = np.sign((np.sign(difference) * difference.abs().rank()).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about ties and few rows
        return float(direction), float(wilcoxon(difference).pvalue)


def ranks(results: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Rank of each strategy's mean on each data set; 1 is the best.

    Data sets are rows and strategies are columns. A strategy that is missing on any
    data set is left out.
    """
    mean = final(results).groupby(["dataset", "strategy"])[measure].mean().unstack()
    return mean.dropna(axis=1).rank(axis=1, ascending=MEASURES[measure] < 0)


def friedman(ranked: pd.DataFrame) -> float:
    """p-value of Friedman's test that all strategies are equal; NaN for too few."""
    if len(ranked) < 2 or ranked.shape[1] < 3:
        return float("nan")
    if (ranked.nunique(axis=1) == 1).all():
        return 1.0
    return float(friedmanchisquare(*ranked.to_numpy().T).pvalue)


def claim(results: pd.DataFrame, strategy: str = PUBLISHED) -> Claim:
    """Check the paper's claim on each data set that has results to compare.

    Means are over the seeds that all compared strategies have done.
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
