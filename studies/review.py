"""What is it worth to review labels before training on them?

    python -m studies.review

labels pools of four data sets, lets a reviewer who knows the truth decide about some
labels, refits, and judges both models by rows that neither has seen. It writes
``docs/studies/review`` and resumes from the measurements it finds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import log_loss

from salutary.arrays import IntArray
from salutary.displays.frames import RunFrames
from salutary.labeling.fitting import Snapshot
from salutary.ledgers.decisions import Decision
from salutary.ledgers.run_ledger import Ledger
from salutary.report.doubts import by_doubt
from salutary.report.run_page import RunPage
from salutary.runs.decided import DecidedLabels, refitted
from salutary.runs.directory import run_tables
from salutary.runs.kind import Request
from salutary.runs.label import LABELING
from salutary.runs.resume import restored
from salutary.runs.table_problem import Settings, TableProblem
from salutary.tables.sources import Sources
from salutary_benchmark.experiments.experiment import Display
from studies.verdict import _silently, write_tables
from studies.writing import environment, write_study

DATA = ("digits", "electric", "musk", "waveform")
"""The data sets of the suite ``labels``."""

SEEDS = 10
SIZE, BUDGET, BATCH = 100, 100, 10
LOOKED = 20
"""Labels that a reviewer with little time looks at."""

REVIEWS = {
    "20 most doubtful, wrong ones rejected": ("doubtful", "reject"),
    "20 most doubtful, wrong ones corrected": ("doubtful", "change"),
    "20 at random, wrong ones rejected": ("random", "reject"),
    "20 at random, wrong ones corrected": ("random", "change"),
    "all, wrong ones rejected": ("all", "reject"),
    "all, wrong ones corrected": ("all", "change"),
}
SURE = 2.0
"""Standard errors from which on a mean difference is called sure."""

READING = f"""\
Of each data set, {SEEDS} draws of rows: {SIZE} to train on, {SIZE} to validate on, up
to 2000 as a pool, up to 4000 to test. `salutary label` gives up to {BUDGET} labels in
rounds of {BATCH} with what it does by default. A reviewer who makes no mistake then
decides about some of the labels that were kept, in the order of `salutary review` or at
random, and the model is refitted as `salutary resume` does it, with the same C.
Differences are to the model before the review on the same draw, as means over draws
with one standard error; above zero in log loss, and below zero in accuracy, the review
did harm. Sure is more than {SURE:g} standard errors. In a draw whose labels were all
undone there is nothing to review, and the difference is zero.

