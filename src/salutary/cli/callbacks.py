"""``--callback``: code of other packages that is told of a run, by its name."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from salutary.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from salutary.labeling.callbacks import RunCallback

PLUGINS = "salutary.callbacks"
"""Entry points of this group are callables that return a `RunCallback`."""


def find_callbacks(names: Sequence[str]) -> list[RunCallback]:
    """The callbacks of these names.

    Raises
    ------
    InputError
        If there is none of a name, one is named twice, or cannot be made.
    """
    if not names:
        return []
    plugins = {plugin.name: plugin for plugin in entry_points(group=PLUGINS)}
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InputError(
                f"--callback {name}: is given more than once; pass it once"
            )
        if name not in plugins:
            close = get_close_matches(name, plugins, n=1)
            known = ", ".join(sorted(plugins)) or "none"
            remedy = f"did you mean {close[0]!r}?" if close else f"there are: {known}"
            raise InputError(
                f"--callback {name}: no installed package has it; {remedy}"
            )
    return [_made(plugins[name]) for name in names]


@contextmanager
def at_work() -> Iterator[None]:
    """Keep what callbacks print from standard output, and an exit from passing unseen.

    Raises
    ------
    InputError
        If one calls sys.exit, which would be taken for the end of the command itself.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except SystemExit as end:
        if not (notes := getattr(end, "__notes__", ())):
            raise
        raise InputError(
            f"{notes[0]}, which ends the command; correct it, or leave --callback out "
            "and go on with --resume"
        ) from None


def _made(plugin: EntryPoint) -> RunCallback:
    # Imported here: 'salutary --help' needs none of it.
    from salutary.labeling.callbacks import RunCallback

    package = "its package" if plugin.dist is None else plugin.dist.name
    place, remedy = f"--callback {plugin.name}", f"reinstall {package}, or leave it out"
    try:
        callback = plugin.load()()
    except MissingExtraError as error:
        raise InputError(f"{place}: {error}") from None
    except (Exception, SystemExit) as error:  # whatever it is, no fault of the run
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{place}: cannot be loaded ({cause}); {remedy}") from None
    if not isinstance(callback, RunCallback):
        raise InputError(
            f"{place}: makes a {type(callback).__name__}, which lacks on_run_begin, "
            f"on_round_end, on_fold_end or on_run_end; {remedy}"
        )
    return callback
