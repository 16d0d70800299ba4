"""Words of the command line, some of which take the place of earlier ones."""

from collections.abc import Sequence

SEVERAL = ("--keep", "--callback")
"""Options that take several values."""


def once(words: Sequence[str]) -> list[str]:
    """The words with only the last value of each option, as the command asks for."""
    groups: list[list[str]] = []  # each option with its value
    for word in words:
        option = groups[-1] if groups else [""]
        has_room = option[0].startswith("--") and "=" not in option[0]
        if has_room and len(option) == 1 and not word.startswith("-"):
            option.append(word)
        else:
            groups.append([word])
    names = [group[0].partition("=")[0] for group in groups]
    return [
        word
        for place, (name, group) in enumerate(zip(names, groups, strict=True))
        if not name.startswith("--")
        or name in SEVERAL
        or name not in names[place + 1 :]
        for word in group
    ]
