"""How often salutary labels differ from the truth, and whether wrong labels help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from salutary.errors import InputError
from salutary.labeling import loop
from salutary.labeling.fitting import Snapshot
from salutary_benchmark.experiments.experiment import (
    Cell,
    Experiment,
    Picture,
    Shown,
    Table,
)
from salutary_benchmark.experiments.factors import ERRORS, as_texts
from salutary_benchmark.experiments.pictures import draw_panels, styles_of
from salutary_benchmark.experiments.rounds import judged, task_of
from salutary_benchmark.experiments.statistics import final
from salutary_benchmark.strategies.no_labels import Salutary
from salutary_benchmark.strategies.registry import STRATEGIES
from salutary_benchmark.strategies.task import Setting, Task, fit, joined

TREATMENTS = ("assigned", "removed", "corrected")
"""What is done to labels that differ from the truth: nothing, removal, correction."""

EVERY = -1
"""In place of a class: the row is about labels of all classes."""

FIGURES = ("accuracy", "log_loss", "validation_loss")


def measure(
    cell: Cell, setting: Setting, folder: Path | None
) -> Iterator[dict[str, Any]]:
    """Run a rule; after each round, judge its labels under every treatment.

    Yields a row for each round and treatment, and a row for each round and class with
    the number of labels of that class. Labels and models are those that a run leaves
    that ends after the round.
    """
    strategy = STRATEGIES[cell.strategy]
    if not isinstance(strategy, Salutary):
        raise InputError(f"{cell.strategy} does not assign labels by a rule")
    task = task_of(cell, setting, folder)
    for number, kept in enumerate(_rounds(strategy, task)):
        for row in (*_treated(task, kept), *_counted(task, kept)):
            yield {**asdict(cell), "round": number, **row}


def _rounds(strategy: Salutary, task: Task) -> Iterator[Snapshot]:
    """The labels that stay if the run ends, before the first round and after each."""
    problem = strategy.problem(task)
    state = loop.start(problem)
    yield state.best
    for after, record in loop.rounds(problem, task.setting.budget, state):
        if record is not None:
            yield after.best


def _treated(task: Task, kept: Snapshot) -> Iterator[dict[str, Any]]:
    X_pool, y_pool = task.split.pool
    truth = y_pool[kept.rows]
    differs = kept.labels != truth
    agreeing = np.flatnonzero(~differs)
    parts = {
        "assigned": (kept.rows, kept.labels),
        "removed": (kept.rows[agreeing], kept.labels[agreeing]),
        "corrected": (kept.rows, truth),
    }
    for treatment, (rows, labels) in parts.items():
        model = kept.model
        if treatment != "assigned" and differs.any():
            known = joined(task.split.labeled, (X_pool[rows], labels))
            model = fit(task, known, kept.model)
        found = judged(model, task)
        yield {
            "treatment": treatment,
            "label": EVERY,
            "n_labels": len(rows),
            "n_differing": int(differs.sum()) if treatment == "assigned" else 0,
            **{name: found[name] for name in FIGURES},
        }


def _counted(task: Task, kept: Snapshot) -> Iterator[dict[str, Any]]:
    differs = kept.labels != task.split.pool[1][kept.rows]
    for label in np.unique(kept.labels):
        of_class = kept.labels == label
        yield {
            "treatment": "assigned",
            "label": int(label),
            "n_labels": int(of_class.sum()),
            "n_differing": int(differs[of_class].sum()),
            **dict.fromkeys(FIGURES, float("nan")),
        }


def of_all_classes(results: pd.DataFrame) -> pd.DataFrame:
    """The rows about labels of all classes, whose models were judged."""
    return results[results["label"] == EVERY]


@dataclass(frozen=True)
class Differing:
    """The part of a run's labels so far that differs from the truth, by round.

    Parameters
    ----------
    results : DataFrame
        Rows of results.parquet.
    """

    results: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Columns dataset, setting, strategy, round, mean and sem over splits.

        Runs that ended keep their labels. Runs without any label are left out.
        """
        found = of_all_classes(self.results).query("treatment == 'assigned'")
        part = found["n_differing"] / found["n_labels"].where(found["n_labels"] > 0)
        keys = ["dataset", "setting", "strategy"]
        wide = found.assign(part=part).pivot_table(
            index=[*keys, "seed"], columns="round", values="part", observed=True
        )
        long = wide.ffill(axis=1).melt(ignore_index=False, value_name="part").dropna()
        means = long.groupby([*keys, "round"], observed=True)["part"]
        return means.agg(["mean", "sem"]).reset_index()

    def plot(self) -> Figure:
        """A panel for each data set and setting, with bars of one standard error."""
        found = self.frame()
        styles = styles_of(list(found["strategy"].unique()))

        def draw(panel: Axes, of_pair: pd.DataFrame) -> None:
            for strategy, style in styles.items():
                line = of_pair[of_pair["strategy"] == strategy]
                panel.errorbar(
                    line["round"],
                    line["mean"],
                    line["sem"].fillna(0),
                    label=strategy,
                    **style,
                )
            # Rules that abstain from rows have many more rounds, most of them alike.
            panel.set_xscale("log")
            panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.set_ylim(-0.03, 1.03)

        return draw_panels(
            found.groupby(["dataset", "setting"], observed=True),
            draw,
            xlabel="round",
            ylabel="part of the labels that differ",
        )


