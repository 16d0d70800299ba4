"""Hostile inputs of the Python functions: labels, rows and weights in any container.

Everything of a trial follows from its number. Many are tried in one process.
"""

from __future__ import annotations

import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from tests.hostile.calls import CALLS, Case
from tests.hostile.tables import LABELS
from tests.hostile.verdict import Ended

PER_PROCESS = 50
LONGEST = 2_000
"""Characters of a message; longer ones repeat the user's values."""

ROWS = {"train": 24, "val": 18, "pool": 12}

Make = Callable[[Any], Any]

CONTAINERS: dict[str, Make] = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "array of objects": lambda values: np.array([*values, None], dtype=object)[:-1],
    "series": pd.Series,
    "series of objects": lambda values: pd.Series(values, dtype=object),
    "series of another index": lambda values: pd.Series(
        values, index=range(len(values))[::-1]
    ),
    "nullable series": lambda values: pd.Series(values).convert_dtypes(),
    "categorical": pd.Categorical,
    "categories": lambda values: pd.Series(pd.Categorical(values)),
    "arrow": pa.array,
    "chunked": lambda values: pa.chunked_array([values[:3], values[3:]]),
    "polars": lambda values: _polars().from_arrow(pa.array(values)),
    "read only": lambda values: _read_only(np.array(values)),
    "every other": lambda values: np.repeat(np.array(values), 2)[::2],
    "index": pd.Index,
    "column": lambda values: np.array(values).reshape(-1, 1),
    "rows": lambda values: [[value] for value in values],
    "frame": lambda values: pd.DataFrame({"y": values}),
    "set": set,
    "dict": lambda values: dict(enumerate(values)),
    "iterator": iter,
    "none": lambda values: None,
    "one": lambda values: values[0],
}

LABEL_STRAYS = [
    *[None, float("nan"), pd.NA, pd.NaT, np.float64("nan"), np.datetime64("NaT")],
    *[10**400, 2**64, 2**63, -(2**63), 0.5, float("inf"), -1, -1.0, "-1", True, 1],
    *[Decimal("1"), Decimal("NaN"), Fraction(1, 3), 1 + 2j, pd.Timestamp("2020-01-01")],
    *[date(2020, 1, 1), pd.Timedelta("1h"), (1, 2), (), {1}, {"a": 1}, [1], b"a"],
    *["", " ", "nan", "None", "x" * 5000, "a\nb", "\x1b[31m", "\x00", "e\u0301", "é"],
    *[np.str_("no"), np.int8(1), np.bool_(True), object(), int, np.array([1, 2])],
]

MATRICES: dict[str, Make] = {
    "array": np.asarray,
    "fortran": np.asfortranarray,
    "read only": lambda X: _read_only(X.copy()),
    "every other row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every other column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "reversed twice": lambda X: X[::-1].copy()[::-1],
    "other end": lambda X: X.astype(">f8"),
    "objects": lambda X: X.astype(object),
    "lists": lambda X: X.tolist(),
    "frame": lambda X: pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])]),
    "frame of numbers": pd.DataFrame,
    "nullable frame": lambda X: pd.DataFrame(X).convert_dtypes(),
    "polars": lambda X: _polars().DataFrame(
        X, schema=[f"c{j}" for j in range(X.shape[1])]
    ),
    "masked": np.ma.masked_array,
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "long double": lambda X: X.astype(np.longdouble),
    "whole": lambda X: np.round(4 * X).astype(np.int64),
    "booleans": lambda X: X > 0,
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "coo": sparse.coo_array,
    "csr, float32": lambda X: sparse.csr_array(X.astype(np.float32)),
    "csr, long": lambda X: _long(sparse.csr_array(X)),
    "dok": sparse.dok_array,
    "text": lambda X: X.astype(str),
    "arrow": lambda X: pa.table({f"c{j}": X[:, j] for j in range(X.shape[1])}),
    "complex": lambda X: X + 0j,
    "dates": lambda X: X.astype("M8[s]"),
    "one column": lambda X: X[:, 0],
    "deep": lambda X: X[None],
    "none": lambda X: None,
    "matrix": lambda X: pd.DataFrame(X).to_numpy().view(np.ndarray),
}

SAME = {
    *("array", "fortran", "read only", "every other row", "every other column"),
    *("reversed twice", "other end", "objects", "lists", "long double"),
}
"""Ways to write the same float64 rows, which must lead to the same labels."""

