"""Which columns are ids: by rule, by simulation, and on real tables."""

import uuid
from hashlib import sha256
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salutary.tables.columns import column_kinds
from salutary.tables.identifiers import CHANCE, _rarely_distinct, id_like, perhaps_ids

RNG = np.random.default_rng(0)
N = 60


def found(name: str, *columns: Any) -> str | None:
    """What a column of the training table and of others is taken for."""
    tables = {
        table: pa.table({name: pa.array(values)})
        for table, values in zip(("train", "validation", "pool"), columns, strict=False)
    }
    train, pool = tables["train"], tables.get("pool", tables["train"])
    return id_like(tables, column_kinds(train, pool, [name])).get(name)


UUIDS = [str(uuid.UUID(bytes=RNG.bytes(16))) for _ in range(N)]
IDS: dict[str, tuple[str, Any, str]] = {
    "numbers from 0": ("a", RNG.permutation(N), "numbers of rows"),
    "numbers with gaps": (
        "a",
        900 + RNG.permutation(2 * N)[:N],
        "numbers of rows",
    ),
    "as floats": ("a", RNG.permutation(N).astype(float), "numbers of rows"),
    "as text": ("a", [str(k) for k in range(N)], "numbers of rows"),
    "with zeros before": ("a", [f"{k:04}" for k in range(N)], "numbers of rows"),
    "UUIDs": ("a", UUIDS, "UUIDs"),
    "digests": (
        "a",
        [sha256(bytes([k])).hexdigest() for k in range(N)],
        "hexadecimal codes",
    ),
    "addresses": (
        "a",
        [f"{k}.x@mail{k % 3}.org" for k in range(N)],
        "e-mail addresses",
    ),
    "a telephone": ("phone", RNG.permutation(10**9)[:N] + 10**9, "an id by its name"),
    "some telephones": (
        "Phone No",
        [f"+49 30 {k}" if k % 3 else None for k in range(10**6, 10**6 + N)],
        "an id by its name",
    ),
    "some addresses": (
        "e_mail",
        [f"{k}@x.org" if k % 8 else None for k in range(N)],
        "an id by its name",
    ),
    "accounts": (
        "iban",
        [f"DE12 3456 7890 1234 56{k % 100:02} {k:02}" for k in range(N)],
        "an id by its name",
    ),
    "digits of one length": (
        "mrn",
        [f"{k:08}" for k in RNG.permutation(10**7)[:N]],
        "codes",
    ),
    "codes": ("a", [f"TCGA-{k * 37:05}" for k in range(N)], "codes"),
    "codes in two parts": ("a", [f"p{k % 7}_{k:03}" for k in range(N)], "codes"),
    "pandas's index": ("Unnamed: 0", RNG.permutation(10**6)[:N], "an id by its name"),
    "a name": ("PassengerId", RNG.permutation(10**6)[:N], "an id by its name"),
    "a name of texts": (
        "customer_id",
        [f"{word}{k}" for k in range(N // 2) for word in ("ab", "c")],
        "an id by its name",
    ),
    "a name, with a few repeats": (
        "patient_nbr",
        [*range(0, 1000 * (N - 4), 1000), *[5000] * 4],
        "an id by its name",
    ),
}


@pytest.mark.parametrize(("name", "values", "what"), IDS.values(), ids=IDS)
def test_what_names_rows_is_an_id(name: str, values: Any, what: str) -> None:
    assert found(name, values) == what


WORDS = ["".join(RNG.choice(list("abcdefgh"), 6)) for _ in range(N)]
NO_IDS: dict[str, tuple[str, Any]] = {
    "incomes": ("income", RNG.permutation(40_000)[:N]),
    "numbers not so close": ("a", RNG.permutation(200)[:N]),
    "multiples of ten": ("price", 10 * RNG.permutation(N)),
    "fractions": ("size", RNG.permutation(N) + 0.5),
    "fractions with an id's name": ("id", RNG.normal(size=N)),
    "numbers with a repeat": ("a", [*range(N - 1), 0]),
    "numbers with a gap": ("a", [*range(N - 1), None]),
    "groups with an id's name": ("store_id", [k % 20 for k in range(N)]),
    "words": ("word", WORDS),
    "sentences": ("note", [f"this is note {k}" for k in range(N)]),
    "sentences with an id's name": ("key", [f"this is note {k}" for k in range(N)]),
    "minutes": ("minutes_on_phone", RNG.permutation(1500)[:N]),
    "words about a telephone": ("phone_model", WORDS),
    "sentences about a call": (
        "phone_call_summary",
        [f"caller {k} asked about invoice {k * 7919}" for k in range(10**6, 10**6 + N)],
    ),
    "mostly empty addresses": (
        "email",
        [f"{k}@x.org" if k % 3 == 0 else None for k in range(N)],
    ),
    "days": ("day", pd.date_range("2024-01-01", periods=N)),
    "days as text": ("id", [f"{d:%Y-%m-%d}" for d in pd.date_range("2024", periods=N)]),
    "percent": ("share", [f"{k}%" for k in range(N)]),
    "sizes with a unit": ("size", [f"{k}kg" for k in range(N)]),
    "a word that ends in id": ("paid", RNG.permutation(10**6)[:N]),
    "a word that ends in key": ("monkey", RNG.permutation(10**6)[:N]),
    "vectors": ("a", [[float(k)] for k in range(N)]),
}


@pytest.mark.parametrize(("name", "values"), NO_IDS.values(), ids=NO_IDS)
def test_a_feature_is_no_id(name: str, values: Any) -> None:
    assert found(name, values) is None


def test_a_table_of_few_rows_has_no_ids() -> None:
    assert found("id", range(19)) is None
    assert found("id", range(20)) == "an id by its name"


def test_a_table_that_was_split_at_random_shows_its_numbers_again() -> None:
    numbers = RNG.permutation(3000)
    parts = numbers[:100], numbers[100:300], numbers[300:]
    assert found("a", parts[0]) is None
    assert found("a", *parts) == "numbers of rows"
    # A value that two tables have is none of a row, unless each table counts anew.
    assert found("a", parts[0], parts[1], numbers) is None
    assert found("a", range(100), range(200), range(300)) == "numbers of rows"


def test_a_repeat_in_another_table_speaks_against_an_id() -> None:
    assert found("a", range(N), [*range(N), 0]) is None
    assert found("a", range(N), [*range(N), None]) == "numbers of rows"
    assert found("a", range(N), ["x", "y"]) == "numbers of rows"  # of another type


def test_the_chance_of_distinct_numbers_is_that_of_the_birthday_problem() -> None:
    for n, width in ((20, 20), (20, 30), (30, 100), (200, 1000), (200, 40_000)):
        numbers = np.r_[np.arange(n - 1), width - 1].astype(float)
        exact = factorial(width) / (factorial(width - n) * width**n)
        assert _rarely_distinct(numbers) == (exact < CHANCE), (n, width)


SHAPES = st.sampled_from([(name, values) for name, values, _ in IDS.values()]) | (
    st.sampled_from([*NO_IDS.values()])
)


@given(shape=SHAPES, seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_and_the_type_of_texts_do_not_matter(
    shape: tuple[str, Any], seed: int
) -> None:
    name, values = shape
    expected = found(name, values)
    array = pa.array(values)
    order = np.random.default_rng(seed).permutation(N)
    assert found(name, array.take(pa.array(order))) == expected
    if pa.types.is_string(array.type):
        assert found(name, array.cast(pa.large_string())) == expected
        if not str(array[0]).startswith("2024-"):  # dates coded are categories
            assert found(name, array.dictionary_encode()) == expected
    if pa.types.is_integer(array.type):
        assert found(name, array.cast(pa.float64())) == expected
        assert found(name, array.cast(pa.string())) == expected


REAL = [
    *("ag_news", "bank_marketing", "celeba_attributes", "cola", "diabetes130"),
    *("grid_stability", "mrpc", "musk_v2", "rte", "sst2", "sst2_sentences"),
    *("waveform_40", "wine_quality", "wnli"),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_of_real_tables_only_the_two_known_ids_are_found(
    name: str, data_folder: Path
) -> None:
    table = pa.parquet.read_table(data_folder / f"{name}.parquet").drop_columns("label")
    expected = {"encounter_id", "patient_nbr"} if name == "diabetes130" else set()
    for n in (20, 100, 300):
        rows = np.random.default_rng(n).permutation(table.num_rows)[: 6 * n]
        parts = np.split(rows, [n, 2 * n])
        tables = {
            part: table.take(pa.array(chosen))
            for part, chosen in zip(("train", "validation", "pool"), parts, strict=True)
        }
        kinds = column_kinds(tables["train"], tables["pool"], table.column_names)
        assert set(id_like(tables, kinds)) == expected


def test_amounts_do_not_look_like_ids_and_numbers_of_customers_do() -> None:
    rng = np.random.default_rng(3)
    alarms = [0, 0]
    for _ in range(40):
        salaries = np.exp(rng.normal(10.8, 0.25, 60)).astype(int)
        customers = rng.choice(np.arange(10_000, 99_999), 60, replace=False)
        for place, numbers in enumerate((salaries, customers)):
            train = pd.DataFrame({"a": numbers.astype(float)})
            alarms[place] += perhaps_ids(train, {"a": "number"}) == ["a"]
    assert alarms[0] <= 4
    assert alarms[1] >= 24
