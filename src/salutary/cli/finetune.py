"""``salutary finetune``: tables of texts in, labels and a fine-tuned adapter out."""

from __future__ import annotations

from typing import Annotated

import typer

from salutary.cli import parameters
from salutary.cli.run_summary import finetune_summary
from salutary.cli.running import run_and_summarize
from salutary.errors import InputError


def finetune(
    train: parameters.Train,
    validation: parameters.Validation,
    pool: parameters.Pool,
    text_column: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="Column that holds the texts. Columns besides the texts, the target "
            "and the id are not used.",
        ),
    ],
    target: parameters.Target,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME_OR_FOLDER",
            help="Language model to fine-tune: a folder, or a name on the Hugging Face "
            "hub. Needs pip install 'salutary[text]'.",
        ),
    ],
    out: parameters.Out,
    text_pair: parameters.TextPair = None,
    budget: parameters.Budget = 100,
    batch_size: Annotated[
        int,
        typer.Option(
            help="Number of labels per round. Every round fine-tunes the model anew."
        ),
    ] = 100,
    rule: parameters.Rule = "tempered",
    refit_on_validation: Annotated[
        bool,
        typer.Option(
            "--refit-on-validation",
            help="Fine-tune the final model on VAL too, for all epochs. The labels are "
            "left out if they do not help beside VAL, unless --no-guard is passed. "
            "No rows are left to judge that model by.",
        ),
    ] = False,
    rank: Annotated[int, typer.Option(help="Rank of the LoRA update matrices.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 1e-3,
    epochs: Annotated[
        int,
        typer.Option(
            help="Maximum number of epochs. With the guard, training stops earlier "
            "when the loss on VAL rises."
        ),
    ] = 5,
    max_length: Annotated[
        int | None,
        typer.Option(
            help="Maximum number of tokens per text; longer texts are cut.",
            show_default="the model's own maximum, but at most 512 (all-MiniLM: 256)",
        ),
    ] = None,
    pooling: parameters.PoolingOption = "mean",
    device: parameters.Device = None,
    id_column: parameters.PoolId = None,
    no_guard: Annotated[
        bool,
        typer.Option(
            "--no-guard",
            help="Turn the guard off. The guard judges rounds by canary rows, which "
            "are validation rows that influence never sees. Without it no round is "
            "undone, all epochs are run, and the power of the tempered rule is 1.",
        ),
    ] = False,
    seed: parameters.Seed = 0,
    resume: parameters.Resume = False,
) -> None:
    """Fine-tune a language model by LoRA, with labels for a pool.

    Each round embeds all texts with the fine-tuned model, fits a logistic regression on
    the embeddings, and gives pool rows the labels that lower its loss on VAL. Then the
    model is fine-tuned anew with these labels. RUN_DIR gets adapter/ (safetensors),
    labels.parquet, metrics.jsonl, run.json and ledger.sqlite. For --resume it keeps
    embeddings.sqlite, and rounds/ with the adapter of each round.

    Example: salutary finetune train.csv --validation val.csv --pool pool.csv
    --text-column review --target stars --model sentence-transformers/all-MiniLM-L6-v2
    --out runs/tuned
    """
    parameters.check_numbers(budget, batch_size, None, 0.0, seed)
    parameters.check_at_least("--rank", rank, 1)
    parameters.check_at_least("--epochs", epochs, 1)
    parameters.check_at_least("--max-length", max_length, 1)
    if not 0 < learning_rate <= 1:
        raise InputError(
            f"--learning-rate {learning_rate}: must be above 0 and at most 1, for "
            "instance 0.001"
        )
    texts = parameters.texts_of(text_column, text_pair, model, pooling, device)
    # Imported here: 'salutary --help' needs none of it.
    from salutary.labeling.loop import describe
    from salutary.runs.finetune import FINE_TUNING, FineTuneSettings
    from salutary.runs.kind import Request
    from salutary.tables.sources import Sources

    request = Request(
        sources=Sources(
            train, validation, pool, target, id_column, texts=texts, only_texts=True
        ),
        settings=FineTuneSettings(
            rule=rule,
            batch_size=batch_size,
            guard=not no_guard,
            seed=seed,
            refit_on_validation=refit_on_validation,
            rank=rank,
            learning_rate=learning_rate,
            epochs=epochs,
            max_length=max_length,
        ),
        budget=budget,
        out=out,
        resume=resume,
    )
    run_and_summarize(FINE_TUNING, request, "labels", describe, finetune_summary)
