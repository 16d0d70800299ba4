"""Whether a file or folder that a command is to write can be where it is asked for."""

from __future__ import annotations

from pathlib import Path

from salutary.errors import InputError


def check_place(out: Path, run_dir: Path) -> None:
    """Refuse an output in the run's own directory, or where none can be made.

    Raises
    ------
    InputError
    """
    # Imported here: 'salutary --help' needs none of it.
    from salutary.files import writable

    if run_dir.resolve() in (out.resolve(), *out.resolve().parents):
        raise InputError(f"{out}: is in the run's own directory; pass another --out")
    if out.parent.is_file():
        raise InputError(
            f"{out}: cannot be made, as {str(out.parent)!r} is a file; pass another "
            "--out"
        )
    if not out.parent.is_dir():
        raise InputError(
            f"{out}: there is no folder {str(out.parent)!r}; make it, or pass another "
            "--out"
        )
    if not writable(out.parent):
        raise InputError(
            f"{out}: cannot be made, as {str(out.parent)!r} cannot be written to; fix "
            "its permissions, or pass another --out"
        )
