"""``LabelDisplay``: how sure each label is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from salutary.displays import style
from salutary.displays.frames import RunFrames
from salutary.displays.run_display import RunDisplay

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

ERRORS = 2
"""A bar reaches this many standard errors up and down."""


class LabelDisplay(RunDisplay):
    """The influence of each label, with two standard errors, in order of assignment.

    Influence is what a label was estimated to take off the validation loss when it was
    assigned. A bar that reaches zero belongs to a label that may do nothing. The
    classes with the most labels have a color and a marker each, the others share one.
    Labels that were undone are hollow.

    Parameters
    ----------
    frame : DataFrame
        A row for each label, in order, with the columns position, row, id, round,
        label, influence, lower, upper (the ends of the bar) and undone.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    artists_ : dict of str to Artist
        What was drawn. For the class with the most labels "class 0" are the markers of
        the labels that were kept, "class 0 undone" those of the others, and "class 0
        bars" the bars of both. The next classes are 1, 2 and so on.

    Notes
    -----
    The standard error allows for the choice of validation rows, and not for the labels
    having been picked for large influences.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from salutary import LabelDisplay, SalutaryClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> marked = np.where(np.arange(150) % 3 == 0, y, -1)
    >>> model = SalutaryClassifier(budget=20, random_state=0).fit(X, marked)
    >>> display = LabelDisplay.from_estimator(model).plot()
    >>> len(display.frame)
    20
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    @classmethod
    def from_frames(cls, frames: RunFrames) -> Self:
        """The labels of what a run did, as tables."""
        columns = ["position", "row", "id", "round", "label", "influence"]
        frame = frames.labels[columns].reset_index(drop=True)
        reach = ERRORS * frames.labels["influence_se"].reset_index(drop=True)
        frame["lower"] = frame["influence"] - reach
        frame["upper"] = frame["influence"] + reach
        frame["undone"] = frames.labels["undone"].to_numpy(dtype=bool)
        return cls(frame)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw the labels.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default in a new figure.
        **kwargs
            For ``matplotlib.axes.Axes.plot``, for the markers.

        Returns
        -------
        LabelDisplay
        """
        self.ax_ = ax = style.panel(ax)
        self.figure_, self.artists_ = ax.figure, {}
        ax.set_ylabel(f"influence ± {ERRORS} standard errors")
        if self.frame.empty:
            ax.set_xlabel("label, in order of assignment")
            style.nothing_to_show(ax, "no label")
            return self
        n_unsure = int((self.frame["lower"] <= 0).sum())
        ax.set_xlabel(
            f"label, in order of assignment\n({n_unsure} of {len(self.frame)} bars "
            "reach zero)"
        )
        ax.axhline(0, color=style.ink(), linewidth=0.8, gid="zero")
        handles, names = [], []
        for number, (name, labels, look) in enumerate(self._groups()):
            handles.append(self._draw(f"class {number}", labels, look, kwargs))
            names.append(f"{name}: {len(labels)}")
        undone = self.frame.loc[self.frame["undone"].astype(bool), "position"] + 1
        if len(undone):
            self.artists_["undone"] = style.gray_ground(ax, undone.min(), undone.max())
            handles.append(self.artists_["undone"])
            names.append(style.UNDONE)
        style.add_legend(ax, handles, names)
        style.whole_numbers(ax)
        ends = ["influence", "lower", "upper"]
        if style.widen_near_zero(ax, [self.frame[end] for end in ends]):
            ax.set_ylabel(
                f"influence ± {ERRORS} standard errors\n(stretched near zero)"
            )
        return self

    def _groups(self) -> Iterator[tuple[str, pd.DataFrame, dict[str, Any]]]:
        """Name, labels and look of each class, the one with the most labels first."""
        label = self.frame["label"].astype(str)
        classes = label.value_counts(sort=True).index.to_list()
        own = classes
        if len(classes) > len(style.CLASSES):
            own = classes[: len(style.CLASSES) - 1]
        names = style.distinct(own, longest=20)
        for name, key, look in zip(names, own, style.CLASSES, strict=False):
            yield name, self.frame[label == key], look
        if len(own) < len(classes):
            name = f"{len(classes) - len(own)} other classes"
            yield name, self.frame[~label.isin(own)], style.OTHERS

    def _draw(
        self,
        name: str,
        labels: pd.DataFrame,
        look: dict[str, Any],
        kwargs: dict[str, Any],
    ) -> Artist:
        """The bars and markers of a class; what stands for it in the legend."""
        raster = len(self.frame) > style.RASTER
        size = style.marker_size(len(self.frame))
        self.artists_[f"{name} bars"] = self.ax_.vlines(
            *(labels["position"] + 1, labels["lower"], labels["upper"]),
            **{"color": look["color"], "alpha": 0.5, "linewidth": size / 5},
            gid=f"{name.replace(' ', '-')}-bars",
            rasterized=raster,
        )
        undone = labels["undone"].to_numpy(dtype=bool)
        for part, rows, fill in (
            (name, labels[~undone], "full"),
            (f"{name} undone", labels[undone], "none"),
        ):
            if len(rows):
                (self.artists_[part],) = self.ax_.plot(
                    *(rows["position"] + 1, rows["influence"]),
                    **style.look_of(
                        {
                            **{**look, "linestyle": "", "fillstyle": fill},
                            "markersize": size,
                            "zorder": 2 + (look is not style.OTHERS),
                            "gid": part.replace(" ", "-"),
                            "rasterized": raster,
                        },
                        kwargs,
                    ),
                )
        return self.artists_[name if name in self.artists_ else f"{name} undone"]
