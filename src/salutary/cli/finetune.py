"""``salutary finetune``: tables of texts in, labels and a fine-tuned adapter out."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from salutary.cli import parameters, texts
from salutary.cli.config import takes_config
from salutary.cli.conventions import is_conventional
from salutary.cli.run_summary import finetune_summary
from salutary.cli.running import run_and_summarize
from salutary.errors import InputError

PANEL = "Fine-tuning"
"""Panel of the help."""


@is_conventional
@takes_config
def finetune(
    *,
    train: parameters.Train,
    validation: parameters.Validation = None,
    validation_fraction: parameters.ValidationFraction = None,
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
    id_column: parameters.PoolId = None,
    text_pair: texts.TextPair = None,
    budget: parameters.Budget = 100,
    batch_size: Annotated[
        int,
        typer.Option(
            rich_help_panel=parameters.ROUNDS,
            help="Number of labels per round. Every round fine-tunes the model anew.",
        ),
    ] = 100,
    rule: parameters.Rule = "tempered",
    refit_on_validation: Annotated[
        bool,
        typer.Option(
            "--refit-on-validation",
            rich_help_panel=PANEL,
            help="Fine-tune the final model on VAL too. Before that, three "
            "fine-tunings for each number of epochs that is tried, each without a "
            "third of TRAIN and VAL, say how many are best and how certain the model "
            "may be; with --distill as many with a teacher. The labels are left out "
            "where the guard finds that they do not help beside VAL.",
        ),
    ] = False,
    distill: Annotated[
        bool,
        typer.Option(
            "--distill",
            rich_help_panel=PANEL,
            help="Let the model also learn what a logistic regression on embeddings of "
            "the model as it comes says of the whole pool (of 2,000 rows of a larger "
            "one). Such a model is kept if it does better on the canary rows.",
        ),
    ] = False,
    rank: Annotated[
        int,
        typer.Option(rich_help_panel=PANEL, help="Rank of the LoRA update matrices."),
    ] = 8,
    learning_rate: Annotated[
        float, typer.Option(rich_help_panel=PANEL, help="Peak learning rate.")
    ] = 1e-3,
    epochs: Annotated[
        int,
        typer.Option(
            rich_help_panel=PANEL,
            help="Maximum number of epochs. With the guard, training stops earlier "
            "when the loss on VAL rises.",
        ),
    ] = 5,
    max_length: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=texts.TEXTS,
            help="Maximum number of tokens per text; longer texts are cut.",
            show_default="the model's own maximum, but at most 512 (all-MiniLM: 256)",
        ),
    ] = None,
    pooling: texts.PoolingOption = "mean",
    device: texts.Device = None,
    no_guard: Annotated[
        bool,
        typer.Option(
            "--no-guard",
            rich_help_panel=parameters.ROUNDS,
            help="Turn the guard off. The guard judges rounds by validation rows that "
            "influence never sees, the canary rows. Without it no round is undone, all "
            "epochs are run, and the power of the tempered rule is 1.",
        ),
    ] = False,
    seed: parameters.Seed = 0,
    resume: parameters.Resume = False,
    callback: parameters.Callback = None,
    no_report: parameters.NoReport = False,
    as_json: parameters.AsJson = False,
    options: dict[str, Any],
) -> None:
    r"""Fine-tune a language model by LoRA, with labels for a pool.

    Each round embeds all texts with the fine-tuned model, fits a logistic regression on
    the embeddings, and gives pool rows the labels that lower its loss on VAL. Then the
    model is fine-tuned anew with these labels. RUN_DIR gets adapter/ (safetensors),
    labels.parquet, metrics.jsonl, run.json, ledger.sqlite, and report.html, a page to
    look at. For --resume it keeps embeddings.sqlite, and rounds/ with the adapter of
    each round.

    Example: salutary finetune train.csv --validation val.csv --pool pool.csv \
        --text-column review --target stars \
        --model sentence-transformers/all-MiniLM-L6-v2 --out runs/tuned
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
    if distill and no_guard:
        raise InputError(
            "--distill: needs the guard, whose rows say whether the distilled model is "
            "better; leave out --no-guard or --distill"
        )
    embedded = texts.texts_of(text_column, text_pair, model, pooling, device)
    held_out = parameters.held_out(validation, validation_fraction, train, seed)
    # Imported here: 'salutary --help' needs none of it.
    from salutary.labeling.loop import describe
    from salutary.runs.finetune import FINE_TUNING as KIND
    from salutary.runs.finetune import FineTuneSettings
    from salutary.runs.kind import Request
    from salutary.tables.sources import Sources

    request = Request(
        sources=Sources(
            train,
            validation,
            pool,
            target,
            id_column,
            texts=embedded,
            only_texts=True,
            held_out=held_out,
        ),
        settings=FineTuneSettings(
            rule=rule,
            batch_size=batch_size,
            guard=not no_guard,
            seed=seed,
            refit_on_validation=refit_on_validation,
            distill=distill,
            rank=rank,
            learning_rate=learning_rate,
            epochs=epochs,
            max_length=max_length,
        ),
        budget=budget,
        out=out,
        resume=resume,
        options=options,
    )
    run_and_summarize(
        KIND,
        request,
        "labels",
        describe,
        finetune_summary,
        as_json,
        callback,
        no_report,
    )
