"""Files of a finished run: write and load its model, and read its report."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path
from typing import Any

import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from salutary.deep.lora_classifier import LoraClassifier
from salutary.errors import InputError
from salutary.files import read_json, write_whole
from salutary.tables.encoding import ColumnTypes

LABELS = "labels.parquet"
SWITCHES = "switches.parquet"
MODEL = "model.skops"
ADAPTER = "adapter"
COLUMNS = "columns.json"
METRICS = "metrics.jsonl"
CONFIG = "config.toml"
REPORT = "run.json"

TRUSTED_TYPES = [
    "numpy.dtype",
    "salutary.tables.encoding.ColumnTypes",
    "salutary.tables.encoding.Numbers",
    "salutary.deep.transformer_embedder.TransformerEmbedder",
    "skrub._datetime_encoder.DatetimeEncoder",
    "skrub._string_encoder.StringEncoder",
    "skrub._to_str.ToStr",
]
"""Types that a saved model may hold, besides those that skops trusts.

None of them runs code when it is loaded.
"""

DATED = range(1980, 2108)
"""Years that a zip archive can hold, as which a model is saved."""

LARGEST_MODEL = 2**30
"""Bytes that a saved model may unpack to; an archive of one megabyte can hold 1,000."""

STEPS: list[tuple[type, ...]] = [
    (ColumnTypes,),
    (ColumnTransformer,),
    (SimpleImputer,),
    (StandardScaler,),
    (LogisticRegression,),
]
"""Types that each step of a saved model may have."""


def read_report(run_dir: Path) -> dict[str, Any]:
    """Read the report of a run.

    Raises
    ------
    InputError
        If the report is missing or damaged.
    """
    path = run_dir / REPORT
    try:
        report: dict[str, Any] = read_json(path)
        named, _ = report["settings"]["id"], report["outcome"]
        if not isinstance(named, str | None):
            raise TypeError
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{path}: is missing or damaged; finish the run with --resume"
        ) from None
    return report


def check_clock() -> None:
    """Refuse a clock that says what no date in a saved model can be.

    Raises
    ------
    InputError
    """
    year = time.localtime(time.time()).tm_year
    if year not in DATED:
        raise InputError(
            f"the clock of this machine says that it is {year}, which a saved model "
            "cannot hold as its date; set the clock"
        )


def write_model(model: Pipeline, path: Path) -> None:
    """Write a model with skops, and make sure that `load` will trust it."""

    def write(beside: Path) -> None:
        skops.io.dump(model, beside, compression=zipfile.ZIP_DEFLATED)
        unknown = set(skops.io.get_untrusted_types(file=beside)) - set(TRUSTED_TYPES)
        if unknown:
            raise RuntimeError(
                "the model holds types that loading does not trust: "
                f"{sorted(unknown)}; install a version of skrub that this version of "
                "salutary supports"
            )

    write_whole(path, write)


def load(run_dir: str | os.PathLike[str]) -> Pipeline:
    """Load the model of a finished run of the command line.

    The file is not unpickled, so loading runs no code of the file. It is refused if it
    holds a type that is neither trusted by skops nor on a fixed list.

    Parameters
    ----------
    run_dir : str or path-like
        The directory that was passed as ``--out`` to ``salutary label``, ``salutary
        relabel`` or ``salutary finetune``.

    Returns
    -------
    Pipeline
        Takes a DataFrame of pandas or polars, or a pyarrow.Table, with the training
        table's features in any order; further columns are ignored. Each column is cast
        to the kind that it has in the training table. An empty text, "NA", "N/A", "?",
        "nan", "null" and "None" are missing values there as in every table. A value
        that would change is refused by its row: "abc" or "1,234" among numbers, 2
        among booleans, a date in another format than the training table's.

        ``feature_names_in_`` names the features. The steps ``model[:-1]`` turn a table
        into the frame that the model sees, with a name for each column, as scikit-learn
        does after ``set_output(transform="pandas")``.

    Raises
    ------
    InputError
        If the directory holds no finished run, or its file is not a model of salutary
        or unpacks to more than a gigabyte.

    Examples
    --------
    >>> import pandas as pd
    >>> from salutary import load
    >>> model = load("runs/bank")  # doctest: +SKIP
    >>> model.predict(pd.read_csv("new_customers.csv"))  # doctest: +SKIP
    array(['no', 'no', 'yes'], dtype=object)
    """
    path = Path(run_dir) / MODEL
    if (Path(run_dir) / ADAPTER / COLUMNS).is_file():
        return _load_adapter(Path(run_dir) / ADAPTER)
    if (Path(run_dir) / COLUMNS).is_file():
        raise InputError(f"{run_dir}: is a part of a run; pass the folder it is in")
    if not path.is_file():
        raise InputError(
            f"{run_dir}: holds no {MODEL}; pass the --out of a finished "
            "'salutary label', 'relabel', 'finetune' or 'advise'"
        )
    try:
        _check_size(path)
        model = skops.io.load(path, trusted=TRUSTED_TYPES)
    except Exception as error:
        # A hostile or damaged file can fail in any way; none of its code was run.
        cause = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: is not a model of salutary: {cause}") from None
    steps = [type(step) for _, step in getattr(model, "steps", [])]
    known = len(steps) == len(STEPS) and all(
        step in kinds for step, kinds in zip(steps, STEPS, strict=True)
    )
    if type(model) is not Pipeline or not known:
        raise InputError(
            f"{path}: is not a model of salutary; run 'salutary label' again"
        )
    return model


def _check_size(path: Path) -> None:
    """Refuse an archive that would fill the memory; zipfile reads no more than it says.

    Raises
    ------
    ValueError
        If it unpacks to more than a gigabyte.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > LARGEST_MODEL:
        raise ValueError(
            f"it unpacks to {unpacked / 2**30:.1f} GB, and at most "
            f"{LARGEST_MODEL / 2**30:g} GB is read"
        )


def _load_adapter(folder: Path) -> Pipeline:
    """Load the fine-tuned model of a run, as a pipeline that takes a table."""
    try:
        columns = read_json(folder / COLUMNS)["columns"]
        kinds = {str(column): "document" for column in columns}
        if (
            type(columns) is not list
            or list(kinds) != columns
            or len(kinds) not in (1, 2)
        ):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder / COLUMNS}: is damaged; restore it") from None
    return Pipeline(
        [("types", ColumnTypes(kinds)), ("classify", LoraClassifier.load(folder))]
    )
