"""The page of a run: one file of HTML that needs no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from salutary.displays import style
from salutary.displays.frames import RunFrames
from salutary.errors import InputError
from salutary.files import PAGE, refuse_links, write_text
from salutary.ledgers.advice_ledger import AdviceLedger
from salutary.ledgers.run_ledger import Ledger
from salutary.ledgers.schema import LEDGER
from salutary.ledgers.sealed import (
    UNREADABLE,
    application_of,
    damaged,
    not_as_written,
    open_ledger,
)
from salutary.report.advice_page import advice_context
from salutary.report.run_page import RunPage, run_context
from salutary.report.visible import LONGEST, chance, number, short, visible, with_error
from salutary.runs.artifacts import REPORT


def write_page(run_dir: Path) -> Path:
    """Write the page of a run into its directory, whole or not at all.

    Parameters
    ----------
    run_dir : Path
        The ``--out`` of ``salutary label``, ``relabel``, ``finetune`` or ``advise``.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If there is no run, or its ledger is not as it was written or is damaged.
    OSError
        If the page cannot be written.
    """
    page = run_dir / PAGE
    if page.is_dir():
        raise InputError(f"{page}: is a folder; remove it")
    try:
        # Not as a user's settings of matplotlib would have pictures.
        with mpl.rc_context():
            mpl.rcdefaults()
            text = page_of(run_dir)
    except InputError:
        raise
    except (*UNREADABLE, AttributeError) as error:  # facts that are no run's
        raise damaged(run_dir / LEDGER, error) from None
    write_text(page, text)
    return page


def is_current(run_dir: Path) -> bool:
    """Whether a directory has a page that is no older than the results of its run."""
    page, report = run_dir / PAGE, run_dir / REPORT
    if not (page.is_file() and report.is_file()):
        return False
    return page.stat().st_mtime_ns >= report.stat().st_mtime_ns


def page_of(run_dir: Path) -> str:
    """The page of a run as text; see `write_page`."""
    path = run_dir / LEDGER
    if path.is_file() and application_of(path) == AdviceLedger.APPLICATION:
        return rendered("advice.html", advice_context(run_dir, _advice_facts(path)))
    frames = RunFrames.of_run(run_dir)
    with open_ledger(Ledger, path) as ledger:
        page = RunPage(run_dir, frames, ledger.read())
    return rendered("run.html", run_context(page))


def _advice_facts(path: Path) -> dict[str, Any]:
    refuse_links(path.parent)
    with open_ledger(AdviceLedger, path) as ledger:
        if ledger.is_empty() or not ledger.is_sound():
            raise not_as_written(path)
        return ledger.facts()


def rendered(template: str, context: Mapping[str, Any]) -> str:
    """A template filled in; all that is no `Markup` is escaped."""
    environment = _environment()
    script = _resource("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = environment.get_template(template).render(
        {
            **context,
            "css": Markup(stylesheet()),
            "script": Markup(script),
            "script_hash": f"sha256-{digest}",
        }
    )
    # A lone surrogate, which a name of a file may hold, is no text of UTF-8.
    return page.encode("utf-8", "backslashreplace").decode("utf-8")


def stylesheet() -> str:
    """The style of every page, light and dark."""
    template = _environment().get_template("page.css")
    return template.render(light=style.LIGHT, dark=style.DARK)


@cache
def _environment() -> Environment:
    return environment_of("salutary.report")


def environment_of(package: str) -> Environment:
    """What fills in the templates of a package, with the filters of every page."""
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "shown": _shown,
        "number": number,
        "chance": chance,
        "short": short,
        "with_error": with_error,
        "figure": _figure,
    }
    return environment


@cache
def _resource(name: str) -> str:
    return files("salutary.report").joinpath("templates", name).read_text("utf-8")


def _shown(value: Any, longest: int = LONGEST) -> Markup:
    """A value of the user's, set apart so that its direction moves nothing else."""
    return Markup("<bdi>") + escape(visible(value, longest)) + Markup("</bdi>")


def _figure(value: Any) -> str | Markup:
    """A cell of the table behind a picture."""
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return "yes" if value else "no"
    if isinstance(value, float):
        return short(value)
    return _shown(value) if isinstance(value, str) else visible(value)
