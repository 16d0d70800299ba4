"""What a run leaves: models and reports, loaded without unpickling."""

from __future__ import annotations

import json
import os
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
from salutary.files import write_whole
from salutary.tables.encoding import ColumnTypes

LEDGER = "ledger.sqlite"
LABELS = "labels.parquet"
SWITCHES = "switches.parquet"
MODEL = "model.skops"
ADAPTER = "adapter"
COLUMNS = "columns.json"
METRICS = "metrics.jsonl"
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
"""All a saved model may hold besides what skops trusts; none of them runs code."""


STEPS: list[tuple[type, ...]] = [
    (ColumnTypes,),
    (ColumnTransformer,),
    (SimpleImputer,),
    (StandardScaler,),
    (LogisticRegression,),
]
"""What the steps of a saved model may be."""


def read_report(run_dir: Path) -> dict[str, Any]:
    """Read a run's report.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    path = run_dir / REPORT
    try:
        report: dict[str, Any] = json.loads(path.read_text("utf-8"))
        named, _ = report["settings"]["id"], report["outcome"]
        if not isinstance(named, str | None):
            raise TypeError
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            f"{path}: is missing or damaged; finish the run with --resume"
        ) from None
    return report


def write_model(model: Pipeline, path: Path) -> None:
    """Write a model whole, as skops, and make sure that `load` will trust it."""

    def write(beside: Path) -> None:
        skops.io.dump(model, beside, compression=zipfile.ZIP_DEFLATED)
        unknown = set(skops.io.get_untrusted_types(file=beside)) - set(TRUSTED_TYPES)
        if unknown:
            raise RuntimeError(
                "the model holds types that loading does not trust: "
                f"{sorted(unknown)}; the installed skrub is not one this version of "
                "salutary knows"
            )

    write_whole(path, write)


def load(run_dir: str | os.PathLike[str]) -> Pipeline:
    """Load the model of a run, from a table's columns to classes.

    Nothing is unpickled: the file holds only what skops and a fixed list of this
    package trust, or it is refused.

    Parameters
    ----------
    run_dir : path
        As passed to ``salutary label --out``, ``salutary relabel --out`` or
        ``salutary finetune --out``.

    Returns
    -------
    Pipeline
        Takes a DataFrame of pandas or polars, or a pyarrow.Table, with the training
        table's features in any order; further columns are ignored. Each column is cast
        to the kind that it has in the training table. An empty text, "NA", "N/A", "?",
        "nan", "null" and "None" are missing values there as in every table. A value
        that would change is refused by its row: "abc" or "1,234" among numbers, 2
        among booleans, a date in another format than the training table's.

    Raises
    ------
    InputError
        If there is no finished run, or the file holds anything else than a model.

    Examples
    --------
    >>> model = load("runs/bank")  # doctest: +SKIP
    >>> model.predict(frame)  # doctest: +SKIP
    """
    path = Path(run_dir) / MODEL
    if (Path(run_dir) / ADAPTER / COLUMNS).is_file():
        return _load_adapter(Path(run_dir) / ADAPTER)
    if (Path(run_dir) / COLUMNS).is_file():
        raise InputError(f"{run_dir}: is a part of a run; pass the folder it is in")
    if not path.is_file():
        raise InputError(
            f"{run_dir}: holds no {MODEL}; pass the --out of a finished "
            "'salutary label', 'salutary relabel' or 'salutary finetune'"
        )
    try:
        model = skops.io.load(path, trusted=TRUSTED_TYPES)
    except Exception as error:
        # A hostile or torn file can fail in any way; none of it ran.
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


def _load_adapter(folder: Path) -> Pipeline:
    """The fine-tuned model of a run, from a table's columns to classes."""
    try:
        columns = json.loads((folder / COLUMNS).read_text("utf-8"))["columns"]
        kinds = {str(column): "document" for column in columns}
        if (
            type(columns) is not list
            or list(kinds) != columns
            or len(kinds) not in (1, 2)
        ):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{folder / COLUMNS}: is damaged; restore it") from None
    return Pipeline(
        [("types", ColumnTypes(kinds)), ("classify", LoraClassifier.load(folder))]
    )
