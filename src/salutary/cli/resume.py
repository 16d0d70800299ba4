"""``salutary resume``: go on with a run, from its directory alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from salutary.cli import parameters
from salutary.cli.config import words
from salutary.cli.conventions import is_conventional
from salutary.errors import InputError


@is_conventional
def resume(
    *,
    context: typer.Context,
    run_dir: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_DIR",
            help="Directory of a run of label, relabel, finetune or advise.",
        ),
    ],
    budget: Annotated[
        int | None,
        typer.Option(
            help="Maximum number of labels in all, to raise it. Not for advise.",
            show_default="that of the run",
        ),
    ] = None,
    callback: parameters.Callback = None,
    as_json: parameters.AsJson = False,
) -> None:
    """Go on with a run that was interrupted, or raise its budget.

    Its ledger names the tables and all options. The tables must be where they were, and
    as they were. The results are those of a run that was never interrupted.

    Example: salutary resume runs/first
    """
    # Imported here: 'salutary --help' needs none of it.
    from salutary.runs.repeating import started_with

    kind, options = started_with(run_dir)
    root: Any = context.find_root().command
    command = root.get_command(context, kind)
    if command is None:
        raise InputError(f"{run_dir}: holds a run of 'salutary {kind}', which is none")
    if budget is not None:
        if kind == "advise" and budget != options.get("budget"):
            raise InputError(
                f"--budget {budget}: its options were judged with a budget of "
                f"{options.get('budget')}, so a comparison keeps it; run 'salutary "
                "advise' anew with another --out, or leave --budget out"
            )
        before = options.get("budget")
        if before is not None and budget < before:
            raise InputError(
                f"--budget {budget}: {run_dir} has a budget of {before}, which cannot "
                "be lowered; pass at least the same, or leave --budget out"
            )
        options["budget"] = budget
    if callback:
        options["callback"] = [
            *dict.fromkeys((*options.get("callback", ()), *callback))
        ]
    arguments = [kind, *words(command, options), f"--out={run_dir}", "--resume"]
    if as_json:
        arguments.append("--json")
    code = root.main(args=arguments, prog_name="salutary", standalone_mode=False)
    if code:  # an interrupt
        raise typer.Exit(code)
