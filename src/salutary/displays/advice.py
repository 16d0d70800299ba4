"""``AdviceDisplay``: what else could be done with the rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from salutary.advice.verdict import LABELED, Verdict
from salutary.displays import style
from salutary.errors import InputError
from salutary.ledgers.advice_ledger import AdviceLedger
from salutary.ledgers.schema import LEDGER
from salutary.ledgers.sealed import application_of, not_as_written, open_ledger
from salutary.names import TAKING_POOL

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from salutary.advice.comparison import Comparison

KINDS = {
    "people": ("people's labels alone", style.PEOPLE),
    "assigned": ("with assigned labels", style.ASSIGNED),
    "pool": ("with the whole pool, without labels", style.WHOLE_POOL),
}
"""Name in the legend and look of each kind of option."""


class AdviceDisplay:
    """How much higher the loss of each option is than that of the advised one.

    A forest plot: a marker for each option, with the 95% interval of the difference.
    Where an interval reaches zero, the option may do as well as the advised one, whose
    name is marked and which stands at zero.

    Parameters
    ----------
    frame : DataFrame
        A row for each option, with the columns option, loss, difference, lower, upper,
        assigned (whether it has assigned labels) and whole_pool (whether the pool takes
        part in it without labels).
    option : str
        The option that the others are compared with.
    objective : str, default="loss"
        What the loss is called.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    artists_ : dict of str to Artist
        What was drawn: "people", "assigned" and "pool", the markers of each kind of
        option that there is, and "people bars" and so on.

    See Also
    --------
    salutary.advise : Compares the options.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from salutary import AdviceDisplay, advise
    >>> X, y = load_iris(return_X_y=True)
    >>> advice = advise(
    ...     X[::9], y[::9], X[1::3], y[1::3], splits=2, repeats=1, random_state=0
    ... )
    >>> display = AdviceDisplay.from_advice(advice).plot()  # or advice.plot()
    >>> display.option
    'train + validation'
    """

    ax_: Axes
    figure_: Figure | SubFigure
    artists_: dict[str, Artist]

    def __init__(
        self, frame: pd.DataFrame, *, option: str, objective: str = "loss"
    ) -> None:
        self.frame = frame
        self.option = option
        self.objective = objective

    @classmethod
    def from_advice(cls, advice: Comparison) -> AdviceDisplay:
        """The options of an `Advice`."""
        return cls.from_verdict(advice.verdict)

    @classmethod
    def from_verdict(cls, verdict: Verdict | Mapping[str, Any]) -> AdviceDisplay:
        """The options of a `Verdict`, or of what `Verdict.to_dict` returns."""
        figures = verdict.to_dict() if isinstance(verdict, Verdict) else verdict
        columns = ["option", "loss", "difference", "lower", "upper"]
        frame = pd.DataFrame(figures["options"])[columns]
        frame["assigned"] = frame["option"].str.startswith(LABELED)
        frame["whole_pool"] = frame["option"].isin(TAKING_POOL)
        return cls(
            frame,
            option=figures["option"],
            objective=style.objective_in_words(figures),
        )

    @classmethod
    def from_run(cls, path: Path | str) -> AdviceDisplay:
        """The options that a run in a directory compared.

        Parameters
        ----------
        path : Path or str
            The ``--out`` of ``salutary advise``.

        Raises
        ------
        InputError
            If it holds no finished comparison.
        """
        file = Path(path) / LEDGER
        if not file.is_file() or application_of(file) != AdviceLedger.APPLICATION:
            raise InputError(
                f"{path}: holds no comparison; pass the --out of 'salutary advise'"
            )
        with open_ledger(AdviceLedger, file) as ledger:
            if not ledger.is_sound():
                raise not_as_written(file)
            report = ledger.facts().get("report")
        if not report:
            raise InputError(
                f"{path}: the comparison is not finished; "
                f"'salutary resume {path}' goes on"
            )
        return cls.from_verdict(report["outcome"])

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> AdviceDisplay:
        """Draw the options, the first on top.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default in a new figure.
        **kwargs
            For ``matplotlib.axes.Axes.plot``, for the markers.

        Returns
        -------
        AdviceDisplay
        """
        self.ax_ = ax = style.panel(ax)
        self.figure_, self.artists_ = ax.figure, {}
        ax.set_xlabel(f"{self.objective} above that of {self.option!r}\n(95% interval)")
        ax.axvline(0, color=style.ink(), linewidth=0.8, gid="zero")
        handles = []
        assigned = self.frame["assigned"].to_numpy(dtype=bool)
        pool = np.zeros_like(assigned)
        if "whole_pool" in self.frame:
            pool = self.frame["whole_pool"].to_numpy(dtype=bool)
        kinds = {"people": ~(assigned | pool), "assigned": assigned, "pool": pool}
        kinds = {kind: rows for kind, rows in kinds.items() if rows.any()}
        for kind, rows in kinds.items():
            handles.append(self._draw(kind, self.frame[rows], kwargs))
        ax.set_yticks(self.frame.index, self._names(), parse_math=False)
        ax.set_ylim(len(self.frame) - 0.5, -0.5)
        ax.grid(axis="y", alpha=0.3)
        style.add_legend(ax, handles, [KINDS[kind][0] for kind in kinds])
        return self

    def _names(self) -> list[str]:
        """Options with their losses; an arrow marks the advised one."""
        names = [style.drawable(name) for name in style.distinct(self.frame["option"])]
        return [
            f"{'▸ ' if option == self.option else ''}{name}  {loss:.4f}"
            for option, name, loss in zip(
                self.frame["option"], names, self.frame["loss"], strict=True
            )
        ]

    def _draw(self, kind: str, options: pd.DataFrame, kwargs: dict[str, Any]) -> Artist:
        look = KINDS[kind][1]
        self.artists_[f"{kind} bars"] = self.ax_.hlines(
            *(options.index, options["lower"], options["upper"]),
            **{"color": look["color"], "linewidth": 1.6},
            gid=f"{kind}-bars",
        )
        (self.artists_[kind],) = self.ax_.plot(
            *(options["difference"], options.index),
            **style.look_of(
                {
                    **{**look, "linestyle": "", "markersize": style.marker_size(1)},
                    "gid": kind,
                },
                kwargs,
            ),
        )
        return self.artists_[kind]
