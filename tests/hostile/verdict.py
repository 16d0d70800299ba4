"""What a trial's process did, held against what every command promises."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LONGEST = 3_000
"""Characters of standard error with a refusal; more repeat the user's file."""


@dataclass(frozen=True)
class Ended:
    """How a process ended; no code where it was killed for its time."""

    code: int | None
    out: str
    err: str
    before: dict[str, bytes]
    """Every file of the folder before the command, by name."""

    folder: Path


def faults(ended: Ended) -> list[str]:
    """What was wrong, in words; nothing where all was right."""
    found = []
    if ended.code is None:
        found.append("did not end")
    elif ended.code not in (0, 2):
        found.append(f"ended with {ended.code}")
    if "Traceback" in ended.err:
        found.append("traceback")
    for name, content in ended.before.items():
        path = ended.folder / name
        if not path.is_file() or path.read_bytes() != content:
            found.append(f"changed {name}")
    return found + (_of_refusal(ended) if ended.code == 2 else [])


def _of_refusal(ended: Ended) -> list[str]:
    lines = ended.err.split("\n")
    told = [line for line in lines if line.startswith("salutary: ")]
    found = []
    if len(told) != 1 or lines[-2:] != [told[0], ""]:
        found.append("refused in other than one last line")
    if len(ended.err) > LONGEST:
        found.append("refused at length")
    if any(ord(mark) < 32 and mark != "\n" for mark in ended.err):
        found.append("printed control characters")
    written = set(files(ended.folder)) - set(ended.before)
    if written:
        found.append(f"refused, yet wrote {sorted(written)}")
    return found


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, and of folders in it, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