MATRIX_SPOILS: dict[str, Make] = {
    "NaN": lambda X: _with(X, np.nan),
    "inf": lambda X: _with(X, -np.inf),
    "1e300": lambda X: _with(X, 1e300),
    "1e-320": lambda X: _with(X, 1e-320),
    "-0": lambda X: _with(X, -0.0),
    "no rows": lambda X: X[:0],
    "no columns": lambda X: X[:, :0],
    "a row less": lambda X: X[1:],
    "a column less": lambda X: X[:, 1:],
    "all the same": lambda X: np.zeros_like(X),
    "huge": lambda X: X * 1e90,
    "tiny": lambda X: X * 1e-200,
}

WEIGHTS: dict[str, Make] = {
    "ones": np.ones,
    "none": lambda n: None,
    "a number": lambda n: 2,
    "list": lambda n: [1.5] * n,
    "whole": lambda n: np.arange(1, n + 1),
    "one negative": lambda n: np.r_[-1.0, np.ones(n - 1)],
    "NaN": lambda n: np.r_[np.nan, np.ones(n - 1)],
    "inf": lambda n: np.r_[np.inf, np.ones(n - 1)],
    "zeros": np.zeros,
    "one": lambda n: np.r_[1.0, np.zeros(n - 1)],
    "huge": lambda n: np.full(n, 1e308),
    "tiny": lambda n: np.full(n, 1e-308),
    "short": lambda n: np.ones(n - 1),
    "text": lambda n: ["a"] * n,
    "texts of numbers": lambda n: ["1"] * n,
    "missing": lambda n: [None] * n,
    "column": lambda n: np.ones((n, 1)),
    "series": lambda n: pd.Series(np.ones(n), index=range(n)[::-1]),
}


def _polars() -> Any:
    import polars

    return polars


def _read_only(values: np.ndarray) -> np.ndarray:
    values.flags.writeable = False
    return values


