"""Where the tables of a run are, and how to read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salutary.names import EngineName, Pooling


@dataclass(frozen=True)
class Texts:
    """Which text columns are embedded, and how.

    Parameters
    ----------
    columns : tuple of str
        One column of texts, or two columns whose texts are embedded as pairs.
    embedder : str
        A language model: its folder, or its name on the Hugging Face hub.
    pooling : {"mean", "cls", "last"}, default="mean"
        How the vectors of a text's tokens become one, see `TransformerEmbedder`.
    device : str or None
        Device to compute on, such as "cpu" or "cuda:1"; None for the best one present.
    cache : Path or None
        Folder in which vectors are kept for later runs.
    fingerprint : str or None
        Fingerprint of the language model that a run to be resumed was started with.
    """

    columns: tuple[str, ...]
    embedder: str
    pooling: Pooling = "mean"
    device: str | None = None
    cache: Path | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class HeldOut:
    """Validation rows that are a part of the training table.

    Parameters
    ----------
    fraction : float in (0, 1)
        Their share of the rows of every class, as far as that goes.
    seed : int
        Of the draw, which is the same in every run.
    """

    fraction: float
    seed: int


@dataclass(frozen=True)
class Sources:
    """Where the tables are, and how to read them.

    Each path may be a `TableURL`, as `table_at` makes them.

    Parameters
    ----------
    train : Path
        Table of labeled rows.
    validation : Path or None
        Another such table; None where ``held_out`` says which rows of TRAIN it is.
    pool : Path or None
        Table of unlabeled rows.
    target : str
        Name of the column of labels.
    id_column : str or None
        Name of the column of ids of the pool's rows, or without a pool of the training
        rows. Without it, rows go by their numbers, from zero.
    group_column : str or None
        Name of the column of the validation rows' groups. If the training table has
        this column too, it is also a feature.
    costs : Path or None
        Table of the costs of mistakes.
    texts : Texts or None
        The text columns that are embedded.
    keep : tuple of str
        Columns that are features even if they look like ids, see `id_like`.
    only_texts : bool, default=False
        Whether the embedded texts are the only features. All other columns are then
        ignored.
    held_out : HeldOut or None
        Which rows of the training table are validation rows, without a table of them.
    scratch : Path or None
        Folder on whose disk the rows of a large pool are kept while they are needed;
        None for the system's folder of temporary files.
    engine : {"local", "ray"}, default="local"
        Where the rows of a large pool are encoded and scored.
    address : str or None
        Of the Ray cluster, see `salutary.pools.cluster.connect`.
    """

    train: Path
    validation: Path | None
    pool: Path | None
    target: str
    id_column: str | None
    group_column: str | None = None
    costs: Path | None = None
    texts: Texts | None = None
    keep: tuple[str, ...] = ()
    only_texts: bool = False
    held_out: HeldOut | None = None
    scratch: Path | None = None
    engine: EngineName = "local"
    address: str | None = None

    @property
    def documents(self) -> tuple[str, ...]:
        """Names of the text columns that are embedded."""
        return () if self.texts is None else self.texts.columns

    @property
    def validation_fraction(self) -> float | None:
        """Share of the training table that is held out to validate, if it is."""
        return None if self.held_out is None else self.held_out.fraction

    @property
    def validation_name(self) -> str:
        """Where the validation rows are, for messages."""
        if self.validation is None:
            return f"{self.train} (the part held out to validate)"
        return str(self.validation)

    def names(self) -> dict[str, str]:
        """What messages call the tables, also validation rows without a table."""
        paths = {name: str(path) for name, path in self.tables().items()}
        return {**paths, "validation": self.validation_name}

    def text_settings(self) -> dict[str, Any]:
        """Settings that the vectors of texts depend on, as ``run.json`` keeps them."""
        texts = self.texts
        return {
            "text": None if texts is None else list(texts.columns),
            "embedder": None if texts is None else texts.embedder,
            "pooling": None if texts is None else texts.pooling,
        }

    def tables(self) -> dict[str, Path]:
        """Paths of the tables of rows that there are: train, validation and pool."""
        paths = {"train": self.train, "validation": self.validation, "pool": self.pool}
        return {name: path for name, path in paths.items() if path is not None}

    def paths(self) -> dict[str, Path]:
        """Paths of the tables of rows, and of the table of costs if there is one."""
        paths = self.tables()
        return paths if self.costs is None else {**paths, "costs": self.costs}
