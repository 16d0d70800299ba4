"""Where a run's tables are, and how to read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salutary.names import Pooling


@dataclass(frozen=True)
class Texts:
    """Which texts are embedded, and how.

    Parameters
    ----------
    columns : tuple of str
        One column, or two for pairs.
    embedder : str
        Folder or name of a language model.
    pooling : {"mean", "cls", "last"}
    device : str or None
        None for the best there is.
    cache : Path or None
        Folder that keeps the vectors.
    """

    columns: tuple[str, ...]
    embedder: str
    pooling: Pooling = "mean"
    device: str | None = None
    cache: Path | None = None


@dataclass(frozen=True)
class Sources:
    """Where the tables are and how to read them.

    Parameters
    ----------
    train, validation : Path
    pool : Path or None
    target : str
        Column of the labels.
    id_column : str or None
        Column that names the pool's rows, or without a pool those of the training
        table; None for their numbers.
    group_column : str or None
        Column of the validation rows' groups; a feature if the training table has it.
    costs : Path or None
        Table of what mistakes cost.
    texts : Texts or None
        Columns whose texts are embedded.
    only_texts : bool
        Whether all other columns are left alone.
    """

    train: Path
    validation: Path
    pool: Path | None
    target: str
    id_column: str | None
    group_column: str | None = None
    costs: Path | None = None
    texts: Texts | None = None
    only_texts: bool = False

    @property
    def documents(self) -> tuple[str, ...]:
        """Columns whose texts are embedded."""
        return () if self.texts is None else self.texts.columns

    def text_settings(self) -> dict[str, Any]:
        """What vectors of texts depend on, for the record."""
        texts = self.texts
        return {
            "text": None if texts is None else list(texts.columns),
            "embedder": None if texts is None else texts.embedder,
            "pooling": None if texts is None else texts.pooling,
        }

    def tables(self) -> dict[str, Path]:
        """The tables of rows, by name."""
        paths = {"train": self.train, "validation": self.validation}
        return paths if self.pool is None else {**paths, "pool": self.pool}

    def paths(self) -> dict[str, Path]:
        """All files, by name."""
        paths = self.tables()
        return paths if self.costs is None else {**paths, "costs": self.costs}