What it shows: on electric nothing surely helps. Correcting the 20 most doubtful labels
or all of them makes its mean log loss and accuracy worse, though not surely. On the
other three sets the log loss is surely lower after 16 of 18 reviews, and no review
anywhere is surely worse than none. All labels, 1.7 to 3.4 times as many, bring less
than twice what the 20 most doubtful bring. The order of doubt finds 1.2 ± 0.4 more
wrong labels among 20 than chance does, most of them on waveform; over all draws that
does not surely pay, by 1.9 standard errors where they are rejected and by less where
they are corrected. These runs tune C; with C fixed, removing or correcting the labels
that differ from the truth often made models worse (suite labels of the benchmark)."""


def measure(data: str, seed: int) -> Iterator[dict[str, Any]]:
    """Label one draw, review it in every way, and judge the models by its test rows."""
    with TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        folder = Path(name)
        truth = write_tables(folder, data, SIZE, seed).astype(str)
        test = pd.read_parquet(folder / "test.parquet")
        paths = [folder / f"{part}.parquet" for part in ("train", "validation", "pool")]
        sources = Sources(*paths, "label", None)
        settings = Settings("tempered", None, BATCH, True, seed)
        request = Request(sources, settings, BUDGET, folder / "run", False)
        run_tables(LABELING, request, _silently, lambda round: None)
        with Ledger(request.out / "ledger.sqlite") as ledger:
            record = ledger.read()
        prepared = LABELING.prepare(request, _silently)
        best = restored(record, prepared.problem, len(truth)).best
        page = RunPage(request.out, RunFrames.of_run(request.out), record)
        order = by_doubt(page.labels, page.doubts)
        order = order[order < len(best)]
        yield {"review": "none", "labels": len(best), **judged(prepared, best, test)}
        for review, (which, how) in REVIEWS.items():
            looked = looked_at(order, which, seed)
            made = decisions(page.labels, looked, truth, how)
            kept, classes = record.labels.first(len(best)), prepared.problem.classes
            decided = DecidedLabels.of(kept, made, classes.tolist())
            after = refitted(prepared.problem, best, decided)
            yield {
                "review": review,
                "labels": len(after),
                "looked": len(looked),
                "wrong": sum(one.decision != "accept" for one in made),
                **judged(prepared, after, test),
            }


def looked_at(order: IntArray, which: str, seed: int) -> IntArray:
    """Places of the labels that a reviewer looks at; ``order`` begins with doubts."""
    if which == "all":
        return order
    if which == "random":
        return np.random.default_rng(seed).permutation(order)[:LOOKED]
    return order[:LOOKED]


def decisions(
    labels: pd.DataFrame, places: IntArray, truth: NDArray[Any], how: Any
) -> list[Decision]:
    """What a reviewer who knows the truth decides: wrong labels go, or are corrected.

    Parameters
    ----------
    labels : DataFrame
        As in `RunFrames`.
    places : ndarray of shape (n_looked_at,), dtype intp
    truth : ndarray of shape (n_pool,)
        Names of the classes of the pool's rows.
    how : {"reject", "change"}
        What becomes of a wrong label.
    """
    found = []
    for number, (row, own) in enumerate(
        labels[["row", "label"]].iloc[places].itertuples(index=False)
    ):
        right = str(truth[row])
        decision = "accept" if own == right else how
        label = None if decision == "reject" else right
        found.append(Decision(number, row, str(row), decision, label, "study", ""))
    return found


def judged(
    prepared: TableProblem, snapshot: Snapshot, test: pd.DataFrame
) -> dict[str, float]:
    """Log loss and accuracy of a model on the test rows."""
    model = prepared.encoded.model(snapshot.model)
    found = model.predict_proba(test.drop(columns="label"))
    named, truth = model.classes_.astype(str), test["label"].to_numpy().astype(str)
    order = np.argsort(named)
    hits = named[found.argmax(axis=1)] == truth
    return {
        "log_loss": float(log_loss(truth, found[:, order], labels=named[order])),
        "accuracy": float(hits.mean()),
    }


@dataclass(frozen=True)
class Reviews:
    """What each review changes, a row for each data set and review.

    Parameters
    ----------
    found : DataFrame
        All measurements.
    """

    found: pd.DataFrame

    def changes(self) -> pd.DataFrame:
        """The differences to no review on the same draw: means and their errors."""
        keys, figures = ["data", "seed"], ["log_loss", "accuracy"]
        none = self.found[self.found["review"] == "none"].set_index(keys)
        rows = []
        for name, own in self.found.groupby(["data", "review"], sort=False):
            if name[1] == "none":
                continue
            own = own.set_index(keys)
            change = own[figures] - none.loc[own.index, figures]
            row = {"data": name[0], "review": name[1], "draws": len(own)}
            row |= {"labels": none.loc[own.index, "labels"].mean()}
            row |= {"looked": own["looked"].mean(), "wrong": own["wrong"].mean()}
            for figure in figures:
                row[figure] = change[figure].mean()
                row[f"{figure}_se"] = change[figure].sem()
            rows.append(row)
        return pd.DataFrame(rows)

    def frame(self) -> pd.DataFrame:
        """Worse results first."""
        found = self.changes().sort_values("log_loss", ascending=False)
        return pd.DataFrame(
            {
                "data": found["data"],
                "review": found["review"],
                "labels kept": found["labels"].map("{:.1f}".format),
                "looked at": found["looked"].map("{:.1f}".format),
                "wrong among them": found["wrong"].map("{:.1f}".format),
                "change of log loss": _with_errors(found, "log_loss"),
                "change of accuracy": _with_errors(found, "accuracy"),
            }
        )

    def plot(self) -> Figure:
        """Changes of log loss, with two standard errors."""
        return _drawn(self.changes(), "log_loss")


def _drawn(changes: pd.DataFrame, measure: str) -> Figure:
    """A panel for each data set, with the changes of a measure by each review."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = figure.subplots(1, len(DATA), sharey=True)
    for data, axes in zip(DATA, panels, strict=True):
        own = changes[changes["data"] == data]
        error = SURE * own[f"{measure}_se"]
        axes.errorbar(own[measure], own["review"], xerr=error, fmt="o")
        axes.axvline(0, color="0.4", lw=0.8)
        axes.set_title(data)
        axes.set_xlabel(f"change of {measure.replace('_', ' ')}")
        axes.tick_params(axis="x", labelrotation=45)
    return figure


