"""``salutary report``: the page of a run, and the page that a run ends with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from salutary.cli import parameters
from salutary.cli.conventions import is_conventional
from salutary.cli.terminal import display, print_json, printable, tell
from salutary.files import PAGE


@is_conventional
def report(
    *,
    run_dir: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_DIR",
            help="Directory of a run of label, relabel, finetune or advise.",
        ),
    ],
    as_json: parameters.AsJson = False,
) -> None:
    """Write a page about a run, to open in a browser.

    It shows whether the run helped, and which labels to distrust. The page is
    RUN_DIR/report.html, one file that needs no network. A run writes it when it ends,
    unless it was told --no-report. It is made of the ledger; the rows' own columns are
    read from the tables, if these are as they were.

    Example: salutary report runs/first
    """
    # Imported here: 'salutary --help' needs none of it.
    from salutary.report.page import write_page

    with display(0, "pages") as shown, shown.stage("writing the page"):
        page = write_page(run_dir)
    if as_json:
        print_json({"page": str(page)})
    else:
        print(printable(str(page)))


def report_at_end(out: Path, no_report: bool) -> None:
    """Write the page of a run that has ended, unless it is there already.

    The results of the run are whole by then, so a page that cannot be written is told
    of, and the run has ended well all the same.
    """
    if no_report:
        return
    # Imported here: 'salutary --help' needs none of it.
    try:
        from salutary.report.page import is_current, write_page

        if not is_current(out):
            write_page(out)
    except Exception as error:  # whatever it is, the run has ended well
        tell(
            f"warning: {PAGE} was not written: {printable(str(error))}; 'salutary "
            f"report {printable(str(out))}' writes it"
        )


def where_the_page_is(out: Path) -> Iterator[str]:
    """A line that says what to open, if a run has a page."""
    if (out / PAGE).is_file():
        yield f"Open {printable(str(out / PAGE))} in a browser to look at the run."
