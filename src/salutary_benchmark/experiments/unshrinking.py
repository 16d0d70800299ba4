"""How much of a gain in log loss only undoes the shrinking of a strong penalty.

A strong penalty makes coefficients too small, so that any label that makes them larger
lowers the loss. Two controls do so without a pool: they multiply the start model's
logits by the number that fits the validation rows best, or choose the C with the lowest
validation loss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from salutary_benchmark.data.splits import Part
from salutary_benchmark.experiments import factors, rounds
from salutary_benchmark.experiments.experiment import Picture, Shown, Table
from salutary_benchmark.experiments.pictures import draw_panels
from salutary_benchmark.experiments.side_by_side import SIDE_BY_SIDE
from salutary_benchmark.experiments.statistics import final
from salutary_benchmark.strategies.task import Task

START, UNSHRUNK = "TrainOnly", "TrainUnshrunk"

PARTS = ("gain", "rescaled start", "unshrunk start", "left after rescaling")


def rescaled(model: LogisticRegression, rows: Part) -> CalibratedClassifierCV:
    """Temperature scaling: logits times the number with the lowest log loss on rows."""
    X, y = rows
    # A frozen model is not refitted in the folds: one number is found for all rows.
    return CalibratedClassifierCV(
        FrozenEstimator(model), method="temperature", cv=KFold(2)
    ).fit(X, y)


def judged(model: LogisticRegression, task: Task) -> dict[str, float]:
    """Measures as in `rounds.judged`, and the log loss of the rescaled model.

    Rescaling changes no prediction and hence no accuracy.
    """
    better = rescaled(model, task.split.validation)
    return {
        **rounds.judged(model, task),
        "rescaled_log_loss": rounds.judged(better, task)["log_loss"],
    }


@dataclass(frozen=True)
class Unshrinking:
    """The gain of salutary labels, and what the controls gain without any label.

    Parameters
    ----------
    results : DataFrame
        Rows of results.parquet.
    strategy : str
        The strategy whose labels are looked at.
    """

    results: pd.DataFrame
    strategy: str

    def frame(self) -> pd.DataFrame:
        """Columns dataset, setting, part, mean and sem.

        ``gain``, ``rescaled start`` and ``unshrunk start`` are decreases of the log
        loss from that of the start model (train only); the last two need no label.
        ``left after rescaling`` is the gain when the start model and the end model are
        both rescaled.
        """
        keys = ["dataset", "setting"]
        ends = final(self.results).set_index([*keys, "seed", "strategy"])
        plain, better = (
            ends[measure].unstack("strategy")
            for measure in ("log_loss", "rescaled_log_loss")
        )
        decreases = {
            "gain": plain[START] - plain[self.strategy],
            "rescaled start": plain[START] - better[START],
            "unshrunk start": plain[START] - plain[UNSHRUNK],
            "left after rescaling": better[START] - better[self.strategy],
        }
        found = {
            part: decrease.dropna()
            .groupby(level=keys, observed=True)
            .agg(["mean", "sem"])
            for part, decrease in decreases.items()
        }
        table = pd.concat(found, names=["part"]).reset_index()
        return table[["dataset", "setting", "part", "mean", "sem"]]

    def plot(self) -> Figure:
        """A panel for each data set, with bars of one standard error."""
        found = self.frame()

        def draw(panel: Axes, of_set: pd.DataFrame) -> None:
            names = factors.present(of_set)
            for part in PARTS:
                line = of_set[of_set["part"] == part].set_index("setting")
                line = line.reindex(names)
                panel.errorbar(
                    range(len(names)),
                    line["mean"],
                    line["sem"].fillna(0),
                    capsize=2,
                    label=part,
                )
            panel.axhline(0, color="0.8", linewidth=0.8, zorder=0)
            panel.set_xticks(
                range(len(names)), [setting.rpartition("=")[2] for setting in names]
            )

        return draw_panels(
            found.groupby("dataset"),
            draw,
            columns=2,
            xlabel="C",
            ylabel="gain in log loss",
        )


def show(results: pd.DataFrame) -> Shown:
    """What is gained under each C, and how much of it is un-shrinking."""
    own = [
        name
        for name in ("Salutary-guarded", "Salutary-paper")
        if {name, START, UNSHRUNK} <= set(results["strategy"])
    ]
    parts = [Unshrinking(results, name) for name in own]
    return Shown(
        " ".join(_sentence(display) for display in parts),
        [
            *(
                Picture(
                    f"How much of the gain of {display.strategy} is un-shrinking",
                    "Decrease of the test rows' log loss, means over splits with bars "
                    "of one standard error. Gain: from the start model to the model "
                    "with labels. Rescaled start: the start model with its logits "
                    "multiplied to fit the validation rows. Unshrunk start: the start "
                    "model under the C with the lowest validation loss. Left after "
                    "rescaling: the gain when both models are rescaled.",
                    f"{display.strategy}.png",
                    display,
                )
                for display in parts
            ),
            *(_table(display) for display in parts),
            *factors.sections(results),
        ],
    )


def _sentence(display: Unshrinking) -> str:
    """How often the controls reach the gain, and how often labels still add to it."""
    wide = display.frame().pivot(
        index=["dataset", "setting"], columns="part", values="mean"
    )
    gained = wide[wide["gain"] > 0]
    control = gained[["rescaled start", "unshrunk start"]].max(axis=1)
    whole = int((control >= gained["gain"]).sum())
    left = display.frame().query("part == 'left after rescaling'")
    kept = int((left["mean"] > factors.ERRORS * left["sem"].fillna(0)).sum())
    return (
        f"{display.strategy} lowers the start model's log loss in {len(gained)} of "
        f"{len(wide)} pairs of data set and C. In {whole} of these, rescaling the "
        "start model or choosing its C by the validation rows lowers it as much or "
        f"more. With both models rescaled, labels are ahead in {kept} of {len(left)} "
        f"pairs by more than {factors.ERRORS:g} standard errors."
    )


def _table(display: Unshrinking) -> Table:
    keys = ["dataset", "setting"]
    wide = factors.as_texts(display.frame(), keys, "part")[list(PARTS)]
    return Table(
        f"Un-shrinking and {display.strategy}",
        "Decrease of the test rows' log loss, mean ± standard error over splits.",
        ["data set", "setting", *PARTS],
        wide.reset_index().to_numpy().tolist(),
    )


UNSHRINKING = replace(
    SIDE_BY_SIDE,
    measure=partial(rounds.measure, judge=judged),
    columns={**rounds.COLUMNS, "rescaled_log_loss": "float32"},
    measures=(*rounds.MEASURES, "rescaled_log_loss"),
    show=show,
)
"""Strategies are judged after every round, as they are and rescaled, by C."""
