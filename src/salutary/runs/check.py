"""``salutary check``: from tables to what is to be known of them."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from salutary.progress import Stage
from salutary.tables.checks import Checks, check_tables
from salutary.tables.columns import FEW_CATEGORIES
from salutary.tables.encoding import fit_encoder
from salutary.tables.reading import Tables, read_tables
from salutary.tables.sources import Sources


def check_sources(sources: Sources, seed: int, stage: Stage) -> Checks:
    """Read and encode the tables as a run does, and look at them.

    No language model is loaded. Where a run would embed texts, they are encoded as any
    other text is, and drift is measured by that.

    Raises
    ------
    InputError
        If a table holds something that a run could not use.
    """
    with stage("reading the tables"):
        tables = read_tables(sources, seed)
        if tables.large_pool is not None:
            for _ in tables.large_pool.frames():
                pass  # what would stop a run is found here
    with stage("encoding the columns"):
        plain = replace(sources, texts=None)
        _, matrices = fit_encoder(_without_documents(tables), plain, seed)
    with stage("checking the tables"):
        return check_tables(tables, matrices, seed)


def _without_documents(tables: Tables) -> Tables:
    """The tables with texts to embed as plain texts, or as categories if few differ."""
    frames = [frame for name, frame in tables.features.items() if name != "validation"]

    def plain(name: str, kind: str) -> str:
        if kind != "document":
            return kind
        n_distinct = pd.concat([frame[name] for frame in frames]).nunique()
        return "category" if n_distinct < FEW_CATEGORIES else "text"

    kinds = {name: plain(name, kind) for name, kind in tables.kinds.items()}
    return replace(tables, kinds=kinds)
