"""``salutary advise``: from a user's tables to the advice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from salutary.advice.comparison import FEWEST_VALIDATION, compare, rows_of
from salutary.advice.options import AdviceTask
from salutary.errors import InputError
from salutary.labeling.rows import LabeledRows
from salutary.progress import Stage, reporting
from salutary.tables.encoding import count_recurring, fit_encoder
from salutary.tables.reading import Tables, read_tables
from salutary.tables.sources import Sources


@dataclass(frozen=True)
class Plan:
    """How the options are compared; see ``salutary advise --help``."""

    budget: int
    batch_size: int
    splits: int
    repeats: int
    seed: int


def advise_tables(
    sources: Sources, plan: Plan, stage: Stage, fitted: Callable[[str], None]
) -> dict[str, Any]:
    """Read and encode the tables, compare the options, and advise one.

    Parameters
    ----------
    sources : Sources
    plan : Plan
    stage : callable
        Shows a person the steps besides the fits.
    fitted : callable
        Called with a line on where it stands after each fit.

    Returns
    -------
    dict
        The settings, `Advice.to_dict`, and how many validation rows recur.

    Raises
    ------
    InputError
        For anything in the tables that cannot be used.
    """
    with stage("reading the tables"):
        tables = read_tables(sources)
        _check_validation(tables, plan, sources)
    doing = "encoding the columns" if sources.texts is None else "embedding the texts"
    with stage(doing) as report, reporting(report):
        _, matrices = fit_encoder(tables, sources, plan.seed)
    task = AdviceTask(
        classes=tables.classes,
        train=_unweighted(matrices["train"], tables.train_labels),
        validation=_unweighted(matrices["validation"], tables.validation_labels),
        pool=matrices.get("pool"),
        budget=plan.budget,
        batch_size=plan.batch_size,
        seed=plan.seed,
    )
    advice = compare(task, plan.splits, plan.repeats, fitted)
    others = [frame for name, frame in tables.features.items() if name != "validation"]
    return {
        "settings": {
            "target": sources.target,
            "id": sources.id_column,
            **sources.text_settings(),
            **asdict(plan),
        },
        **advice.to_dict(),
        "recurring_validation_rows": count_recurring(
            tables.features["validation"], *others
        ),
    }


def _unweighted(X: Any, labels: Any) -> LabeledRows:
    return LabeledRows(X, labels, np.ones(len(labels)))


def _check_validation(tables: Tables, plan: Plan, sources: Sources) -> None:
    n_validation = len(tables.validation_labels)
    if n_validation < FEWEST_VALIDATION:
        raise InputError(
            f"{sources.validation}: has {rows_of(n_validation)}, too few to tune and "
            f"to judge by; add rows, to {FEWEST_VALIDATION} or more"
        )
    if plan.splits > n_validation:
        raise InputError(
            f"--splits {plan.splits}: is more than the {n_validation} rows of "
            f"{sources.validation}; pass a smaller one"
        )
