"""The pictures of a page, as SVG that takes its colors from the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from salutary.displays import style
from salutary.displays.frames import RunFrames
from salutary.displays.labels import LabelDisplay
from salutary.displays.learning_curve import LearningCurveDisplay
from salutary.displays.promise import PromiseDisplay
from salutary.names import TRAIN_ONLY
from salutary.report.calibration import Judged
from salutary.report.visible import visible

WIDTH, HEIGHT = 7.2, 3.3
"""Inches of a picture, which fills the width of a page on a screen."""

LEFT, RIGHT, BELOW, LINE = 1.0, 0.15, 0.65, 0.205
"""Inches beside and below the axes, and of a line of the legend above them."""

MOST_ROWS = 200
"""Rows of the table behind a picture, and rounds that are drawn; of more, evenly spaced
ones are."""

MOST_BARS = 40
"""Bars of labels by round; of more rounds, several share a bar."""

SAME = 5e-5
"""Losses closer than this show the same figures."""

MOST_CLASSES = len(style.CLASSES)


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Parameters
    ----------
    name : str
        Begins its ids.
    title : str
        What it shows.
    svg : Markup
    caption : str
        What to look for in it.
    figures : DataFrame or None
        What is drawn; None if another table of the page has it.
    """

    name: str
    title: str
    svg: Markup
    caption: str
    figures: pd.DataFrame | None

    @property
    def rows(self) -> Sequence[Sequence[Any]]:
        """Rows of the figures, at most `MOST_ROWS` of them."""
        assert self.figures is not None
        chosen = self.figures.iloc[_spaced(len(self.figures), MOST_ROWS)]
        return [list(row) for row in chosen.itertuples(index=False)]

    @property
    def n_rows(self) -> int:
        """Number of rows of the figures."""
        return 0 if self.figures is None else len(self.figures)


def _spaced(number: int, most: int) -> Any:
    return np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(int))


