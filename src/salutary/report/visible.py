"""How a page shows what came from a user's table: as text, whatever it holds."""

from __future__ import annotations

from typing import Any

import numpy as np

LONGEST = 160
"""Characters of a value that a page shows; of a longer one it says the length."""

NOTHING = "\u2013"
"""What stands for a figure that there is none of."""

JOINERS = "\u200c\u200d"
"""Characters that many scripts need within words, though Python calls them unprintable.

All others of that kind are shown as escapes, those that change the direction of what
follows among them.
"""


def visible(value: Any, longest: int = LONGEST) -> str:
    r"""A value as a page shows it: on one line, of moderate length, nothing hidden.

    It is not escaped for HTML; the templates do that.

    Parameters
    ----------
    value : object
        A value of a table, a name, an id, or None for a gap.
    longest : int, default=160
        Characters that are shown.

    Examples
    --------
    >>> visible("a\tb\u202e")
    'a\\tb\\u202e'
    >>> visible("x" * 5000, longest=3)
    'xxx… (5,000 characters)'
    >>> visible(None), visible(""), visible(0.1 + 0.2)
    ('(missing)', '(empty)', '0.3')
    """
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "(missing)"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    shown = "".join(map(_visible_character, text[:longest]))
    if len(text) > longest:
        return f"{shown}… ({len(text):,} characters)"
    return shown or "(empty)"


def _visible_character(character: str) -> str:
    if character.isprintable() or character in JOINERS:
        return character
    return character.encode("unicode_escape").decode("ascii")


def number(value: Any, digits: int = 4) -> str:
    """A figure with so many digits after the point; a dash if there is none.

    Examples
    --------
    >>> number(0.12345), number(float("nan")), number(-0.00001), number(None)
    ('0.1235', '–', '0.0000', '–')
    """
    if value is None or not np.isfinite(value):
        return NOTHING
    return f"{value:z.{digits}f}".replace("-", "\u2212")


def chance(value: Any) -> str:
    """A probability with two digits after the point, or two that count if it is small.

    Examples
    --------
    >>> chance(0.126), chance(0.00000075), chance(0.9999), chance(1.0)
    ('0.13', '7.5e−07', 'over 0.99', '1.00')
    """
    if value is None or not np.isfinite(value):
        return NOTHING
    if 0 < value < 0.005:
        return f"{value:.2g}".replace("-", "\u2212")
    return "over 0.99" if 0.995 <= value < 1 else number(value, 2)


def short(value: Any) -> str:
    """A figure with four significant digits, as influences differ in size.

    Examples
    --------
    >>> short(0.000123456), short(-12.3456)
    ('0.0001235', '−12.35')
    """
    if value is None or not np.isfinite(value):
        return NOTHING
    return f"{value:.4g}".replace("-", "\u2212")


def decimals(error: Any) -> int | None:
    """Digits after the point that show two digits of an error; None if it is unknown.

    Examples
    --------
    >>> decimals(0.0159), decimals(0.00506), decimals(23.0), decimals(None)
    (3, 4, 0, None)
    """
    if error is None or not np.isfinite(error) or error <= 0:
        return None
    return max(0, 1 - int(f"{error:.1e}".partition("e")[2]))


def with_error(value: Any, error: Any) -> str:
    """A figure and its standard error, both to two digits of the error.

    Examples
    --------
    >>> with_error(0.006112, 0.00506), with_error(0.25, None)
    ('0.0061 ± 0.0051', '0.2500')
    """
    digits = decimals(error)
    if digits is None:
        return number(value)
    return f"{number(value, digits)} ± {number(error, digits)}"
