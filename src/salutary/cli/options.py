"""Options that several commands share, and what they must be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from salutary.errors import InputError

Train = Annotated[Path, typer.Argument(metavar="TRAIN", help="Labeled table.")]
Validation = Annotated[
    Path, typer.Option(metavar="VAL", help="Labeled table to do well on.")
]
Target = Annotated[str, typer.Option(metavar="COLUMN", help="Column of labels.")]
Out = Annotated[
    Path, typer.Option(metavar="RUN_DIR", help="Directory for the results.")
]
RuleName = Literal["tempered", "plausible", "paper"]
RuleOption = Annotated[
    RuleName,
    typer.Option(
        help="Influence times a power of the label's probability, chosen anew in "
        "every round; times the probability itself; or influence alone as "
        "published, which harms a model unless C is small."
    ),
]
ObjectiveName = Literal["log_loss", "balanced", "worst_group", "cost"]
ObjectiveOption = Annotated[
    ObjectiveName,
    typer.Option(
        help="What labels are to lower on VAL: the mean log loss; the mean over the "
        "classes of each one's; that of the worst group of --group, smoothly; or the "
        "mean cost by --costs. The model itself is fitted by log loss."
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column of VAL with each row's group; a feature only if TRAIN has it.",
    ),
]
Costs = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Table with the columns label, predicted and cost, a row for each pair of "
        "different classes.",
    ),
]
Penalty = Annotated[float, typer.Option("--C", help="Inverse strength of the penalty.")]
NoGuard = Annotated[
    bool,
    typer.Option(
        "--no-guard",
        help="Do not judge rounds by validation rows that their influences did "
        "not see: nothing is undone, and the tempered rule's power is 1. "
        "Several times as fast.",
    ),
]
SmallestZ = Annotated[
    float,
    typer.Option(
        metavar="Z",
        help="Pass over rows whose influence is less than Z of its standard errors "
        "over VAL; 0 takes them.",
    ),
]
Seed = Annotated[int, typer.Option(help="Fixes the run.")]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Continue the run in RUN_DIR, or start it there; with a larger "
        "--budget also a finished one.",
    ),
]


def check_numbers(
    budget: int | None,
    batch_size: int | None,
    c: float,
    min_influence_z: float,
    seed: int,
) -> None:
    """Refuse numbers that are out of range.

    Raises
    ------
    InputError
    """
    if budget is not None and budget < 1:
        raise InputError(f"--budget {budget}: must be at least 1")
    if batch_size is not None and batch_size < 1:
        raise InputError(f"--batch-size {batch_size}: must be at least 1")
    if not 0 < c < float("inf"):
        raise InputError(f"--C {c}: must be positive and finite, for instance 1.0")
    if not 0 <= min_influence_z < float("inf"):
        raise InputError(
            f"--min-influence-z {min_influence_z}: must be at least 0 and finite, for "
            "instance 2"
        )
    if not 0 <= seed < 2**32:
        raise InputError(f"--seed {seed}: must be from 0 to 4294967295")


def check_objective(
    objective: ObjectiveName, group: str | None, costs: Path | None
) -> None:
    """Refuse an objective without what it needs, or with what it has no use for.

    Raises
    ------
    InputError
    """
    for name, option, value in (
        ("worst_group", "--group", group),
        ("cost", "--costs", costs),
    ):
        if objective == name and value is None:
            raise InputError(f"--objective {name}: needs {option}; pass it")
        if objective != name and value is not None:
            raise InputError(
                f"{option} {value}: is for --objective {name}; pass both or neither"
            )
