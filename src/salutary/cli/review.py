"""``salutary review``: decide about a run's labels on a page of this machine."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from salutary.cli import parameters
from salutary.cli.conventions import is_conventional
from salutary.cli.terminal import is_quiet, print_json, printable, tell
from salutary.errors import InputError


@is_conventional
def review(
    *,
    run_dir: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_DIR", help="Directory of a finished run of 'salutary label'."
        ),
    ],
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on.", show_default="one that is free"),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Open no browser; print the address.")
    ] = False,
    as_json: parameters.AsJson = False,
) -> None:
    """Accept, change or reject labels of a run in your browser.

    The page shows one label at a time or a grid, the most doubtful first, and is
    served on this machine alone, at an address that holds a secret. Decisions go to
    the run's ledger at once. End with Ctrl-C; 'salutary resume RUN_DIR' then fits the
    model again with what was decided. Needs pip install 'salutary[review]'.

    Example: salutary review runs/first
    """
    if port is not None and not 1 <= port <= 65535:
        raise InputError(f"--port {port}: must be from 1 to 65535; pass another")
    # Imported here: 'salutary --help' needs none of it.
    from salutary.review.server import review as serve

    def started(address: str) -> None:
        if as_json:
            tell(address)  # what is printed is one document
        else:
            print(address, flush=True)
        if not is_quiet():
            tell("Listening on this machine alone. Ctrl-C ends the review.")

    found = serve(run_dir, port, not no_browser, started)
    command = f"salutary resume {shlex.quote(str(run_dir))}"
    if as_json:
        print_json({**found, "refit": command})
        return
    print(printable(f"{found['decided']} of {found['labels']} labels decided."))
    print(printable(f"Fit the model again with them by: {command}"))