@dataclass(frozen=True)
class Treatments:
    """The gain when labels that differ from the truth are removed or corrected.

    Parameters
    ----------
    results : DataFrame
        Rows of results.parquet.
    measure : {"log_loss", "accuracy"}
    """

    results: pd.DataFrame
    measure: str = "log_loss"

    def frame(self) -> pd.DataFrame:
        """Columns dataset, setting, strategy, treatment, mean and sem.

        The gain is that of the model after the last round over the start model, paired
        by split. The treatments ``removing`` and ``correcting`` are what these two add
        to the gain of the labels as assigned.
        """
        sign = -1 if self.measure.endswith("loss") else 1
        keys = ["dataset", "setting", "strategy", "seed"]
        judged_rows = of_all_classes(self.results)
        start = judged_rows.query("round == 0 and treatment == 'assigned'")
        before = start.set_index(keys)[self.measure]
        wide = final(judged_rows).pivot_table(
            index=keys, columns="treatment", values=self.measure, observed=True
        )
        gains = sign * wide.sub(before, axis=0)[list(TREATMENTS)]
        gains["removing"] = gains["removed"] - gains["assigned"]
        gains["correcting"] = gains["corrected"] - gains["assigned"]
        long = gains.melt(ignore_index=False, value_name="gain")
        grouped = long.groupby([*keys[:-1], "treatment"], observed=True)["gain"]
        return grouped.agg(["mean", "sem"]).reset_index()

    def plot(self) -> Figure:
        """A panel for each data set and setting: each rule's gain by treatment."""
        found = self.frame()
        strategies = list(found["strategy"].unique())

        def draw(panel: Axes, of_pair: pd.DataFrame) -> None:
            for place, treatment in enumerate(TREATMENTS):
                bars = of_pair[of_pair["treatment"] == treatment]
                bars = bars.set_index("strategy").reindex(strategies)
                panel.bar(
                    np.arange(len(strategies)) + 0.28 * (place - 1),
                    bars["mean"],
                    0.26,
                    yerr=bars["sem"].fillna(0),
                    label=treatment,
                )
            panel.axhline(0, color="0.5", linewidth=0.8)
            panel.set_xticks(
                range(len(strategies)),
                [name.removeprefix("Salutary-") for name in strategies],
                fontsize=7,
            )

        return draw_panels(
            found.groupby(["dataset", "setting"], observed=True),
            draw,
            ylabel=f"gain in {self.measure.replace('_', ' ')}",
        )