def _long(X: Any) -> Any:
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def _with(X: np.ndarray, value: float) -> np.ndarray:
    X = X.copy()
    X[len(X) // 2, -1] = value
    return X


def case(number: int) -> Case:
    """The arguments of a trial, by its number."""
    rng = np.random.default_rng(number)
    names = LABELS[rng.integers(len(LABELS))]
    made = Case(name=list(CALLS)[rng.integers(len(CALLS))])
    for role, n in ROWS.items():
        truth = np.r_[np.arange(len(names)), rng.integers(0, len(names), n)][:n]
        # Eighths, which are the same in every float type.
        X = np.round(8 * (truth[:, None] + rng.normal(size=(n, 3)))) / 8
        made.rows[role] = X
        made.labels[role] = [names[k] for k in truth]
    if made.marks_rows:
        for row in rng.permutation(ROWS["train"])[: ROWS["train"] // 3]:
            if row >= len(names):
                made.labels["train"][row] = None
    for _ in range(int(rng.choice([0, 1, 1, 1, 2]))):
        HOSTILE[rng.integers(len(HOSTILE))](made, rng)
    for role in ("train", "val"):
        _put(made, f"y of {role}", made.labels, role, rng.choice(made.label_containers))
    return made


def _put(made: Case, what: str, where: dict[str, Any], role: str, name: str) -> None:
    """Put values into a container, unless it cannot hold them."""
    try:
        where[role] = CONTAINERS[name](where[role])
    except Exception as error:  # of the container's library, so not ours
        made.told.append(f"{what}: no {name} ({type(error).__name__})")
    else:
        made.told.append(f"{what}: {name}")


def _label_stray(made: Case, rng: np.random.Generator) -> None:
    role = str(rng.choice(["train", "val"]))
    stray = LABEL_STRAYS[rng.integers(len(LABEL_STRAYS))]
    labels = made.labels[role]
    for row in rng.integers(0, len(labels), int(rng.choice([1, 1, 5]))):
        labels[row] = stray
    made.told.append(f"label of {role}: {str(stray)[:30]!r}")


def _all_labels_of_a_kind(made: Case, rng: np.random.Generator) -> None:
    kinds: list[Make] = [str, lambda v: np.str_(v), lambda v: f"{v}".encode()]
    kinds += [lambda v: (v,), lambda v: Decimal(len(str(v))), lambda v: len(str(v)) / 1]
    kind = kinds[rng.integers(len(kinds))]
    for role in ("train", "val"):
        made.labels[role] = [v if v is None else kind(v) for v in made.labels[role]]
    made.told.append("labels of another kind")


def _any_container(made: Case, rng: np.random.Generator) -> None:
    made.label_containers = [*CONTAINERS]


def _matrix(made: Case, rng: np.random.Generator) -> None:
    roles = [["train", "val", "pool"], [str(rng.choice([*ROWS]))]][rng.integers(2)]
    name = str(rng.choice([*MATRICES]))
    for role in roles:
        if _is_plain(made.rows[role]):
            made.rows[role] = MATRICES[name](made.rows[role])
    made.told.append(f"rows of {roles}: {name}")
    made.same_rows &= name in SAME


def _is_plain(X: Any) -> bool:
    """Whether rows are still as they were made, or nearly."""
    if not isinstance(X, np.ndarray) or X.dtype != np.float64:
        return False
    return X.ndim == 2 and X.size > 0


def _spoiled_matrix(made: Case, rng: np.random.Generator) -> None:
    role, name = str(rng.choice([*ROWS])), str(rng.choice([*MATRIX_SPOILS]))
    if _is_plain(made.rows[role]):
        made.rows[role] = MATRIX_SPOILS[name](made.rows[role])
        made.told.append(f"rows of {role}: {name}")
        made.same_rows = False
        if name in ("NaN", "inf", "no rows", "a row less") and role in made.needs:
            made.must_be_refused = role != "pool" or name in ("NaN", "inf")


def _weight(made: Case, rng: np.random.Generator) -> None:
    name = str(rng.choice([*WEIGHTS]))
    made.weight = WEIGHTS[name](ROWS["train"])
    made.told.append(f"weights: {name}")
    made.same_rows = False


def _option(made: Case, rng: np.random.Generator) -> None:
    options = CALLS[made.name].options
    name = str(rng.choice([*options]))
    value = options[name][rng.integers(len(options[name]))]
    made.options[name] = value
    made.told.append(f"{name}={str(value)[:30]}")


HOSTILE = [
    *[_label_stray, _label_stray, _all_labels_of_a_kind, _any_container, _matrix],
    *[_matrix, _spoiled_matrix, _weight, _option],
]


@dataclass
class Arrays:
    """Trials of the Python functions, in one process."""

    numbers: list[int]

    @property
    def name(self) -> str:
        """What they are."""
        return f"Python, trials {self.numbers[0]} to {self.numbers[-1]}"

    def write(self, folder: Path) -> None:
        """Nothing: the functions take no files."""

    def work(self) -> None:
        """Try each, and print its number before and how it ended after."""
        for number in self.numbers:
            print(number, flush=True)
            print(f" {tried(number)}", flush=True)

    def faults(self, ended: Ended) -> list[str]:
        """Every trial that did not work or was not refused as it should."""
        numbers, ends = self._told(ended)
        found = [
            f"{number}: {end.removeprefix('faulty: ')}"
            for number, end in zip(numbers, ends, strict=False)
            if end.startswith("faulty")
        ]
        if len(ends) < len(self.numbers):
            found.append(f"ended within {numbers[-1]}")
        return found

    def ends(self, ended: Ended) -> Counter[str]:
        """How many worked, were refused, and were faulty or not reached."""
        _, ends = self._told(ended)
        counts = Counter(end.split(":")[0] for end in ends)
        counts["faulty"] += len(self.numbers) - len(ends)
        return counts

    @staticmethod
    def _told(ended: Ended) -> tuple[list[str], list[str]]:
        lines = [line for line in ended.out.splitlines() if line]
        return (
            [line for line in lines if line[0] != " "],
            [line[1:] for line in lines if line.startswith(" ")],
        )


def tried(number: int) -> str:
    """How a trial ended: "worked", "refused", or "faulty: " and why."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        made = case(number)
        warned.clear()
        try:
            found = CALLS[made.name].check(made)
        except (ValueError, TypeError) as error:
            end = _of_message(str(error)) or "refused"
            if end != "refused":
                end += f" ({error!r})"[:600]
        except AssertionError as error:
            end = f"faulty: {error}"
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            end = f"faulty: {error!r} in {place.name}, {Path(place.filename).name}"
        else:
            end = f"faulty: {found}" if found else "worked"
            if made.must_be_refused:
                end = "faulty: worked"
    numeric = [w for w in warned if issubclass(w.category, RuntimeWarning)]
    numeric = [w for w in numeric if "salutary" not in w.category.__module__]
    if numeric and not end.startswith("faulty"):
        end = f"faulty: {numeric[0].message} in {Path(numeric[0].filename).name}"
    if end.startswith("faulty"):
        end = f"{' '.join(end.split())} [{made.name}; {'; '.join(made.told)}]"
    return end


def _of_message(message: str) -> str:
    """What is wrong with a message, if anything is."""
    if not message.strip():
        return "faulty: an empty message"
    if len(message) > LONGEST:
        return f"faulty: a message of {len(message)} characters"
    if "\n" in message:
        return "faulty: a message of several lines"
    return ""
