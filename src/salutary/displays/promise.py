"""``PromiseDisplay``: what was promised, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from salutary.displays import style
from salutary.displays.frames import RunFrames
from salutary.displays.run_display import RunDisplay

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

SERIES = {
    "promised": ("promised ± 1 standard error", style.PROMISED),
    "validation": ("real, on validation rows", style.VALIDATION),
    "held_out": ("real, on held-out rows", style.HELD_OUT),
}
"""Name in the legend and look of each column that is drawn."""

PLACES = {"promised": -0.2, "validation": 0.0, "held_out": 0.2}
"""Where in a round a series stands, so that none hides another."""


class PromiseDisplay(RunDisplay):
    """The fall of the loss that each round promised, and the fall it brought.

    A round promises the sum of the influences of its labels. What it brought is how far
    the loss fell in that round on the validation rows, by which the labels were chosen,
    and on held-out rows, by which they were not. Rounds that were undone are hollow.

    Parameters
    ----------
    frame : DataFrame
        A row for each round, from 1 on, with the columns round, n_labels, promised,
        lower, upper (one standard error below and above), validation, held_out and
        undone. What is not known is NaN.
    objective : str, default="loss"
        What the loss is called.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    artists_ : dict of str to Artist
        What was drawn: "promised", "validation" and "held_out", with "bars" for the
        errors and, say, "promised undone" for the markers of undone rounds.

    Notes
    -----
    Influence is per unit of a row's weight, so the sum is that of rows of weight one.
    The labels of a round are judged by the same validation rows, and their errors go
    together. The error of the sum is at most the sum of the errors, and this is drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from salutary import PromiseDisplay, SalutaryClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> marked = np.where(np.arange(150) % 3 == 0, y, -1)
    >>> model = SalutaryClassifier(budget=20, random_state=0).fit(X, marked)
    >>> display = PromiseDisplay.from_estimator(model).plot()
    >>> display.frame["n_labels"].tolist()
    [10, 10]
    """

    def __init__(self, frame: pd.DataFrame, *, objective: str = "loss") -> None:
        self.frame = frame
        self.objective = objective

    @classmethod
    def from_frames(cls, frames: RunFrames) -> Self:
        """The rounds of what a run did, as tables."""
        rounds = frames.rounds.set_index("round")
        sums = frames.labels.groupby("round")[["influence", "influence_se"]].agg(_sum)
        found = pd.DataFrame(
            {
                "n_labels": frames.labels.groupby("round").size(),
                "promised": sums["influence"],
                "lower": sums["influence"] - sums["influence_se"],
                "upper": sums["influence"] + sums["influence_se"],
            }
        ).reindex(rounds.index)
        found["n_labels"] = found["n_labels"].fillna(0).astype(int)
        found["validation"] = -rounds["validation_loss"].astype(float).diff()
        found["held_out"] = -rounds["canary_loss"].astype(float).diff()
        found["undone"] = rounds["undone"].astype(bool)
        frame = found.iloc[1:].rename_axis("round").reset_index()
        return cls(frame, objective=style.objective_in_words(frames.verdict))

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw the rounds.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default in a new figure.
        **kwargs
            For ``matplotlib.axes.Axes.plot``, for the markers.

        Returns
        -------
        PromiseDisplay
        """
        self.ax_ = ax = style.panel(ax)
        self.figure_, self.artists_ = ax.figure, {}
        ax.set_xlabel("round")
        ax.set_ylabel(f"fall of the {self.objective}")
        if self.frame.empty:
            style.nothing_to_show(ax, "no round")
            return self
        ax.axhline(0, color=style.ink(), linewidth=0.8, gid="zero")
        drawn = [name for name in SERIES if self.frame[name].notna().any()]
        handles = [self._draw(name, SERIES[name][1], kwargs) for name in drawn]
        names = [SERIES[name][0] for name in drawn]
        undone = self.frame.loc[self.frame["undone"].astype(bool), "round"]
        if len(undone):
            self.artists_["undone"] = style.gray_ground(ax, undone.min(), undone.max())
            handles.append(self.artists_["undone"])
            names.append(style.UNDONE)
        style.add_legend(ax, handles, names)
        style.whole_numbers(ax)
        ends = ["promised", "lower", "upper", "validation", "held_out"]
        if style.widen_near_zero(ax, [self.frame[end] for end in ends]):
            ax.set_ylabel(f"fall of the {self.objective} (stretched near zero)")
        return self

    def _draw(self, name: str, look: dict[str, Any], kwargs: dict[str, Any]) -> Artist:
        """The markers of a series, and a stem or bar to each; its name's marker."""
        frame = self.frame
        place, size = frame["round"] + PLACES[name], style.marker_size(len(frame))
        ends = (
            (frame["lower"], frame["upper"]) if name == "promised" else (0, frame[name])
        )
        bars = "bars" if name == "promised" else f"{name} stems"
        self.artists_[bars] = self.ax_.vlines(
            *(place, *ends),
            **{"color": look["color"], "alpha": 0.6, "linewidth": size / 4},
            gid=bars.replace(" ", "-").replace("_", "-"),
        )
        undone = frame["undone"].to_numpy(dtype=bool)
        for part, rows, fill in (
            (name, ~undone, "full"),
            (f"{name} undone", undone, "none"),
        ):
            if rows.any():
                (self.artists_[part],) = self.ax_.plot(
                    *(place[rows], frame[name][rows]),
                    **style.look_of(
                        {
                            **{**look, "linestyle": "", "fillstyle": fill},
                            **{"markersize": size, "zorder": 3},
                            "gid": part.replace(" ", "-").replace("_", "-"),
                        },
                        kwargs,
                    ),
                )
        return self.artists_[name if name in self.artists_ else f"{name} undone"]


def _sum(values: pd.Series) -> float:
    """A sum; with an error that is not known, that of all is not known either."""
    return float(values.sum(skipna=False))
