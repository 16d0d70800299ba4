"""Arguments and options that several commands share, and their checks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from salutary.cli.conventions import MESSAGES, REPEATING
from salutary.errors import InputError, needs
from salutary.names import EngineName, ObjectiveName, RuleName
from salutary.tables.urls import local_path, table_at

if TYPE_CHECKING:
    from salutary.tables.sources import HeldOut

ROUNDS = "Rule and guard"
MODEL = "Model and objective"
"""Panels of the help; options of no panel come first."""

Train = Annotated[
    Path,
    typer.Argument(
        parser=table_at,
        metavar="TRAIN",
        help="Labeled table to train on; it decides the type of every column.",
    ),
]
Validation = Annotated[
    Path | None,
    typer.Option(
        parser=table_at,
        metavar="VAL",
        help="Labeled validation table; a good model has a low loss on it.",
    ),
]
ValidationFraction = Annotated[
    float | None,
    typer.Option(
        metavar="F",
        help="Without a validation table: the part of TRAIN, for instance 0.3, that "
        "becomes VAL. It is drawn by --seed with its share of every class, and is not "
        "trained on.",
    ),
]
Pool = Annotated[
    Path,
    typer.Option(
        parser=table_at,
        metavar="POOL",
        help="Unlabeled table whose rows may get labels.",
    ),
]
Target = Annotated[
    str, typer.Option(metavar="COLUMN", help="Column that holds the labels.")
]
Out = Annotated[
    Path,
    typer.Option(
        parser=local_path,
        metavar="RUN_DIR",
        help="Directory for the results; made if missing.",
    ),
]
Budget = Annotated[int, typer.Option(help="Maximum number of labels to assign.")]
BatchSize = Annotated[
    int,
    typer.Option(rich_help_panel=ROUNDS, help="Number of labels per round."),
]
PoolId = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="COLUMN",
        help="Column that names the pool's rows; never a feature. Without it, rows are "
        "named by their numbers from 0.",
    ),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="COLUMN",
        help="Column that stays a feature though it looks like an id. Repeat the "
        "option for more. Columns that name rows are left out otherwise.",
    ),
]
FinishedRun = Annotated[
    Path,
    typer.Argument(
        metavar="RUN_DIR",
        help="Directory of a finished run of label, relabel, finetune or advise --out.",
    ),
]
LabelingRun = Annotated[
    Path,
    typer.Argument(
        metavar="RUN_DIR",
        help="Directory of a run of label, relabel or finetune, finished or not.",
    ),
]
Rule = Annotated[
    RuleName,
    typer.Option(
        rich_help_panel=ROUNDS,
        help="How influences become scores of labels. tempered: influence times a "
        "power of the label's probability, chosen anew in every round. plausible: "
        "influence times that probability. paper: influence alone, as published, "
        "which harms a model unless C is small.",
    ),
]
ObjectiveOrCost = Literal[ObjectiveName, "cost"]
"""On the command line an objective may also come from a table of costs."""

Objective = Annotated[
    ObjectiveOrCost,
    typer.Option(
        rich_help_panel=MODEL,
        help="What the labels should lower on VAL. log_loss: the mean log loss. "
        "balanced: the mean over the classes of each class's log loss. worst_group: "
        "the log loss of the worst group of --group, smoothed. cost: the mean cost by "
        "--costs. The model itself is always fitted by log loss.",
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=MODEL,
        metavar="COLUMN",
        help="Column of VAL that holds each row's group. It is a feature only if TRAIN "
        "has it too.",
    ),
]
Costs = Annotated[
    Path | None,
    typer.Option(
        rich_help_panel=MODEL,
        parser=table_at,
        metavar="FILE",
        help="Table of what mistakes cost. It has the columns label, predicted and "
        "cost, and one row for each pair of different classes. A negative cost is a "
        "gain.",
    ),
]
NoGuard = Annotated[
    bool,
    typer.Option(
        "--no-guard",
        rich_help_panel=ROUNDS,
        help="Turn the guard off. The guard judges rounds by validation rows that "
        "their influences never saw, the canary rows, and undoes rounds that do not "
        "help. "
        "Without it no round is undone and the power of the tempered rule is 1; the "
        "run is several times as fast.",
    ),
]
MinInfluenceZ = Annotated[
    float,
    typer.Option(
        rich_help_panel=ROUNDS,
        metavar="Z",
        help="Skip rows whose influence is less than Z of its standard errors over "
        "VAL; 0 skips none.",
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        rich_help_panel=ROUNDS,
        metavar="N",
        help="Number of threads that score the pool, if rows have many features or "
        "there are many classes, and that work on the run and the guard's three runs "
        "at once, if labeled rows have a million values. -1: as many as there are "
        "processors. Labels are the same for any number.",
    ),
]
Scratch = Annotated[
    Path | None,
    typer.Option(
        "--scratch",
        rich_help_panel=REPEATING,
        metavar="DIR",
        help="Folder on whose disk a pool of more than 50,000 rows is kept as numbers "
        "while the command runs, four bytes for each feature of a row. Nothing is left "
        "there.",
        show_default="that of RUN_DIR",
    ),
]
Engine = Annotated[
    EngineName,
    typer.Option(
        "--engine",
        rich_help_panel=REPEATING,
        help="Where the rows of a pool of more than 50,000 are encoded and scored. "
        "local: on this machine. ray: on a Ray cluster, a part on each processor; "
        "POOL must be of Parquet, under a path or URL that all its machines see. "
        "Labels are the same.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        rich_help_panel=REPEATING,
        metavar="ADDRESS",
        help="Address of the Ray cluster, as for ray.init.",
        show_default="RAY_ADDRESS, or a cluster of this machine alone",
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        rich_help_panel=ROUNDS,
        help="Random seed; the same seed gives the same results.",
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        rich_help_panel=MESSAGES,
        help="Print one JSON document instead of the summary.",
    ),
]
NoReport = Annotated[
    bool,
    typer.Option(
        "--no-report",
        rich_help_panel=MESSAGES,
        help="Write no page about the run. 'salutary report RUN_DIR' writes it later.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        rich_help_panel=REPEATING,
        help="Continue the run in RUN_DIR, or start it if there is none. With a larger "
        "--budget, a finished run continues too. 'salutary resume RUN_DIR' does the "
        "same without any other option.",
    ),
]

Callback = Annotated[
    list[str] | None,
    typer.Option(
        "--callback",
        rich_help_panel=MESSAGES,
        metavar="NAME",
        help="Tell an installed plug-in of the run, its rounds or folds and its "
        "results, for instance mlflow. Repeat the option for more.",
    ),
]


def check_at_least(option: str, value: int | None, smallest: int) -> None:
    """Refuse a number that is too small.

    Raises
    ------
    InputError
    """
    if value is not None and value < smallest:
        raise InputError(f"{option} {value}: must be at least {smallest}")


def check_jobs(jobs: int) -> None:
    """Refuse a number of threads that there cannot be.

    Raises
    ------
    InputError
    """
    if jobs != -1 and jobs < 1:
        raise InputError(
            f"--jobs {jobs}: must be at least 1, or -1 for as many as processors"
        )


def check_engine(engine: EngineName, address: str | None) -> None:
    """Refuse the address of a cluster where none is asked for.

    Raises
    ------
    InputError
        Also if Ray is not installed.
    """
    if engine == "local" and address is not None:
        raise InputError(f"--address {address}: belongs to --engine ray; pass that too")
    if engine == "ray":
        with needs("ray"):
            import ray  # noqa: F401


def scratch_folder(scratch: Path | None, out: Path | None) -> Path | None:
    """The folder for a large pool; None for the system's of temporary files.

    Raises
    ------
    InputError
        If there is no such folder, or it cannot be written to.
    """
    # Imported here: 'salutary --help' needs none of it.
    from salutary.files import writable

    if scratch is None:
        if out is None:
            return None
        above = (out.absolute(), *out.absolute().parents)
        return next((each for each in above if each.is_dir()), None)
    if not scratch.is_dir():
        raise InputError(f"--scratch {scratch}: is no folder; make it")
    if not writable(scratch):
        raise InputError(
            f"--scratch {scratch}: cannot be written to; fix its permissions, or pass "
            "another folder"
        )
    return scratch


def check_seed(seed: int) -> None:
    """Refuse a seed that NumPy would refuse.

    Raises
    ------
    InputError
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"--seed {seed}: must be from 0 to 4294967295")


