"""What all pictures look like: colors, markers, names and texts, in one place.

No series is told apart by color alone: each has its own marker, line style or place.
matplotlib is imported where something is drawn, so that no command waits for it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

LIGHT = {
    "blue": "#0072b2",
    "vermilion": "#c85200",
    "green": "#00805e",
    "purple": "#aa4499",
    "olive": "#7d7d1f",
    "wine": "#882255",
    "gray": "#6b6b6b",
}
"""Colors on white: every one has a contrast of at least 4 to 1."""

DARK = {
    "blue": "#56b4e9",
    "vermilion": "#ff9e58",
    "green": "#3ddab0",
    "purple": "#e59ad8",
    "olive": "#d3d35a",
    "wine": "#ff86b4",
    "gray": "#b0b0b0",
}
"""The same on black. `as_svg` names colors, so that a page can put these in."""

VALIDATION: dict[str, Any] = {
    "color": LIGHT["blue"],
    "marker": "o",
    "linestyle": "-",
}
HELD_OUT: dict[str, Any] = {
    "color": LIGHT["vermilion"],
    "marker": "s",
    "linestyle": "--",
}
PROMISED: dict[str, Any] = {
    "color": LIGHT["green"],
    "marker": "D",
    "linestyle": ":",
}
"""Series that stand in several pictures look alike in all of them."""

PEOPLE: dict[str, Any] = {"color": LIGHT["gray"], "marker": "o"}
ASSIGNED: dict[str, Any] = {"color": LIGHT["purple"], "marker": "D"}
WHOLE_POOL: dict[str, Any] = {"color": LIGHT["green"], "marker": "s"}
"""Options of people's labels, of assigned ones, and of a whole pool without labels."""

CLASSES: tuple[dict[str, Any], ...] = tuple(
    {"color": LIGHT[color], "marker": marker}
    for color, marker in zip(
        ("blue", "vermilion", "green", "purple", "olive", "wine"),
        ("o", "s", "^", "D", "v", "P"),
        strict=True,
    )
)
"""Of the classes with the most labels; all others share `OTHERS`."""

OTHERS: dict[str, Any] = {"color": LIGHT["gray"], "marker": "x"}

UNDONE = "undone (hollow)"
"""In legends, of the gray ground."""

LONGEST_NAME = 32

FLATTENED = 20
"""Values this many times the median would flatten all others on an even axis."""

RASTER = 2000
"""Marks beyond this many are one image within an SVG, which stays small so."""


def look_of(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Properties of lines, with a user's own in place of ours; ``c`` is ``color``."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    return {**defaults, **normalize_kwargs({**own}, Line2D)}


def panel(ax: Axes | None) -> Axes:
    """The axes to draw into; None makes a figure, as in scikit-learn's displays.

    Where no window can be opened, the figure is one that can be saved.
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt

        _, made = plt.subplots(layout="constrained")
    except ImportError:  # the backend that is asked for cannot be used here
        from matplotlib.figure import Figure

        made = Figure(layout="constrained").subplots()
    return made


def ink() -> Any:
    """The color of texts, which also suits a dark style of matplotlib's."""
    import matplotlib as mpl

    return mpl.rcParams["text.color"]


def whole_numbers(ax: Axes) -> None:
    """Put ticks of the horizontal axis at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def marker_size(number: int) -> float:
    """Size of a marker among so many."""
    return 5.5 if number <= 60 else 3.5


def gray_ground(ax: Axes, first: float, last: float) -> Artist:
    """A ground for what was undone, half a step beyond the first and the last."""
    return ax.axvspan(
        first - 0.5,
        last + 0.5,
        color=LIGHT["gray"],
        alpha=0.15,
        linewidth=0,
        gid="undone",
    )


def widen_near_zero(ax: Axes, values: Sequence[Any]) -> bool:
    """Stretch the vertical axis near zero if few values would flatten all others.

    Returns
    -------
    bool
        Whether it was stretched.
    """
    from matplotlib.ticker import NullLocator

    found = np.concatenate([np.ravel(part) for part in values]).astype(float)
    sizes = np.abs(found[found != 0])
    sizes = sizes[np.isfinite(sizes)]
    if not len(sizes) or sizes.max() <= FLATTENED * np.median(sizes):
        return False
    width, largest = float(np.median(sizes)), float(sizes.max())
    ax.set_yscale("asinh", linear_width=width)
    # matplotlib's own ticks run into each other near zero.
    decades = np.arange(np.ceil(np.log10(width)), np.floor(np.log10(largest)) + 1)
    powers = 10.0 ** decades[:: -(-len(decades) // 4)]
    low = np.nanmin(found)
    ax.set_yticks([*(-power for power in powers if -power >= low), 0.0, *powers])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter("{x:g}")
    return True


def add_legend(
    ax: Axes, handles: Iterable[Artist], names: Iterable[str], columns: int = 2
) -> None:
    """Add a legend above the axes; names may hold anything."""
    handles, names = list(handles), list(names)
    if not handles:
        return
    # matplotlib leaves out labels that begin with "_", so names are set afterwards.
    legend = ax.legend(
        handles,
        ["-"] * len(handles),
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.2,
        ncols=columns,
        handlelength=1.8,
        columnspacing=1.2,
        frameon=False,
        fontsize="small",
    )
    legend.set_gid("legend")
    for text, name in zip(legend.get_texts(), names, strict=True):
        write(text, name)


def nothing_to_show(ax: Axes, why: str) -> None:
    """Say in the middle of empty axes why they are empty."""
    ax.text(
        0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", gid="nothing"
    )
    ax.set_xticks([])
    ax.set_yticks([])


_WRITTEN: WeakKeyDictionary[Text, str] = WeakKeyDictionary()
"""Names as a browser can show them, which has glyphs that matplotlib's fonts lack."""


def write(text: Text, name: str) -> None:
    """Set a text to a name that may hold anything; no mathematics is read in it."""
    whole = legible(name, longest=2 * LONGEST_NAME)
    text.set_parse_math(False)
    text.set_text(drawable(whole))
    _WRITTEN[text] = whole


def legible(name: object, longest: int = LONGEST_NAME) -> str:
    r"""A name on one short line, with what cannot be seen as escapes.

    Examples
    --------
    >>> legible("a\nb\u202e!")
    'a b\\u202e!'
    >>> legible("x" * 100, longest=5)
    'xxxx…'
    """
    # Of a longer text no more is looked at than could be shown.
    line = " ".join(str(name)[: 10 * longest].split())
    shown = "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in line
    )
    if len(shown) > longest:
        return f"{shown[: longest - 1]}…"
    return shown or "(empty)"


