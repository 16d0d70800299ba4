"""Draw the README's learning curve from the measurements of suite regularization.

Usage: python -m docs.learning_curve
"""

from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from salutary.files import write_whole

DOCS = Path(__file__).resolve().parent
MEASURED = DOCS / "results" / "regularization" / "results.parquet"
PICTURE = DOCS / "pictures" / "learning_curve.png"

LINES = {
    "Salutary-guarded": ("salutary labels, nobody asked", "C0", "-", 2.2),
    "Margin": ("true labels of 100 rows, bought by margin", "C1", "-", 1.2),
    "TrainPlusValidation": ("training on both tables, no pool", "black", "--", 1.4),
}
"""Label, color, style and width of the line of each strategy."""


def curves(measured: pd.DataFrame) -> pd.DataFrame:
    """Mean log loss on test rows, C tuned, by data set, strategy and round."""
    tuned = measured[measured["setting"] == "C=tuned"]
    by_round = tuned.pivot_table(
        index="round", columns=["dataset", "strategy", "seed"], values="log_loss"
    )
    # A run that has ended stays where it is.
    means = by_round.loc[:10].ffill().T.groupby(level=["dataset", "strategy"]).mean()
    return means[means.index.get_level_values("strategy").isin(LINES)]


def plot(means: pd.DataFrame) -> Figure:
    """Draw a panel for each data set, with one legend above them."""
    names = means.index.unique("dataset")
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    panels = figure.subplots(1, len(names))
    for panel, name in zip(panels, names, strict=True):
        _draw(panel, means.loc[name])
        panel.set_title(name, fontsize=10)
    panels[0].set_ylabel("log loss on test rows")
    figure.supxlabel("rounds of up to ten labels", fontsize=10)
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=len(LINES),
        frameon=False,
    )
    return figure


def _draw(panel: Axes, means: pd.DataFrame) -> None:
    for strategy, (label, color, style, width) in LINES.items():
        loss = means.loc[strategy]
        panel.plot(
            loss.index, loss, label=label, color=color, ls=style, lw=width, marker=""
        )


if __name__ == "__main__":
    picture = plot(curves(pd.read_parquet(MEASURED)))
    write_whole(PICTURE, partial(picture.savefig, dpi=110, format="png"))
