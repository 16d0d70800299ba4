"""The same values from every kind of table: the same matrix, or the same refusal."""

import csv
import datetime
import gzip
import json
import re
import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from salutary.errors import InputError
from salutary.tables.encoding import ColumnTypes, fit_encoder
from salutary.tables.reading import read_tables
from salutary.tables.sources import Sources

Column = list[Any]
ROWS = {"train": 30, "pool": 20, "validation": 12}
GAPS: dict[type, list[Any]] = {str: [None, "", " ", "?", "N/A", "None", "nan"]}

START = datetime.datetime(1990, 1, 1)


def moment(rng: Random) -> datetime.datetime:
    return START + datetime.timedelta(seconds=rng.randrange(10**9))


VALUES: dict[str, Callable[[Random], Any]] = {
    # Never whole, as the number 7.0 and the text "7.0" are two different texts.
    "floats": lambda rng: (10 * rng.randrange(-(10**6), 10**6) + 1) / 1000,
    "whole numbers": lambda rng: rng.randrange(-9, 10) * rng.choice([1, 1, 2**56 + 1]),
    "zeros and ones": lambda rng: rng.randrange(2),
    "booleans": lambda rng: rng.random() < 0.5,
    "colors": lambda rng: rng.choice(["red", "größe 📏", ' "a", b', "x\ty", "-"]),
    "digits": lambda rng: str(rng.randrange(20)),
    "codes": lambda rng: f"{rng.randrange(20):03}",
    "numbers as text": lambda rng: rng.choice(["1.5", " -2e3", "+7", ".5", "40"]),
    "formatted": lambda rng: rng.choice(
        ["0,7", "12%", "$5", "1,234", "\u22125", "1\xa02"]
    ),
    "huge": lambda rng: rng.choice(["1", "inf", "1e39", "-Infinity"]),
    "words for booleans": lambda rng: rng.choice(["true", "False", "TRUE"]),
    "days": lambda rng: f"{moment(rng):%Y-%m-%d}",
    "dates": lambda rng: moment(rng).date(),
    "slashed days": lambda rng: f"{moment(rng):%d/%m/%Y}",
    "moments": lambda rng: f"{moment(rng):%Y-%m-%dT%H:%M:%S}",
    "times": lambda rng: f"{moment(rng):%H:%M:%S}",
    # Ids in every format, unless one occurs twice or is missing.
    "names of rows": lambda rng: f"row-{rng.randrange(10**6)}",
    "notes": lambda rng: f"note number {rng.randrange(10**6)} of many",
}


def column(kind: str, n_rows: int, rng: Random) -> Column:
    """Values of one kind, in half of the columns with gaps."""
    values = [VALUES[kind](rng) for _ in range(n_rows)]
    gaps = GAPS.get(type(values[0]), [None])
    share = rng.choice([0, 0.2])
    return [rng.choice(gaps) if rng.random() < share else v for v in values]


def tables(kinds: dict[str, list[str]], seed: int) -> dict[str, dict[str, Column]]:
    """Train, pool and validation, each with columns of its kinds."""
    rng, found = Random(seed), {}
    for name, n_rows in ROWS.items():
        found[name] = {"plain": [row % 7 + 0.5 for row in range(n_rows)]}
        for place, kind in enumerate(kinds[name]):
            found[name][f"column {place}"] = column(kind, n_rows, rng)
        found[name]["y"] = [["no", "yes"][row % 2] for row in range(n_rows)]
    return found


def write_csv(table: dict[str, Column], path: Path, separator: str = ",") -> None:
    def written(value: Any) -> str:
        return json.dumps(value) if isinstance(value, bool) else f"{value}"

    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, delimiter=separator)
        rows.writerow(table)
        for row in zip(*table.values(), strict=True):
            rows.writerow(["" if value is None else written(value) for value in row])


def write_json(table: dict[str, Column], path: Path) -> None:
    rows = (
        dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)
    )
    path.write_text("".join(f"{json.dumps(row, default=str)}\n" for row in rows))


def write_parquet(table: dict[str, Column], path: Path) -> None:
    pa.parquet.write_table(pa.table(table), path)


def write_feather(table: dict[str, Column], path: Path) -> None:
    pa.feather.write_feather(pa.table(table), path)


def write_stream(table: dict[str, Column], path: Path) -> None:
    rows = pa.table(table)
    with pa.ipc.new_stream(path, rows.schema) as stream:
        stream.write_table(rows, max_chunksize=7)


