"""A command line on three tables of which is known what was put in.

So what comes out can be compared with it, and for many trials it is also known whether
they must work or be refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from tests.hostile.processes import command, take_few_rows_for_many
from tests.hostile.tables import NOTHING_DIFFERS, are_alike, write
from tests.hostile.values import check_assigned, check_features, check_labels
from tests.hostile.verdict import Ended


@dataclass(frozen=True)
class Ready:
    """What all trials share."""

    run: str
    """A finished run of ``label``, whose features are "size" and "e v"."""

    model: str
    """A language model, very small."""


@dataclass
class Trial:
    """A command line, and what its files hold."""

    words: list[str]
    tables: dict[str, pd.DataFrame]
    formats: dict[str, str]
    spoil: list[Callable[[Path], None]] = field(default_factory=list)
    """What happens to the files after they are written."""

    must: list[str | None] = field(default_factory=list)
    """For each thing that is wrong, words of its refusal; None where it may pass."""

    has_many_rows: bool = False
    """Whether the tables are taken for large ones."""

    @property
    def name(self) -> str:
        """How a person repeats it by hand."""
        return " ".join(self.words) + " (many rows)" * self.has_many_rows

    def write(self, folder: Path) -> None:
        """Write the tables, and spoil them."""
        for name, frame in self.tables.items():
            write(frame, folder / f"{name}.{self.formats[name]}")
        for spoil in self.spoil:
            spoil(folder)

    def work(self) -> None:
        """Run the command, and look at its model if there is one."""
        if self.has_many_rows:
            take_few_rows_for_many()
        command(self.words)
        if self.spoil or self._has_option("--target"):
            return
        train, validation, pool = self.tables.values()
        if Path("run/labels.parquet").is_file():
            labels = pd.read_parquet("run/labels.parquet")
            check_assigned(labels, pool, [*train["label"].astype(object)])
        if Path("run/model.skops").is_file():
            from salutary import load

            model = load("run")
            check_labels(model.classes_.tolist(), train["label"], validation["label"])
            roles = [role for role in self.tables if self._file(role) in self.words]
            read = {role: (self.tables[role], Path(self._file(role))) for role in roles}
            check_features(model, read)

    def _file(self, role: str) -> str:
        return f"{role}.{self.formats[role]}"

    def _has_option(self, name: str) -> bool:
        return any(word.startswith(f"{name}=") for word in self.words)

    def faults(self, ended: Ended) -> list[str]:
        """What is wrong with how the command ended, by what was put in."""
        found = []
        told_alike = NOTHING_DIFFERS in ended.err and are_alike(self.tables["train"])
        if ended.code == 2 and not self.must and not told_alike:
            found.append("was refused without a reason")
        # Of several things that are wrong one may hide another.
        words = self.must[0] if len(self.must) == 1 else None
        if words is not None and ended.code == 0:
            found.append(f"worked, but had to be refused with {words!r}")
        elif words is not None and words not in ended.err:
            found.append(f"was refused in other words than {words!r}")
        return found
