"""``salutary label``: three tables in, labels, a model and a record out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from salutary.cli.progress import display
from salutary.cli.text import printable
from salutary.errors import InputError

if TYPE_CHECKING:
    from salutary.loop import Round


def label(
    train: Annotated[Path, typer.Argument(metavar="TRAIN", help="Labeled table.")],
    validation: Annotated[
        Path, typer.Option(metavar="VAL", help="Labeled table to do well on.")
    ],
    pool: Annotated[
        Path, typer.Option(metavar="POOL", help="Unlabeled table to take rows from.")
    ],
    target: Annotated[str, typer.Option(metavar="COLUMN", help="Column of labels.")],
    out: Annotated[
        Path, typer.Option(metavar="RUN_DIR", help="Directory for the results.")
    ],
    budget: Annotated[int, typer.Option(help="Labels to assign, at most.")] = 100,
    batch_size: Annotated[int, typer.Option(help="Labels a round.")] = 10,
    rule: Annotated[
        Literal["tempered", "plausible", "paper"],
        typer.Option(
            help="Influence times a power of the label's probability, chosen anew in "
            "every round; times the probability itself; or influence alone as "
            "published, which harms a model unless C is small."
        ),
    ] = "tempered",
    estimate: Annotated[
        Literal["first_order", "newton", "refit"],
        typer.Option(
            help="How the effect of a label is estimated. The last two are true and "
            "far slower: a shortlist is looked at again for every pick."
        ),
    ] = "first_order",
    c: Annotated[
        float, typer.Option("--C", help="Inverse strength of the penalty.")
    ] = 1.0,
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="Column that names the pool's rows; never a feature. Without it they "
            "go by their numbers from 0.",
        ),
    ] = None,
    no_guard: Annotated[
        bool,
        typer.Option(
            "--no-guard",
            help="Do not judge rounds by validation rows that their influences did "
            "not see: nothing is undone, and the tempered rule's power is 1. "
            "Several times as fast.",
        ),
    ] = False,
    min_influence_z: Annotated[
        float,
        typer.Option(
            metavar="Z",
            help="Leave rows unlabeled whose influence is less than Z of its standard "
            "errors over VAL; 0 labels them.",
        ),
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Fixes the run.")] = 0,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue the run in RUN_DIR, or start it there; with a larger "
            "--budget also a finished one.",
        ),
    ] = False,
) -> None:
    """Label the pool rows that lower the validation loss most, and fit a model.

    Tables are .csv, .parquet or .jsonl files or folders of .parquet files, with the
    same columns. RUN_DIR gets labels.parquet, model.skops, run.json and ledger.sqlite.

    Example: salutary label train.csv --validation val.csv --pool pool.csv --target y
    --out runs/first
    """
    _check(budget, batch_size, c, min_influence_z, seed)
    with display(budget, "labels") as shown:
        # Imported here: 'salutary --help' needs none of it.
        from salutary.loop import describe
        from salutary.reading import Sources
        from salutary.table_problem import Settings
        from salutary.table_run import Request, label_tables

        def show(record: Round) -> None:
            shown.advance(len(record.selection), describe(record))

        request = Request(
            sources=Sources(train, validation, pool, target, id_column),
            settings=Settings(
                rule, c, batch_size, not no_guard, seed, min_influence_z, estimate
            ),
            budget=budget,
            out=out,
            resume=resume,
        )
        report = label_tables(request, shown.stage, show)
    for line in summary(report, out):
        print(line)


def _check(
    budget: int, batch_size: int, c: float, min_influence_z: float, seed: int
) -> None:
    if budget < 1:
        raise InputError(f"--budget {budget}: must be at least 1")
    if batch_size < 1:
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


ENDINGS = {
    "budget": "ended with the budget",
    "pool_exhausted": "ended with the pool",
    "guard": "the guard undid the last {undone}",
    "no_positive_influence": "ended as no further label would help",
}


def summary(report: dict[str, Any], out: Path) -> list[str]:
    """The report in lines for a person."""
    outcome, rule = report["outcome"], report["settings"]["rule"]
    refused = outcome["refused_rounds"]
    undone = "round" if refused == 1 else f"{refused} rounds"
    by_class = ", ".join(
        f"{printable(label)} {count}"
        for label, count in outcome["labels_by_class"].items()
    )
    lines = [
        f"Labels assigned: {outcome['labels']}, by the rule {rule!r}; "
        f"rounds: {outcome['rounds']}; "
        + ENDINGS[outcome["termination"]].format(undone=undone),
        f"  by class         {by_class}",
        _loss_line("validation loss", outcome["validation_loss"])
        + f" on {outcome['validation_rows']} rows",
    ]
    if outcome["canary_rows"]:
        lines.append(_canary_line(outcome))
    if outcome["both_tables"]:
        lines.append(
            f"  both tables      {outcome['both_tables']['canary_loss']:.4f} canary "
            "loss of a model of training and validation rows, without the pool"
        )
    lines.extend(_remarks(outcome))
    lines.extend(_advice(report))
    lines.append(f"In {out}: labels.parquet, model.skops, run.json, ledger.sqlite")
    return lines


def _advice(report: dict[str, Any]) -> Iterator[str]:
    """Sentences about what did not go well, and what may help."""
    outcome, z = report["outcome"], report["settings"]["min_influence_z"]
    first, guessing = outcome["validation_loss"][0], outcome["guessing_loss"]
    if first >= guessing:
        yield (
            f"Warning: the start model is no better than guessing by how frequent each "
            f"class is in the training table (validation loss {first:.4f}, guessing "
            f"{guessing:.4f}), so its influences mean little. Another --C, more "
            "training rows or other columns may help."
        )
    if outcome["termination"] == "guard" and outcome["labels"] == 0:
        yield (
            "No round lowered the canary loss, so no label was kept and the model is "
            "the one fitted on the training table alone. A smaller --C or more "
            "validation rows may help."
        )
    if outcome["both_tables"]:
        yield _comparison(**outcome["both_tables"])
    if outcome["termination"] == "no_positive_influence" and z:
        yield (
            f"No row of the last shortlist had an influence of {z:g} standard errors "
            "or more. A smaller --min-influence-z or more validation rows may help."
        )


def _comparison(canary_loss: float, fall: float, se: float) -> str:
    """What to train on, by validation rows that neither model has seen."""
    seen = f"by {abs(fall):.4f} ± {se:.4f} in canary loss"
    if fall > se:
        return (
            "Advice: train on the training and validation tables together; that is "
            f"better than these labels, {seen}."
        )
    if -fall > se:
        return (
            "Advice: use these labels; they are better than training on both tables, "
            f"{seen}."
        )
    return (
        "Advice: training on the training and validation tables together does as well "
        f"as these labels (canary loss {-fall:+.4f} ± {se:.4f}), and needs no pool."
    )


def _remarks(outcome: dict[str, Any]) -> Iterator[str]:
    """Lines about the tables."""
    if outcome["agreement"] is not None:
        yield (
            f"  agreement        {outcome['agreement']:.1%} of the labels are the "
            "pool's own, which were not looked at"
        )
    if outcome["unseen_categories"]:
        counts = ", ".join(
            f"{printable(column)} {count}"
            for column, count in outcome["unseen_categories"].items()
        )
        yield (
            f"  new categories   pool rows with one that no training row has: {counts}"
        )
    if outcome["classes_not_validated"]:
        names = ", ".join(
            printable(label) for label in outcome["classes_not_validated"]
        )
        yield (
            f"  warning          no validation row has class {names}; whether labels "
            "help there, nothing shows"
        )
    if outcome["recurring_validation_rows"]:
        yield (
            f"  warning          {outcome['recurring_validation_rows']} validation "
            "rows stand in the training table or the pool too; losses may flatter"
        )


def _canary_line(outcome: dict[str, Any]) -> str:
    line = _loss_line("canary loss", outcome["canary_loss"])
    if outcome["canary_se"] is not None:
        fall = outcome["canary_loss"][0] - outcome["canary_loss"][1]
        line += f", by {fall:.4f} ± {outcome['canary_se']:.4f},"
    return line + f" on {outcome['canary_rows']} rows whose part influence never saw"


def _loss_line(name: str, losses: list[float]) -> str:
    return f"  {name:<16} {losses[0]:.4f} -> {losses[1]:.4f}"
