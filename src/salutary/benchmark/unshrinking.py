"""What of a gain in log loss is the undoing of a strong penalty's shrinking.

A strong penalty makes coefficients too small, and any label that lengthens them lowers
the loss. Two controls do that without a pool: one number by which the start model's
logits are multiplied, and the penalty that suits the validation rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd
from matplotlib.figure import Figure

from salutary.benchmark import factors
from salutary.benchmark.displays import add_legend, panels_of
from salutary.benchmark.experiment import Picture, Shown, Table
from salutary.benchmark.factors import differences
from salutary.benchmark.side_by_side import SIDE_BY_SIDE

START = "TrainOnly"

PARTS = {
    "gain": ("{}", START),
    "rescaled start": ("TrainRescaled", START),
    "unshrunk start": ("TrainUnshrunk", START),
    "left after rescaling": ("{}-rescaled", "TrainRescaled"),
}
"""Each the fall of the second strategy's log loss to the first's."""


@dataclass(frozen=True)
class Unshrinking:
    """The gain of salutary labels beside what the controls gain without labels.

    Parameters
    ----------
    results : DataFrame
        As in results.parquet.
    strategy : str
        One that has a variant "-rescaled".
    measure : {"log_loss", "accuracy"}
    """

    results: pd.DataFrame
    strategy: str
    measure: str = "log_loss"

    def frame(self) -> pd.DataFrame:
        """Columns dataset, setting, part, mean and sem.

        ``gain`` is over the start model; so are ``rescaled start`` and ``unshrunk
        start``, which no label was needed for. ``left after rescaling`` is what is
        gained over the rescaled start when the end model is rescaled too.
        """
        found = [
            differences(
                self.results, better.format(self.strategy), than, self.measure
            ).assign(part=part)
            for part, (better, than) in PARTS.items()
        ]
        table = pd.concat(found).reset_index()
        return table[["dataset", "setting", "part", "mean", "sem"]]

    def plot(self) -> Figure:
        """A panel for each data set, bars of one standard error."""
        found = self.frame()
        groups = list(found.groupby("dataset"))
        figure, panels = panels_of(len(groups), columns=2)
        for panel, (name, of_set) in zip(panels, groups, strict=True):
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
            panel.set_title(str(name), fontsize=10)
        panels[0].set_xlabel("C")
        panels[0].set_ylabel(f"gain in {self.measure.replace('_', ' ')}")
        add_legend(figure, panels)
        return figure


def show(results: pd.DataFrame) -> Shown:
    """What is gained by C, and what of it is un-shrinking."""
    own = [
        name
        for name in ("Salutary-guarded", "Salutary-paper")
        if {name, f"{name}-rescaled"} <= set(results["strategy"])
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
            *(_table(replace(display, measure="accuracy")) for display in parts),
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
    measure = display.measure.replace("_", " ")
    return Table(
        f"Un-shrinking and {display.strategy}: {measure}",
        f"Gain in {measure}, mean ± standard error over splits; positive is better.",
        ["data set", "setting", *PARTS],
        wide.reset_index().to_numpy().tolist(),
    )


UNSHRINKING = replace(SIDE_BY_SIDE, show=show)
"""Strategies judged after every round, against C."""