def write_excel(table: dict[str, Column], path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.create_sheet("notes")  # an empty sheet does not count
    book.active.append([*table])
    for row in zip(*table.values(), strict=True):
        book.active.append(row)
    book.save(path)


def gzipped(
    write: Callable[[dict[str, Column], Path], None],
) -> Callable[[dict[str, Column], Path], None]:
    def written(table: dict[str, Column], path: Path) -> None:
        write(table, path)
        path.write_bytes(gzip.compress(path.read_bytes()))

    return written


WRITERS: dict[str, Callable[[dict[str, Column], Path], None]] = {
    ".csv": write_csv,
    ".tsv": partial(write_csv, separator="\t"),
    ".csv.gz": gzipped(write_csv),
    ".jsonl": write_json,
    ".jsonl.gz": gzipped(write_json),
    ".parquet": write_parquet,
    ".feather": write_feather,
    ".arrow": write_stream,
}
if find_spec("openpyxl"):
    WRITERS[".xlsx"] = write_excel


def fit_excel(given: dict[str, dict[str, Column]]) -> bool:
    """Whether Excel can hold all whole numbers; it keeps them as floats."""
    return all(
        abs(value) <= 2**53
        for table in given.values()
        for values in table.values()
        for value in values
        if isinstance(value, int)
    )


def outcome(function: Callable[[], np.ndarray]) -> np.ndarray | str:
    """A matrix, or the column for which it is refused."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* is taken as text")
        warnings.filterwarnings("ignore", "The matrix shape is")  # few letters
        try:
            return function()
        except InputError as error:
            return re.fullmatch(r"[^\n]*?column '(.*?)'[^\n]*", str(error))[1]


def assert_alike(found: np.ndarray | str, expected: np.ndarray | str) -> None:
    if isinstance(found, str) or isinstance(expected, str):
        assert found is expected or found == expected
    else:
        np.testing.assert_array_equal(found, expected)


# A typed date suits a column of dates in any format; as text it must be in the same.
KINDS = st.sampled_from([kind for kind in VALUES if kind != "dates"])
KINDS_OF_TABLES = st.one_of(
    st.lists(st.sampled_from([*VALUES]), min_size=3, max_size=3).map(
        lambda kinds: dict.fromkeys(ROWS, kinds)
    ),
    st.fixed_dictionaries({name: st.tuples(KINDS).map(list) for name in ROWS}),
    st.tuples(KINDS, KINDS).map(
        lambda two: {"train": [two[0]], "pool": [two[0]], "validation": [two[1]]}
    ),
)


@pytest.mark.slow
@settings(
    max_examples=20, deadline=None, suppress_health_check=[*HealthCheck], database=None
)
@given(kinds=KINDS_OF_TABLES, seed=st.integers(0, 2**32))
@example(
    {"train": ["formatted"], "pool": ["whole numbers"], "validation": ["floats"]}, 31
)
def test_every_format_gives_the_same_matrix_or_the_same_refusal(
    kinds: dict[str, list[str]], seed: int
) -> None:
    given = tables(kinds, seed)
    formats = [suffix for suffix in WRITERS if suffix != ".xlsx" or fit_excel(given)]
    pipelines: list[Pipeline] = []

    def encoded(folder: Path, suffix: str) -> np.ndarray:
        paths = {name: folder / f"{name}{suffix}" for name in given}
        for name, table in given.items():
            WRITERS[suffix](table, paths[name])
        sources = Sources(paths["train"], paths["validation"], paths["pool"], "y", None)
        read = read_tables(sources)
        encoder, matrices = fit_encoder(read, sources, 0)
        pipelines.append(Pipeline([("types", ColumnTypes(read.kinds)), *encoder.steps]))
        return np.vstack([matrices[name] for name in ROWS])

    with TemporaryDirectory() as folder:
        expected, *others = (
            outcome(lambda suffix=suffix: encoded(Path(folder), suffix))
            for suffix in formats
        )
    for found in others:
        assert_alike(found, expected)
    frames = {
        "pandas": lambda table: pd.DataFrame(
            {name: pd.Series(values, dtype=object) for name, values in table.items()}
        ),
        "pandas, typed": lambda table: pa.table(table).to_pandas(
            types_mapper=lambda arrow_type: pd.ArrowDtype(arrow_type)
        ),
        "arrow": pa.table,
    }
    for frame in frames.values() if pipelines else ():
        for place, name in enumerate(ROWS):
            start = sum([*ROWS.values()][:place])
            found = outcome(partial(pipelines[0].transform, frame(given[name])))
            assert_alike(found, expected[start : start + ROWS[name]])
