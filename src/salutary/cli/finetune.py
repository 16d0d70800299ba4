"""``salutary finetune``: tables of texts in, labels and a fine-tuned adapter out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from salutary.cli import parameters
from salutary.cli.run_summary import finetune_summary
from salutary.cli.terminal import display
from salutary.errors import InputError

if TYPE_CHECKING:
    from salutary.labeling.loop import Round


def finetune(
    train: parameters.Train,
    validation: parameters.Validation,
    pool: Annotated[
        Path, typer.Option(metavar="POOL", help="Unlabeled table to take rows from.")
    ],
    text_column: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of texts; others are unused.")
    ],
    target: parameters.Target,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME_OR_FOLDER",
            help="Language model to fine-tune: a folder, or a name on the Hugging Face "
            "hub. Needs salutary[text].",
        ),
    ],
    out: parameters.Out,
    text_pair: parameters.TextPair = None,
    budget: Annotated[int, typer.Option(help="Labels to assign, at most.")] = 100,
    batch_size: Annotated[
        int,
        typer.Option(help="Labels a round; the model is fine-tuned anew after each."),
    ] = 100,
    rule: parameters.RuleOption = "tempered",
    refit_on_validation: Annotated[
        bool,
        typer.Option(
            "--refit-on-validation",
            help="Fine-tune the final model on VAL too, for all epochs, and on the "
            "labels only if they help beside it (as they are with --no-guard); nothing "
            "is left to judge it by then.",
        ),
    ] = False,
    rank: Annotated[int, typer.Option(help="Of LoRA's changes.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="The largest.")] = 1e-3,
    epochs: Annotated[
        int, typer.Option(help="At most; with the guard fewer if VAL says so.")
    ] = 5,
    max_length: Annotated[
        int | None,
        typer.Option(
            help="Tokens of a text that are looked at.",
            show_default="as the model, 512 at most",
        ),
    ] = None,
    pooling: parameters.PoolingOption = "mean",
    device: parameters.Device = None,
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="Column that names the pool's rows. Without it they go by their "
            "numbers from 0.",
        ),
    ] = None,
    no_guard: Annotated[
        bool,
        typer.Option(
            "--no-guard",
            help="Keep no rows of VAL from influence: no round is undone, all epochs "
            "are run, and the tempered rule's power is 1.",
        ),
    ] = False,
    seed: parameters.Seed = 0,
    resume: parameters.Resume = False,
) -> None:
    """Fine-tune a language model by LoRA, with labels for a pool by their influence.

    Each round fine-tunes the model, embeds all texts with it, fits a logistic
    regression on the embeddings and gives pool rows the labels that lower its loss on
    VAL; then the model is fine-tuned anew with these too. RUN_DIR gets adapter/
    (safetensors), labels.parquet, metrics.jsonl, run.json, ledger.sqlite, and, to go on
    from, rounds/ with the adapter of each round and embeddings.sqlite.

    Example: salutary finetune train.csv --validation val.csv --pool pool.csv
    --text-column review --target stars --model sentence-transformers/all-MiniLM-L6-v2
    --out runs/tuned
    """
    parameters.check_numbers(budget, batch_size, None, 0.0, seed)
    for option, value in (
        ("--rank", rank),
        ("--epochs", epochs),
        ("--max-length", max_length),
    ):
        if value is not None and value < 1:
            raise InputError(f"{option} {value}: must be at least 1")
    if not 0 < learning_rate <= 1:
        raise InputError(
            f"--learning-rate {learning_rate}: must be above 0 and at most 1, for "
            "instance 0.001"
        )
    texts = parameters.texts_of(text_column, text_pair, model, pooling, device, None)
    with display(budget, "labels") as shown:
        # Imported here: 'salutary --help' needs none of it.
        from salutary.labeling.loop import describe
        from salutary.runs.directory import run_tables
        from salutary.runs.finetune import FINE_TUNING, FineTuneSettings
        from salutary.runs.kind import Request
        from salutary.tables.sources import Sources

        def show(record: Round) -> None:
            shown.advance(len(record.selection), describe(record))

        request = Request(
            sources=Sources(
                train,
                validation,
                pool,
                target,
                id_column,
                texts=texts,
                only_texts=True,
            ),
            settings=FineTuneSettings(
                rule,
                batch_size,
                not no_guard,
                seed,
                refit_on_validation,
                rank,
                learning_rate,
                epochs,
                max_length,
            ),
            budget=budget,
            out=out,
            resume=resume,
        )
        report = run_tables(FINE_TUNING, request, shown.stage, show)
    for line in finetune_summary(report, out):
        print(line)
