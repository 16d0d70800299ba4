"""``salutary check``: from tables to what is to be known of them."""

from __future__ import annotations

from salutary.progress import Stage
from salutary.runs.table_problem import encode_tables
from salutary.tables.checks import Checks
from salutary.tables.reading import read_tables
from salutary.tables.sources import Sources


def check_sources(sources: Sources, seed: int, stage: Stage) -> Checks:
    """Read and encode the tables as a run does, and look at them.

    Raises
    ------
    InputError
        If a table holds something that a run could not use.
    """
    with stage("reading the tables"):
        tables = read_tables(sources)
    return encode_tables(tables, sources, seed, stage).checks