def picture(
    name: str,
    draw: Callable[[Axes], object],
    title: str,
    caption: str,
    figures: pd.DataFrame | None,
    height: float = HEIGHT,
    columns: int | None = 2,
) -> Picture:
    """Draw a picture.

    Parameters
    ----------
    name : str
    draw : callable
        Draws into the axes that it is called with.
    title, caption : str
        What the picture shows, and what to look for in it.
    figures : DataFrame or None
    height : float
        In inches.
    columns : int or None
        Of the legend. None for margins as wide as the texts, which takes a figure to be
        laid out twice; else they are wide enough for numbers.
    """
    figure = Figure(figsize=(WIDTH, height))
    if columns is None:
        figure.set_layout_engine("constrained")
    ax = figure.subplots()
    ax.spines[["top", "right"]].set_visible(False)
    draw(ax)
    if columns is not None:
        legend = ax.get_legend()
        n_lines = 0 if legend is None else -(-len(legend.get_texts()) // columns)
        figure.subplots_adjust(
            left=LEFT / WIDTH,
            right=1 - RIGHT / WIDTH,
            bottom=BELOW / height,
            top=1 - (RIGHT + LINE * n_lines) / height,
        )
    svg = style.as_svg(figure, name, title)
    described = f'</title><desc id="{name}-desc">{escape(caption)}</desc>'
    svg = svg.replace("</title>", described, 1).replace(
        f'aria-labelledby="{name}-title"',
        f'aria-labelledby="{name}-title" aria-describedby="{name}-desc"',
        1,
    )
    return Picture(name, title, Markup(svg), caption, figures)


RoundDisplay = TypeVar("RoundDisplay", LearningCurveDisplay, PromiseDisplay)


def _thinned(display: RoundDisplay) -> RoundDisplay:
    """The display with evenly spaced rounds if there are many, as SVG grows by each."""
    display.frame = display.frame.iloc[_spaced(len(display.frame), MOST_ROWS)]
    return display


def learning_curve(frames: RunFrames) -> Picture:
    """The losses by round."""
    display = _thinned(LearningCurveDisplay.from_frames(frames))
    return picture(
        "curve",
        display.plot,
        "Loss on validation and held-out rows after each round",
        _about_the_curve(frames, display.frame),
        display.frame,
    )


def _about_the_curve(frames: RunFrames, drawn: pd.DataFrame) -> str:
    """What to look for in the curve, and what it cannot tell."""
    if drawn["canary_loss"].isna().all():
        return (
            "Lower is better. The labels were chosen by the validation rows, so that "
            "their loss falls says little. Without a guard there are no held-out rows."
        )
    guard = (
        "Lower is better. The held-out line is of the guard's own runs, and these same "
        "rows chose the round to end with, so its end may look too good. The verdict "
        "above lets each part of the rows judge a round that the others chose; where "
        "all choose the same round, the two figures are the same."
    )
    if frames.facts.get("kind") == "finetune":
        guard = (
            "Lower is better. The held-out rows stop fine-tuning early and choose the "
            "round to end with, so their line may look too good."
        )
    text = (
        f"{guard} The band is one standard error of the fall since the start: smaller "
        "differences may be chance."
    )
    if drawn["undone"].any():
        text += " Rounds on gray were undone."
    if TRAIN_ONLY in drawn:
        start, alone = drawn["canary_loss"].iloc[0], drawn[TRAIN_ONLY].iloc[0]
        if abs(start - alone) > SAME:
            text += _why_two_starts(frames)
    return text


def _why_two_starts(frames: RunFrames) -> str:
    """Why training on TRAIN alone has another loss than the run's start."""
    of_run = "also by cross-validation on the training rows"
    given = frames.facts.get("settings", {}).get("C")
    if given is not None:
        of_run = f"given as {given:g}"
    return (
        f" Round 0 and {TRAIN_ONLY!r} are fitted on the same rows and differ in C "
        "alone: for the latter it is chosen by the validation rows that the guard's "
        f"run sees, for the run {of_run}."
    )


def promise(frames: RunFrames) -> Picture:
    """What each round promised, and what it brought."""
    display = _thinned(PromiseDisplay.from_frames(frames))
    return picture(
        "promise",
        display.plot,
        "Fall of the loss that each round promised, and the real one",
        "A round promises the sum of its labels' influences, drawn with one standard "
        "error. What it brought on held-out rows is what counts; where that is far "
        "below the promise, influences were overrated.",
        display.frame,
    )


def influences(frames: RunFrames) -> Picture:
    """The influence of each label with its error; `all labels` is its table."""
    display = LabelDisplay.from_frames(frames)
    return picture(
        "influence",
        display.plot,
        "Influence of each label with two standard errors, in order of assignment",
        "A label whose bar reaches zero may bring nothing. Hollow ones were undone. "
        "The figures are in the table of all labels below.",
        None,
    )


def by_class(frames: RunFrames) -> Picture:
    """How many labels of each class every round gave."""
    counts = class_counts(frames)
    return picture(
        "classes",
        lambda ax: _draw_counts(ax, counts),
        "Number of labels of each class by round",
        "A class that gets almost all labels, or none, is worth a look.",
        counts.rename_axis("round").reset_index(),
        height=2.6,
        columns=4,
    )


def class_counts(frames: RunFrames) -> pd.DataFrame:
    """Number of labels by round (or by neighboring rounds) and class.

    Classes come with the most frequent first. Those beyond the sixth are together.
    """
    labels = frames.labels
    counts = labels["label"].value_counts()
    names = [name for name in counts.index[:MOST_CLASSES] if counts[name]]
    rest = f"{len(counts) - len(names)} other classes"
    named = labels["label"].where(labels["label"].isin(names), rest)
    last = int(frames.rounds["round"].max())
    width = -(-last // MOST_BARS)
    first = (labels["round"] - 1) // width * width + 1
    if width > 1:
        until = np.minimum(first + width - 1, last)
        first = first.astype(str) + "\u2013" + until.astype(str)
    table = pd.crosstab(first, named)
    order = first.drop_duplicates()
    columns = [*names, *([rest] if (named == rest).any() else [])]
    return table.reindex(index=order, columns=columns)


def _draw_counts(ax: Axes, counts: pd.DataFrame) -> None:
    places, below = np.arange(len(counts)), np.zeros(len(counts))
    hatches = ("", "///", "...", "xxx", "\\\\\\", "++", "oo")
    handles: list[Artist] = []
    for number, name in enumerate(counts.columns):
        look = style.CLASSES[number] if number < MOST_CLASSES else style.OTHERS
        bars = ax.bar(
            places,
            counts[name],
            bottom=below,
            width=0.7,
            color="none",
            edgecolor=look["color"],
            hatch=hatches[number],
        )
        if not hatches[number]:
            for bar in bars:
                bar.set_facecolor(look["color"])
        handles.append(bars[0])
        below += counts[name].to_numpy()
    style.add_legend(ax, handles, map(visible, counts.columns), columns=4)
    shown = _spaced(len(counts), 10)
    first = [str(counts.index[place]).partition("\u2013")[0] for place in shown]
    ax.set_xticks(places[shown], first)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("round")
    ax.set_ylabel("labels")


def calibration(judged: Judged, is_same: bool) -> Picture:
    """How sure the model was of its guesses, and how often they were right."""
    frame = judged.calibration
    if is_same:
        frame = frame[frame["model"] == "before"]
    return picture(
        "calibration",
        lambda ax: _draw_calibration(ax, frame),
        f"Calibration{'' if is_same else ' before and after'}, on {judged.name}",
        "Each mark is a tenth of the rows. On the diagonal the model is right as often "
        "as it says; below it, it is too sure of itself.",
        frame,
        height=3.6,
    )


def _draw_calibration(ax: Axes, frame: pd.DataFrame) -> None:
    low = float(min(frame["sure"].min(), frame["right"].min()))
    ends = [max(0.0, low - 0.03), 1.0]
    ax.plot(ends, ends, color=style.ink(), linewidth=0.8, linestyle=":")
    looks = {
        "before": {**style.OTHERS, "marker": "o", "fillstyle": "none", "ls": "--"},
        "after": {"color": style.LIGHT["blue"], "marker": "s", "ls": "-"},
    }
    handles = {}
    for model, look in looks.items():
        part = frame[frame["model"] == model]
        if len(part):
            (handles[model],) = ax.plot(part["sure"], part["right"], **look, lw=1.2)
    if len(handles) > 1:
        style.add_legend(ax, handles.values(), handles)
    ax.set_xlabel("probability that the model gives its guess")
    ax.set_ylabel("share of guesses that are right")