def held_out(
    validation: Path | None, fraction: float | None, train: Path, seed: int
) -> HeldOut | None:
    """Which rows of TRAIN are validation rows; None with a table of them.

    Raises
    ------
    InputError
        For two sources of validation rows, and for none.
    """
    if validation is None and fraction is None:
        raise InputError(
            "--validation is missing: pass a labeled table that is not trained on, or "
            f"--validation-fraction 0.3 to take a part of {train}"
        )
    if fraction is None:
        return None
    if validation is not None:
        raise InputError(
            f"--validation-fraction {fraction}: there is --validation {validation} "
            "already; pass one of them"
        )
    if not 0 < fraction < 1:
        raise InputError(
            f"--validation-fraction {fraction}: must be above 0 and below 1, for "
            "instance 0.3"
        )
    # Imported here: 'salutary --help' needs none of it.
    from salutary.tables.sources import HeldOut

    return HeldOut(fraction, seed)


def check_numbers(
    budget: int | None,
    batch_size: int | None,
    c: float | None,
    min_influence_z: float,
    seed: int,
) -> None:
    """Refuse numbers of a run that are out of range.

    Raises
    ------
    InputError
    """
    # Imported here: 'salutary --help' needs none of it.
    from salutary.influence.softmax import SMALLEST_C

    check_at_least("--budget", budget, 1)
    check_at_least("--batch-size", batch_size, 1)
    if c is not None and not SMALLEST_C <= c < float("inf"):
        raise InputError(
            f"--C {c}: must be at least {SMALLEST_C:g} and finite, for instance 1.0"
        )
    if not 0 <= min_influence_z < float("inf"):
        raise InputError(
            f"--min-influence-z {min_influence_z}: must be at least 0 and finite, for "
            "instance 2"
        )
    check_seed(seed)


def check_objective(
    objective: ObjectiveOrCost, group: str | None, costs: Path | None
) -> None:
    """Refuse an objective without the option it needs, and that option without it.

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
