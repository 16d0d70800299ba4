"""``LearningCurveDisplay``: whether it helped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from salutary.displays import curves, style
from salutary.displays.frames import RunFrames
from salutary.displays.run_display import RunDisplay
from salutary.names import TRAIN_AND_VALIDATION, TRAIN_ONLY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BASELINES = {
    TRAIN_AND_VALIDATION: f"{TRAIN_AND_VALIDATION}, no labels",
    TRAIN_ONLY: f"{TRAIN_ONLY}, C tuned",
}
"""Names in the legend of the lines that every run's labels are held against."""


class LearningCurveDisplay(RunDisplay):
    """The loss of a run on validation and held-out rows after each round.

    Held-out rows are those that the guard judges by and influence never sees; without a
    guard there are none. The band is one standard error of how far their loss has
    fallen since the start. Two lines show what people's labels alone reach on the
    same rows, each with a tuned C: training on both tables, and on the training table.
    Where another way without labels is better than both, it is a third line. Rounds
    that were undone are hollow on a gray ground.

    Parameters
    ----------
    frame : DataFrame
        A row for each round, from 0 on, with the columns round, n_labeled,
        validation_loss, canary_loss, lower, upper (the ends of the band) and undone,
        and with "train + validation" and "train only" if these are known, and the best
        option without labels if it is another one. What is not known is NaN.
    objective : str, default="loss"
        What the loss is called.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    artists_ : dict of str to Artist
        What was drawn: "validation", "held-out", "band", and the baselines by their
        names; markers of undone rounds are "validation undone" and "held-out undone".

    See Also
    --------
    PromiseDisplay : What each round promised, and what it brought.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from salutary import LearningCurveDisplay, SalutaryClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> marked = np.where(np.arange(150) % 3 == 0, y, -1)
    >>> model = SalutaryClassifier(budget=20, random_state=0).fit(X, marked)
    >>> display = LearningCurveDisplay.from_estimator(model).plot()
    >>> display.frame["round"].tolist()
    [0, 1, 2]
    >>> display.figure_.savefig("curve.png")  # doctest: +SKIP
    """

    def __init__(self, frame: pd.DataFrame, *, objective: str = "loss") -> None:
        self.frame = frame
        self.objective = objective

    @classmethod
    def from_estimator(cls, estimator: Any) -> Self:
        """The curve of a fitted `SalutaryClassifier` or `SalutaryFineTuner`."""
        is_deep = hasattr(estimator, "trainer_")
        return cls._of(RunFrames.of_estimator(estimator), is_deep)

    @classmethod
    def from_frames(cls, frames: RunFrames) -> Self:
        """The curve of what a run did, as tables."""
        return cls._of(frames, frames.facts.get("kind") == "finetune")

    @classmethod
    def _of(cls, frames: RunFrames, is_deep: bool) -> Self:
        columns = ["round", "n_labeled", "validation_loss", "canary_loss"]
        frame = frames.rounds[columns].reset_index(drop=True)
        # Before the first round nothing has fallen, and that is sure.
        error = frames.rounds["canary_se"].reset_index(drop=True)
        error = error.mask(frame["round"] == 0, 0.0)
        frame["lower"] = frame["canary_loss"] - error
        frame["upper"] = frame["canary_loss"] + error
        frame["undone"] = frames.rounds["undone"].to_numpy(dtype=bool)
        # The verdict on a run that fine-tunes is about logistic regressions, whose
        # losses say nothing beside those of the deep model.
        if not is_deep:
            frame = frame.assign(**_baselines(frames))
        return cls(frame, objective=style.objective_in_words(frames.verdict))

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default in a new figure.
        **kwargs
            For ``matplotlib.axes.Axes.plot``, for the lines of validation and held-out
            loss.

        Returns
        -------
        LearningCurveDisplay
        """
        self.ax_ = ax = style.panel(ax)
        self.figure_, self.artists_ = ax.figure, {}
        ax.set_xlabel("round")
        ax.set_ylabel(self.objective)
        if self.frame.empty:
            style.nothing_to_show(ax, "no round")
            return self
        undone = self.frame.loc[self.frame["undone"].astype(bool), "round"]
        if len(undone):
            self.artists_["undone"] = style.gray_ground(ax, undone.min(), undone.max())
        names = self._draw_baselines()
        names |= self._draw_losses(kwargs)
        order = [*dict.fromkeys(["validation", "held-out", "undone", *names])]
        shown = [name for name in order if name in names]
        style.add_legend(
            ax, [self.artists_[name] for name in shown], [names[key] for key in shown]
        )
        ax.set_xlim(self.frame["round"].min() - 0.5, self.frame["round"].max() + 0.5)
        style.whole_numbers(ax)
        return self

    def _draw_losses(self, kwargs: dict[str, Any]) -> dict[str, str]:
        frame, names = self.frame, {"validation": "validation rows"}
        self._draw_line("validation", "validation_loss", style.VALIDATION, kwargs)
        if frame["canary_loss"].notna().any():
            look = style.HELD_OUT
            limits = frame["lower"], frame["upper"]
            self.artists_["band"] = curves.band(
                self.ax_, frame["round"], *limits, look["color"]
            )
            self._draw_line("held-out", "canary_loss", look, kwargs)
            names["held-out"] = "held-out rows ± 1 standard error"
        if frame["undone"].any():
            names["undone"] = style.UNDONE
        return names

    def _draw_line(
        self, name: str, column: str, look: dict[str, Any], kwargs: dict[str, Any]
    ) -> None:
        """A line through all rounds, with filled markers where they were kept."""
        frame = self.frame
        undone = frame["undone"].to_numpy(dtype=bool)
        size = style.marker_size(len(frame))
        (self.artists_[name],) = self.ax_.plot(
            *(frame["round"], frame[column]),
            **style.look_of(
                {
                    **{**look, "markersize": size, "markevery": ~undone},
                    **{"zorder": 3, "gid": name},
                },
                kwargs,
            ),
        )
        if undone.any():
            (self.artists_[f"{name} undone"],) = self.ax_.plot(
                *(frame["round"][undone], frame[column][undone]),
                **{**look, "linestyle": "", "fillstyle": "none", "zorder": 3},
                markersize=size,
                gid=f"{name}-undone",
            )

    def _draw_baselines(self) -> dict[str, str]:
        names = {}
        for name in curves.DASHES:
            if name in self.frame:
                level = self.frame[name].iloc[0]
                self.artists_[name] = curves.baseline(self.ax_, level, name)
                names[name] = BASELINES.get(name, f"{name}, best without labels")
        return names


def _baselines(frames: RunFrames) -> dict[str, float]:
    """Losses that people's labels alone reach on the held-out rows."""
    if frames.verdict is None:
        return {}
    losses = {row["option"]: row["loss"] for row in frames.verdict["options"]}
    without = [name for name in curves.DASHES if name in losses]
    drawn = {*BASELINES, min(without, key=losses.__getitem__, default="")}
    return {name: losses[name] for name in without if name in drawn}