def by_class(results: pd.DataFrame) -> pd.DataFrame:
    """Labels after the last round, of all splits together, by the class assigned.

    Returns
    -------
    DataFrame
        Indexed by dataset, setting, strategy and label, with the columns n_labels,
        n_differing and part.
    """
    last = final(results)
    keys = ["dataset", "setting", "strategy", "label"]
    of_class = last[last["label"] != EVERY].groupby(keys, observed=True)
    counts = of_class[["n_labels", "n_differing"]].sum()
    return counts.assign(part=counts["n_differing"] / counts["n_labels"])


def show(results: pd.DataFrame) -> Shown:
    """How often labels differ, and what removing or correcting them does."""
    return Shown(
        _verdict(results),
        [
            Picture(
                "Labels that differ from the truth",
                "Part of all labels so far, by round: means over splits, with bars of "
                "one standard error.",
                "differing.png",
                Differing(results),
            ),
            _treatment_table(results, "log_loss"),
            Picture(
                "Differing labels removed or corrected",
                "Decrease of the test rows' log loss from the start to the last round: "
                "means over splits, with bars of one standard error.",
                "treatments.png",
                Treatments(results),
            ),
            _treatment_table(results, "accuracy"),
            _class_table(results),
        ],
    )


def _verdict(results: pd.DataFrame) -> str:
    found = Treatments(results).frame()
    error = ERRORS * found["sem"].fillna(0)
    found = found.assign(up=-found["mean"] > error, down=found["mean"] > error)
    effects = []
    for treatment, done in (("removing", "removed"), ("correcting", "corrected")):
        of_treatment = found[found["treatment"] == treatment]
        counts = [
            f"higher in {of['up'].sum()} and lower in {of['down'].sum()} of {len(of)} "
            f"with {strategy}"
            for strategy, of in of_treatment.groupby("strategy")
        ]
        effects.append(f"{done}: {', '.join(counts)}")
    return (
        f"Log loss with the labels that differ from the truth {'; '.join(effects)}. "
        "The counts are of pairs of data set and C where the difference is more than "
        f"{ERRORS:g} standard errors."
    )


def _treatment_table(results: pd.DataFrame, measure: str) -> Table:
    keys = ["strategy", "dataset", "setting"]
    columns = [*TREATMENTS, "removing", "correcting"]
    gains = as_texts(Treatments(results, measure).frame(), keys, "treatment")
    differing = Differing(results).frame()
    last = differing.groupby(keys, observed=True)["round"].transform("max")
    part = as_texts(differing[differing["round"] == last], keys, "round")
    # The last round is the same for all, as runs that ended keep their labels.
    gains = gains[columns].assign(differing=part.iloc[:, 0]).fillna("-")
    name = measure.replace("_", " ")
    return Table(
        f"Gain in {name} with differing labels removed or corrected",
        f"Gain in {name} on the test rows from the start to the last round (positive "
        "is better) with labels as assigned, and with differing labels removed or "
        "corrected; then what removing and correcting add to the gain as assigned, "
        "paired by split. Means ± standard errors.",
        [*keys, *columns, "part that differs"],
        gains.reset_index().to_numpy().tolist(),
    )


def _class_table(results: pd.DataFrame) -> Table:
    found = by_class(results)
    rows = [
        [
            row["strategy"],
            row["dataset"],
            row["setting"],
            str(row["label"]),
            str(row["n_labels"]),
            str(row["n_differing"]),
            f"{row['part']:.2f}",
        ]
        for row in found.reset_index().to_dict("records")
    ]
    return Table(
        "By class",
        "Labels after the last round, of all splits together, by the class assigned.",
        ["strategy", "data set", "setting", "class", "labels", "differing", "part"],
        rows,
    )


LABELS = Experiment(
    measure,
    {
        "round": "int16",
        "treatment": "str",
        "label": "int16",
        "n_labels": "int32",
        "n_differing": "int32",
        **dict.fromkeys(FIGURES, "float32"),
    },
    ("round", "treatment", "label"),
    ("n_labels", "n_differing", *FIGURES),
    show,
)
"""Salutary labels are compared with the truth, and judged with errors removed."""
