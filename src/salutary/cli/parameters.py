"""Options that several commands share, and what they must be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from salutary.errors import InputError

if TYPE_CHECKING:
    from salutary.deep.texts import Pooling
    from salutary.tables.sources import Texts

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
        "different classes; a cost may be negative, for a gain.",
    ),
]
PenaltyOrTuned = Annotated[
    float | None,
    typer.Option(
        "--C",
        help="Inverse strength of the penalty.",
        show_default="1.0; with --text-column tuned by cross-validation on TRAIN",
    ),
]
TextColumn = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column of texts to embed with --embedder; all other columns stay "
        "features.",
    ),
]
TextPair = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Column of each text's second part."),
]
Embedder = Annotated[
    str | None,
    typer.Option(
        metavar="NAME_OR_FOLDER",
        help="Language model that embeds the texts: a folder, or a name on the "
        "Hugging Face hub. Needs salutary[text].",
    ),
]
PoolingOption = Annotated[
    Literal["mean", "cls", "last"],
    typer.Option(
        help="A text's vector: the mean over its tokens, the first token's, or the "
        "last one's (for decoders)."
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Where the language model runs, for instance cpu or cuda:1.",
        show_default="the fastest there is",
    ),
]
EmbeddingCache = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder that keeps the vectors for later runs.",
        show_default="in the user's cache",
    ),
]
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
    c: float | None,
    min_influence_z: float,
    seed: int,
) -> None:
    """Refuse numbers that are out of range.

    Raises
    ------
    InputError
    """
    # Imported here: 'salutary --help' needs none of it.
    from salutary.influence.softmax import SMALLEST_C

    if budget is not None and budget < 1:
        raise InputError(f"--budget {budget}: must be at least 1")
    if batch_size is not None and batch_size < 1:
        raise InputError(f"--batch-size {batch_size}: must be at least 1")
    if c is not None and not SMALLEST_C <= c < float("inf"):
        raise InputError(
            f"--C {c}: must be at least {SMALLEST_C:g} and finite, for instance 1.0"
        )
    if not 0 <= min_influence_z < float("inf"):
        raise InputError(
            f"--min-influence-z {min_influence_z}: must be at least 0 and finite, for "
            "instance 2"
        )
    if not 0 <= seed < 2**32:
        raise InputError(f"--seed {seed}: must be from 0 to 4294967295")


def texts_of(
    column: str | None,
    pair: str | None,
    embedder: str | None,
    pooling: Pooling,
    device: str | None,
    cache: Path | None,
) -> Texts | None:
    """What is asked for about texts, if anything.

    Raises
    ------
    InputError
        For a column without an embedder or the reverse, and for one column twice.
    """
    if column is None:
        for option, value in (
            ("--text-pair", pair),
            ("--embedder", embedder),
            ("--pooling", None if pooling == "mean" else pooling),
            ("--device", device),
            ("--embedding-cache", cache),
        ):
            if value is not None:
                raise InputError(f"{option} {value}: needs --text-column; pass it")
        return None
    if embedder is None:
        raise InputError(
            f"--text-column {column}: needs --embedder; pass a folder or the name of a "
            "language model"
        )
    if pair == column:
        raise InputError(f"--text-pair {pair}: is --text-column too; pass another")
    # Imported here: 'salutary --help' needs none of it.
    from salutary.deep.vectors import default_folder
    from salutary.tables.sources import Texts

    return Texts(
        columns=(column,) if pair is None else (column, pair),
        embedder=embedder,
        pooling=pooling,
        device=device,
        cache=default_folder() if cache is None else cache,
    )


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
