"""Text that a terminal shows and does not obey."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""One line of the text, with control characters spelled out.

    Names and labels come from users' files, which may hold anything.

    Examples
    --------
    >>> printable("a\nb \x1b[31mred")
    'a b \\x1b[31mred'
    """
    line = " ".join(text.split())
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in line
    )
