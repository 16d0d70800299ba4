"""What a report shows of strategies when the settings vary a factor.

Settings are named ``FACTOR=LEVEL``. A setting without a factor, such as "clean", is the
first level of every factor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from salutary_benchmark.experiments.experiment import Picture, Shown, Table
from salutary_benchmark.experiments.pictures import draw_panels, styles_of
from salutary_benchmark.experiments.side_by_side import mean_and_error
from salutary_benchmark.experiments.statistics import MEASURES, final
from salutary_benchmark.strategies.registry import in_order

ERRORS = 2.0
"""A mean difference counts if it is larger than this many of its standard errors."""


def levels(settings: Sequence[str]) -> dict[str, list[str]]:
    """The settings of each factor, in the order given.

    Examples
    --------
    >>> levels(["clean", "symmetric=10%", "symmetric=20%", "worse=10%"])
    {'symmetric': ['clean', 'symmetric=10%', 'symmetric=20%'],
     'worse': ['clean', 'worse=10%']}
    """
    every = [name for name in settings if "=" not in name]
    found: dict[str, list[str]] = {}
    for name in settings:
        if "=" in name:
            found.setdefault(name.partition("=")[0], list(every)).append(name)
    return found


def present(results: pd.DataFrame) -> list[str]:
    """The settings that occur in results, in the suite's order."""
    return list(results["setting"].cat.remove_unused_categories().cat.categories)


def means(results: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Columns dataset, setting, strategy, mean and sem, after the last round."""
    keys = ["dataset", "setting", "strategy"]
    grouped = final(results).groupby(keys, observed=True)[measure]
    return grouped.agg(["mean", "sem"]).reset_index()


@dataclass(frozen=True)
class FactorCurves:
    """A measure after the last round against the levels of each factor.

    Parameters
    ----------
    results : DataFrame
        Rows of results.parquet.
    measure : str, default="accuracy"
    """

    results: pd.DataFrame
    measure: str = "accuracy"

    def frame(self) -> pd.DataFrame:
        """As `means`."""
        return means(self.results, self.measure)

    def plot(self) -> Figure:
        """A panel for each data set and factor, with bars of one standard error."""
        found = self.frame()
        styles = styles_of(in_order(found["strategy"].unique()))
        groups = [
            (f"{name}: {factor}", (of_set, names))
            for name, of_set in found.groupby("dataset")
            for factor, names in levels(present(of_set)).items()
        ]

        def draw(panel: Axes, group: tuple[pd.DataFrame, list[str]]) -> None:
            of_set, names = group
            for strategy, style in styles.items():
                line = of_set[of_set["strategy"] == strategy].set_index("setting")
                line = line.reindex(names)
                panel.errorbar(
                    range(len(names)),
                    line["mean"],
                    line["sem"].fillna(0),
                    capsize=2,
                    label=strategy,
                    **style,
                )
            panel.set_xticks(
                range(len(names)), [level.rpartition("=")[2] for level in names]
            )

        ylabel = self.measure.replace("_", " ")
        return draw_panels(groups, draw, columns=2, ylabel=ylabel)


def sections(results: pd.DataFrame) -> Iterator[Picture | Table]:
    """Curves against the factor and their figures, for accuracy and log loss."""
    for measure, title in (("accuracy", "Accuracy"), ("log_loss", "Log loss")):
        yield Picture(
            f"{title} against the factor",
            "On the test rows after the last round: means over splits, with bars of "
            "one standard error.",
            f"{measure}.png",
            FactorCurves(results, measure),
        )
        yield from _means_tables(results, measure, title)


def _means_tables(results: pd.DataFrame, measure: str, title: str) -> Iterator[Table]:
    for name, of_set in means(results, measure).groupby("dataset"):
        wide = as_texts(of_set, ["strategy"], "setting")[present(of_set)]
        wide = wide.loc[in_order(wide.index)]
        seeds = results.loc[results["dataset"] == name, "seed"].nunique()
        yield Table(
            f"{title}: {name}",
            f"After the last round, mean ± standard error over {seeds} splits.",
            ["strategy", *wide.columns],
            wide.reset_index().to_numpy().tolist(),
        )


def as_texts(found: pd.DataFrame, index: list[str], columns: str) -> pd.DataFrame:
    """A wide table of "mean ± sem", with a column for each value of ``columns``."""
    pairs = zip(found["mean"], found["sem"], strict=True)
    texts = found.assign(text=[mean_and_error(*pair) for pair in pairs])
    wide = texts.pivot_table(
        index=index, columns=columns, values="text", aggfunc="first", observed=True
    )
    return wide.set_axis(list(wide.columns), axis=1).fillna("-")


def differences(
    results: pd.DataFrame, strategy: str, opponent: str, measure: str
) -> pd.DataFrame:
    """How much better one strategy ends than another, paired by split.

    Returns
    -------
    DataFrame
        Indexed by dataset and setting, with the columns mean and sem; positive where
        the strategy is better.
    """
    wide = final(results).pivot_table(
        index=["dataset", "setting", "seed"],
        columns="strategy",
        values=measure,
        observed=True,
    )
    better = (wide[strategy] - wide[opponent]).dropna() * MEASURES[measure]
    grouped = better.groupby(level=["dataset", "setting"], observed=True)
    return grouped.agg(["mean", "sem"])


def verdict(
    results: pd.DataFrame, strategies: Sequence[str], opponents: Sequence[str]
) -> str:
    """How often strategies end above and below opponents in accuracy, in words."""
    sentences = []
    run = set(results["strategy"])
    for strategy in strategies:
        counts = []
        for opponent in opponents:
            if not {strategy, opponent} <= run:
                continue
            found = differences(results, strategy, opponent, "accuracy")
            margin = ERRORS * found["sem"].fillna(0)
            above = int((found["mean"] > margin).sum())
            below = int((-found["mean"] > margin).sum())
            counts.append(
                f"above {opponent} in {above} and below it in {below} of {len(found)}"
            )
        if counts:
            sentences.append(f"{strategy} ends {', '.join(counts)}")
    if not sentences:
        return ""
    return (
        "Mean accuracy in pairs of data set and setting, where a difference counts if "
        f"it is larger than {ERRORS:g} standard errors of the paired difference: "
        f"{'; '.join(sentences)}."
    )


def show(
    results: pd.DataFrame, strategies: Sequence[str], opponents: Sequence[str]
) -> Shown:
    """A verdict on the strategies, then curves against the factor."""
    return Shown(verdict(results, strategies, opponents), [*sections(results)])