def distinct(names: Iterable[object], longest: int = LONGEST_NAME) -> list[str]:
    """Names as `legible` shows them; those that would look alike get numbers.

    Examples
    --------
    >>> distinct(["a", "b", "a "])
    ['a (1)', 'b', 'a (3)']
    """
    shown = [legible(name, longest) for name in names]
    return [
        f"{name} ({number})" if shown.count(name) > 1 else name
        for number, name in enumerate(shown, start=1)
    ]


def drawable(text: str) -> str:
    """The text with code points for characters of which no font has a glyph.

    matplotlib would warn, and draw boxes that look alike.
    """
    return "".join(
        character if _has_glyph(character) else f"<{ord(character):X}>"
        for character in text
    )


def _has_glyph(character: str) -> bool:
    from matplotlib.font_manager import get_font

    return character.isascii() or any(
        get_font(path).get_char_index(ord(character)) for path in _fonts()
    )


def _fonts() -> tuple[str, ...]:
    import matplotlib as mpl

    return _font_files(tuple(mpl.rcParams["font.family"]))


@cache
def _font_files(families: tuple[str, ...]) -> tuple[str, ...]:
    from matplotlib.font_manager import FontProperties, findfont

    found = []
    for family in families:
        try:
            named = FontProperties(family=[family])
            found.append(str(findfont(named, fallback_to_default=False)))
        except ValueError:  # not installed; matplotlib passes it over too
            continue
    return tuple(found) or (str(findfont(FontProperties())),)


def as_svg(figure: Figure, name: str, title: str) -> str:
    """A figure as an SVG element for a page of HTML.

    Texts stay texts. The background is left out, black is the color of the page's
    text, and a color of `LIGHT` is ``var(--blue, #0072b2)``, so that a page can set the
    property ``--blue`` to that of `DARK`.

    Parameters
    ----------
    figure : Figure
    name : str
        Letters, digits and hyphens that begin the ids of this picture alone.
    title : str
        What the picture shows, for those who cannot see it.

    Returns
    -------
    str
    """
    import matplotlib as mpl

    file = StringIO()
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "salutary"}
    with mpl.rc_context(settings), _names_as_they_are(figure):
        figure.savefig(
            file, format="svg", transparent=True, metadata={"Date": None}, dpi=110
        )
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].rstrip()
    svg = re.sub("<[^>]*>", lambda tag: _restyled(tag[0], name), svg)
    _, end, rest = svg.partition(">")
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box is not None
    shown = escape(legible(title, longest=200))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" {box[0]} role="img" '
        f'aria-labelledby="{name}-title" fill="currentColor"'
    )
    return f'{head}{end}<title id="{name}-title">{shown}</title>{rest}'


def _restyled(tag: str, name: str) -> str:
    """A tag of an SVG with ids and colors of its own; texts stay as they are."""
    tag = re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\1{name}-", tag)
    for color, value in LIGHT.items():
        tag = tag.replace(f" {value}", f" var(--{color}, {value})")
    return tag.replace(" #000000", " currentColor")


@contextmanager
def _names_as_they_are(figure: Figure) -> Iterator[None]:
    """Give all names to a browser, which has the glyphs that the fonts here lack."""
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if text in _WRITTEN]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        for text in texts:
            text.set_text(_WRITTEN[text])
        try:
            yield
        finally:
            for text in texts:
                text.set_text(drawable(_WRITTEN[text]))


def objective_in_words(verdict: Mapping[str, Any] | None) -> str:
    """What the losses of a run are called, as far as its verdict says."""
    name = "loss" if verdict is None else str(verdict["objective"])
    return legible(name.replace("_", " "))
