"""What a report shows of strategies that are compared under one setting."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from salutary_benchmark.experiments import rounds, statistics
from salutary_benchmark.experiments.experiment import Experiment, Picture, Shown, Table
from salutary_benchmark.experiments.pictures import (
    AverageRanks,
    LearningCurves,
    TimeAgainstAccuracy,
)
from salutary_benchmark.strategies.registry import in_order


def show(results: pd.DataFrame) -> Shown:
    """The paper's claim, then means, paired tests, ranks and learning curves."""
    return Shown(_verdict(results), [*_tables(results), *_pictures(results)])


def _verdict(results: pd.DataFrame) -> str:
    """The paper's claim in a sentence; empty if the published rule did not run."""
    if statistics.PUBLISHED not in set(results["strategy"]):
        return ""
    found = statistics.claim(results)
    total = len(found.holds) + len(found.fails)
    sentence = (
        f"{statistics.PUBLISHED} ends above every strategy that buys true labels, in "
        f"mean accuracy, on {len(found.holds)} of {total} data sets"
    )
    if not found.fails:
        return f"{sentence}."
    where = ", ".join(
        f"{name} ({best} is {behind:.4f} ahead)"
        for name, (best, behind) in found.fails.items()
    )
    return f"{sentence}; not on {where}."


def _tables(results: pd.DataFrame) -> Iterator[Table]:
    for measure, title in (
        ("accuracy", "Accuracy"),
        ("log_loss", "Log loss"),
        ("balanced_accuracy", "Balanced accuracy"),
    ):
        yield _means_table(results, measure, title)
    for strategy in results["strategy"].unique():
        if strategy.startswith("Salutary"):
            yield _compared_table(results, strategy)


def _means_table(results: pd.DataFrame, measure: str, title: str) -> Table:
    found = statistics.means(results, measure)
    names = list(found.columns.get_level_values(0).unique())
    ranked = statistics.ranks(results, measure).mean()
    rows = []
    for strategy in in_order(found.index):
        cells = [
            mean_and_error(
                found.loc[strategy, (name, "mean")], found.loc[strategy, (name, "sem")]
            )
            for name in names
        ]
        rows.append([strategy, *cells, f"{ranked.get(strategy, float('nan')):.1f}"])
    p = statistics.friedman(statistics.ranks(results, measure))
    seeds = results.groupby("dataset")["seed"].nunique()
    return Table(
        title,
        "On the test rows after the last round: mean ± standard error over "
        f"{seeds.min()} splits, and the mean rank over data sets (Friedman's test that "
        f"all strategies are equal: p = {p:.2g}).",
        ["strategy", *names, "rank"],
        rows,
    )


def mean_and_error(mean: float, error: float) -> str:
    """A mean as text, with its standard error if there is one."""
    if pd.isna(mean):
        return "-"
    return f"{mean:.4f}" if pd.isna(error) else f"{mean:.4f} ± {error:.4f}"


def _compared_table(results: pd.DataFrame, strategy: str) -> Table:
    accuracy = statistics.compared(results, strategy, "accuracy")
    loss = statistics.compared(results, strategy, "log_loss")
    rows = [
        [
            opponent,
            *(str(count) for count in accuracy.loc[opponent]),
            *(str(count) for count in loss.loc[opponent]),
        ]
        for opponent in in_order(accuracy.index)
    ]
    return Table(
        f"{strategy} against all others",
        f"Number of data sets where {strategy} wins, ties and loses, by Wilcoxon's "
        "signed-rank test over the splits at 5%, with Holm's correction over all tests "
        "of a measure. Splits of a data set share rows, so the tests find somewhat too "
        "many differences.",
        ["against", *(f"{m}: {c}" for m in ("accuracy", "log loss") for c in accuracy)],
        rows,
    )


def _pictures(results: pd.DataFrame) -> list[Picture]:
    return [
        Picture(
            "Accuracy by round",
            "Means over splits, with bands of one standard error for salutary labels.",
            "curves.png",
            LearningCurves(results),
        ),
        Picture(
            "Log loss by round",
            "Means over splits, with bands of one standard error for salutary labels.",
            "losses.png",
            LearningCurves(results, "log_loss"),
        ),
        Picture(
            "Average ranks",
            "Ranks by mean accuracy on each data set. Bars join strategies that do not "
            "differ significantly by Nemenyi's test at 5%.",
            "ranks.png",
            AverageRanks(results),
        ),
        Picture(
            "Time against accuracy",
            "Median seconds of a cell, without preparing data and judging models.",
            "time.png",
            TimeAgainstAccuracy(results),
        ),
    ]


SIDE_BY_SIDE = Experiment(
    rounds.measure, rounds.COLUMNS, ("round",), rounds.MEASURES, show
)
"""Strategies are judged after every round, under one setting."""