@dataclass(frozen=True)
class Counts:
    """How often each review surely helps and surely harms, over the data sets.

    Parameters
    ----------
    found : DataFrame
        All measurements.
    """

    found: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """A row for each review."""
        rows = []
        for review, own in Reviews(self.found).changes().groupby("review", sort=False):
            row: dict[str, Any] = {"review": review, "data sets": len(own)}
            for figure, sign, name in (
                ("log_loss", 1, "log loss"),
                ("accuracy", -1, "accuracy"),
            ):
                errors = sign * own[figure] / own[f"{figure}_se"]
                row[f"{name} surely worse"] = int((errors > SURE).sum())
                row[f"{name} surely better"] = int((errors < -SURE).sum())
            rows.append(row)
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Changes of accuracy, with two standard errors."""
        return _drawn(Reviews(self.found).changes(), "accuracy")


@dataclass(frozen=True)
class Orders:
    """What looking at the most doubtful labels brings beyond looking at random ones.

    Parameters
    ----------
    found : DataFrame
        All measurements.
    """

    found: pd.DataFrame

    def changes(self) -> pd.DataFrame:
        """Differences on the same draw: doubtful less random, means and errors."""
        rows = []
        for how in ("rejected", "corrected"):
            doubtful, random = (
                self.found[
                    self.found["review"] == f"20 {which}, wrong ones {how}"
                ].set_index(["data", "seed"])
                for which in ("most doubtful", "at random")
            )
            figures = ["wrong", "log_loss", "accuracy"]
            change = doubtful[figures] - random.loc[doubtful.index, figures]
            for data, own in (*change.groupby("data"), ("all draws", change)):
                row = {"data": data, "wrong ones": how, "draws": len(own)}
                for figure in figures:
                    row[figure] = own[figure].mean()
                    row[f"{figure}_se"] = own[figure].sem()
                rows.append(row)
        return pd.DataFrame(rows)

    def frame(self) -> pd.DataFrame:
        """Worse results first."""
        found = self.changes().sort_values("log_loss", ascending=False)
        return pd.DataFrame(
            {
                "data": found["data"],
                "wrong ones": found["wrong ones"],
                "draws": found["draws"],
                "more wrong labels found": _with_errors(found, "wrong", 1),
                "log loss": _with_errors(found, "log_loss"),
                "accuracy": _with_errors(found, "accuracy"),
            }
        )

    def plot(self) -> Figure:
        """Differences of log loss, with two standard errors."""
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        found = self.changes()
        names = found["data"] + ", " + found["wrong ones"]
        axes.errorbar(
            found["log_loss"], names, xerr=SURE * found["log_loss_se"], fmt="o"
        )
        axes.axvline(0, color="0.4", lw=0.8)
        axes.set_xlabel("log loss, most doubtful less random")
        return figure


def _with_errors(found: pd.DataFrame, figure: str, digits: int = 4) -> list[str]:
    return [
        f"{mean:+.{digits}f} ± {error:.{digits}f}"
        for mean, error in zip(found[figure], found[f"{figure}_se"], strict=True)
    ]


def shown(found: pd.DataFrame) -> dict[str, Display]:
    return {
        "Over the data sets": Counts(found),
        "Each data set": Reviews(found),
        "Is the order of doubt better than chance?": Orders(found),
    }


def main() -> None:
    """Measure what is missing, and write the study."""
    write_study(
        "review",
        [{"data": DATA, "seed": [seed]} for seed in range(SEEDS)],
        measure,
        shown,
        heading=(
            "Is it worth reviewing labels before training on them?",
            f"{environment()}.\n\n{READING}",
        ),
    )


if __name__ == "__main__":
    main()
