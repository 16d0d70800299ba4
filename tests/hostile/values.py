"""Whether a table that was read holds the values that were put in, cell by cell."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

GAPS = {"", "nan", "NULL", "None", "?", "n/a"}
"""Those of `tables.STRAYS` that mark a gap."""

BOOLEANS = {"false": 0.0, "true": 1.0}


def check_features(
    model: Pipeline, tables: dict[str, tuple[pd.DataFrame, Path]]
) -> None:
    """Hold what a run's model is given of each table against what was put in.

    Parameters
    ----------
    model : Pipeline
        Of a finished run.
    tables : dict of str to (DataFrame, Path)
        What was put in, and the file it was written to.
    """
    from salutary.tables.casting import cast_features
    from salutary.tables.formats import read_table

    kinds = model["types"].kinds
    for role, (put_in, path) in tables.items():
        found = cast_features(read_table(path), kinds, role)
        if len(found) != len(put_in):
            raise AssertionError(f"{role}: {len(put_in)} rows became {len(found)}")
        for column, kind in kinds.items():
            pairs = zip(put_in[column].astype(object), found[column], strict=True)
            for row, (given, got) in enumerate(pairs):
                if not is_same(given, got, kind):
                    raise AssertionError(
                        f"{role}, {column!r}, row {row}: {given!r} became {got!r} as "
                        f"{kind}"
                    )


def check_labels(classes: list[Any], train: pd.Series, validation: pd.Series) -> None:
    """Hold a model's classes against the labels that were put in."""
    for given in (train, validation):
        for row, label in enumerate(given.astype(object)):
            if is_gap(label) and label != "None":
                raise AssertionError(f"row {row} has no label, yet was taken")
            if not any(is_same_label(label, known) for known in classes):
                raise AssertionError(f"the label {label!r} is none of {classes!r}")
    for known in classes:
        if not any(is_same_label(label, known) for label in train.astype(object)):
            raise AssertionError(f"no row of TRAIN has the class {known!r}")


def check_assigned(
    labels: pd.DataFrame, pool: pd.DataFrame, classes: list[Any]
) -> None:
    """Hold the rows and classes of labels.parquet against those that there are."""
    if "id" in pool and not set(labels["id"]) <= set(map(str, pool["id"])):
        raise AssertionError("labels.parquet names rows that the pool has not")
    for label in labels["label"].unique():
        if not any(is_same_label(known, label) for known in classes):
            raise AssertionError(f"labels.parquet has the class {label!r}")


def is_same_label(given: Any, found: Any) -> bool:
    """Whether a label is a class, in any format's way to write it."""
    if isinstance(given, str) or isinstance(found, str):
        one, other = str(given).strip(), str(found).strip()
        return one == other or (
            one.lower() in BOOLEANS and one.lower() == other.lower()
        )
    return bool(given == found)


def is_gap(value: Any) -> bool:
    """Whether a value that was put in is none."""
    if value is None or value is pd.NaT or value != value:
        return True
    return isinstance(value, str) and value.strip() in GAPS


def is_same(given: Any, found: Any, kind: str) -> bool:
    """Whether a value that was put in is what was found as a column's kind.

    Features are float32 in the end, so numbers are compared as such.
    """
    missing = found is None or found is pd.NaT or found != found
    if is_gap(given) or missing:
        return is_gap(given) and missing
    kind, _, date_format = kind.partition(":")
    if kind in ("number", "boolean"):
        return bool(np.float32(_number(given)) == np.float32(found))
    if kind == "date":
        return bool(_moment(given, date_format) == found)
    if kind == "duration":
        return isinstance(given, pd.Timedelta) and given.total_seconds() == found
    return _is_same_text(given, found)


def _number(given: Any) -> float:
    if isinstance(given, str):
        word = given.strip().lower()
        return BOOLEANS[word] if word in BOOLEANS else float(word)
    return float(given)


def _moment(given: Any, date_format: str) -> pd.Timestamp:
    if date_format and isinstance(given, str):
        moment = pd.Timestamp(datetime.strptime(given.strip(), date_format))
    else:
        moment = pd.Timestamp(given)
    return moment if moment.tz is None else moment.tz_convert(None)


def _is_same_text(given: Any, found: str) -> bool:
    if str(given) == found:
        return True
    if isinstance(given, str):
        return False
    if isinstance(given, bool | np.bool_):
        return str(given).lower() == found
    if isinstance(given, pd.Timestamp):
        return _moment(found, "") == _moment(given, "")
    if isinstance(given, pd.Timedelta):
        return pd.Timedelta(found) == given
    # A text file has the fewest digits that tell a float32 from others.
    return bool(np.float32(found) == np.float32(given))
