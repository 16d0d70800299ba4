"""What of a gain in log loss is the undoing of a strong penalty's shrinking.

A strong penalty makes coefficients too small, and any label that lengthens them lowers
the loss. Two controls do that without a pool: one number by which the start model's
logits are multiplied, and the penalty that suits the validation rows.
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
    # A frozen model is not fitted in the folds: one number is found for all rows.
    return CalibratedClassifierCV(
        FrozenEstimator(model), method="temperature", cv=KFold(2)
    ).fit(X, y)


def judged(model: LogisticRegression, task: Task) -> dict[str, float]:
    """As `rounds.judged`, and its log loss once its logits suit the validation rows.

    Rescaling changes no decision, hence no accuracy.
    """
    better = rescaled(model, task.split.validation)
    return {
        **rounds.judged(model, task),
        "rescaled_log_loss": rounds.judged(better, task)["log_loss"],
    }


@dataclass(frozen=True)
class Unshrinking:
    """The gain of salutary labels beside what the controls gain without labels.

    Parameters
    ----------
    results : DataFrame
        As in results.parquet.
    strategy : str
    """

    results: pd.DataFrame
    strategy: str

    def frame(self) -> pd.DataFrame:
        """Columns dataset, setting, part, mean and sem.

        ``gain`` is over the start model; so are ``rescaled start`` and ``unshrunk
        start``, which no label was needed for. ``left after rescaling`` is what is
        gained over the rescaled start when the end model is rescaled too.
        """
        keys = ["dataset", "setting"]
        ends = final(self.results).set_index([*keys, "seed", "strategy"])
        plain, better = (
            ends[measure].unstack("strategy")
            for measure in ("log_loss", "rescaled_log_loss")
        )
        falls = {
            "gain": plain[START] - plain[self.strategy],
            "rescaled start": plain[START] - better[START],
            "unshrunk start": plain[START] - plain[UNSHRUNK],
            "left after rescaling": better[START] - better[self.strategy],
        }
        found = {
            part: fall.dropna().groupby(level=keys, observed=True).agg(["mean", "sem"])
            for part, fall in falls.items()
        }
        table = pd.concat(found, names=["part"]).reset_index()
        return table[["dataset", "setting", "part", "mean", "sem"]]

    def plot(self) -> Figure:
        """A panel for each data set, bars of one standard error."""
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
    """What is gained by C, and what of it is un-shrinking."""
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
                    f"What of the gain of {display.strategy} is un-shrinking",
                    "Fall of the test rows' log loss, means over splits and standard "
                    "errors: the labels' over the start model; the start model's when "
                    "its logits are rescaled, or its penalty chosen, to fit the "
                    "validation rows; and the labels' when both models are rescaled.",
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
    """How often the controls reach the gain, and how often labels are ahead anyway."""
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
        f"{len(wide)} pairs of data set and C; in {whole} of these rescaling the start "
        "model or choosing its C by the validation rows lowers it as much or more. "
        f"Once both are rescaled, labels are ahead in {kept} of {len(left)}, by more "
        f"than {factors.ERRORS:g} standard errors."
    )


def _table(display: Unshrinking) -> Table:
    keys = ["dataset", "setting"]
    wide = factors.as_texts(display.frame(), keys, "part")[list(PARTS)]
    return Table(
        f"Un-shrinking and {display.strategy}",
        "Fall of the test rows' log loss, mean ± standard error over splits.",
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
"""Strategies judged after every round, as they are and rescaled, against C."""
