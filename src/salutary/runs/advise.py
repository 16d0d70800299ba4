"""``salutary advise``: from tables to advice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from salutary.advice.comparison import FEWEST_VALIDATION, compare, rows_of
from salutary.advice.options import AdviceTask
from salutary.errors import InputError
from salutary.progress import Stage
from salutary.runs.table_problem import encode_tables, recurring_rows
from salutary.tables.reading import Tables, read_tables
from salutary.tables.sources import Sources


@dataclass(frozen=True)
class Plan:
    """Settings of the comparison, see ``salutary advise --help``."""

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
        Displays which step is running, apart from the fits.
    fitted : callable
        Called with a line about the progress after each fit.

    Returns
    -------
    dict
        The settings, the items of `Advice.to_dict`, and the number of validation rows
        that another table has as well.

    Raises
    ------
    InputError
        If a table holds something that cannot be used.
    """
    with stage("reading the tables"):
        tables = read_tables(sources)
        _check_validation(tables, plan, sources)
    encoded = encode_tables(tables, sources, plan.seed, stage)
    task = AdviceTask(
        classes=tables.classes,
        train=encoded.train,
        validation=encoded.validation,
        pool=encoded.pool,
        budget=plan.budget,
        batch_size=plan.batch_size,
        seed=plan.seed,
    )
    advice = compare(task, plan.splits, plan.repeats, fitted)
    return {
        "settings": {
            "target": sources.target,
            "id": sources.id_column,
            "validation_fraction": sources.validation_fraction,
            **sources.text_settings(),
            **asdict(plan),
        },
        **advice.to_dict(),
        "recurring_validation_rows": recurring_rows(tables),
    }


def _check_validation(tables: Tables, plan: Plan, sources: Sources) -> None:
    n_validation = len(tables.validation_labels)
    if n_validation < FEWEST_VALIDATION:
        raise InputError(
            f"{sources.validation_name}: has {rows_of(n_validation)}, too few to tune "
            f"and to judge by; add rows, to {FEWEST_VALIDATION} or more"
        )
    if plan.splits > n_validation:
        raise InputError(
            f"--splits {plan.splits}: is more than the {n_validation} rows of "
            f"{sources.validation_name}; pass a smaller one"
        )
