"""``salutary evaluate``: a run's model judged by a table with labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, log_loss, recall_score

from salutary.arrays import IntArray
from salutary.errors import InputError
from salutary.influence.labels import encode_labels
from salutary.runs.artifacts import load, read_report
from salutary.runs.origins import checked_sha256
from salutary.tables.casting import cast_features
from salutary.tables.formats import read_table
from salutary.tables.targets import target_labels


def evaluate_table(run_dir: Path, path: Path, target: str | None) -> dict[str, Any]:
    """Judge the model of a finished run by the rows of a table.

    Parameters
    ----------
    run_dir : Path
    path : Path
        The table.
    target : str or None
        Its column of labels; None if it is called as in the run.

    Returns
    -------
    dict
        The file, its target and number of rows; log loss, accuracy and balanced
        accuracy of the model and of guessing by the class frequencies of the run's
        training table; number of rows and recall of each class; and under "seen_as"
        which table of the run it is, such as "validation", or None. The guess is None
        where the run did not count its classes; a recall is None without rows.

    Raises
    ------
    InputError
        For anything in the directory or the table that cannot be used, such as a row
        without a label or of a class that the training table has not.
    """
    model, report = load(run_dir), read_report(run_dir)
    kinds, classes = model["types"].kinds, model.classes_
    column = report["settings"].get("target") if target is None else target
    documents = [name for name, kind in kinds.items() if kind == "document"]
    table = read_table(path, documents)
    truth = _truth(table, column, classes, path)
    content = checked_sha256(path)
    own = {each["sha256"]: name for name, each in report["data"].items()}
    features = cast_features(table, kinds, str(path))
    probability = np.asarray(model[1:].predict_proba(features), dtype=np.float64)
    counts = np.bincount(truth, minlength=len(classes)).tolist()
    recalls = _recalls(truth, probability.argmax(axis=1), len(classes))
    names = pa.array(classes).cast(pa.string()).to_pylist()
    return {
        "file": str(path),
        "target": column,
        "rows": len(truth),
        "seen_as": own.get(content),
        "model": _figures(truth, probability),
        "guessing": _guess(truth, report["outcome"].get("train_by_class"), names),
        "classes": [
            {
                "class": name,
                "rows": count,
                "recall": float(recall) if count else None,
            }
            for name, count, recall in zip(names, counts, recalls, strict=True)
        ],
    }


def _truth(table: pa.Table, column: str, classes: NDArray[Any], path: Path) -> IntArray:
    """Positions of the rows' labels among the classes."""
    labels = target_labels(table, column, pa.array(classes).type, str(path))
    try:
        return encode_labels(labels, classes, f"{path}: column {column!r}")
    except ValueError as error:
        raise InputError(str(error)) from None


def _guess(
    truth: IntArray, train_by_class: dict[str, int] | None, names: list[str]
) -> dict[str, float] | None:
    """Figures of the training table's class frequencies as everyone's probabilities."""
    if train_by_class is None or set(train_by_class) != set(names):
        return None
    counts = np.array([train_by_class[name] for name in names], dtype=np.float64)
    return _figures(truth, np.tile(counts / counts.sum(), (len(truth), 1)))


def _figures(truth: IntArray, probability: NDArray[np.float64]) -> dict[str, float]:
    guesses, n_classes = probability.argmax(axis=1), probability.shape[1]
    recalls = _recalls(truth, guesses, n_classes)
    return {
        "log_loss": float(log_loss(truth, probability, labels=range(n_classes))),
        "accuracy": float(accuracy_score(truth, guesses)),
        "balanced_accuracy": float(np.nanmean(recalls)),
    }


def _recalls(truth: IntArray, guesses: IntArray, n_classes: int) -> NDArray[Any]:
    """Recall of each class; NaN for one without rows."""
    found: NDArray[Any] = recall_score(
        truth, guesses, labels=range(n_classes), average=None, zero_division=np.nan
    )
    return found
