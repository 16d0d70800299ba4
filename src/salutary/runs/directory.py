"""Run from tables to a directory, which gets the results and the ledger of the run."""

from __future__ import annotations

import errno
import platform
import shutil
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from salutary.errors import InputError
from salutary.files import (
    LOCK,
    claim,
    refuse_links,
    writable,
    write_json,
    write_text,
)
from salutary.labeling.loop import LOG, Round, State, as_limit, describe, rounds, start
from salutary.progress import Stage
from salutary.runs.artifacts import CONFIG, LEDGER, REPORT, check_clock
from salutary.runs.kind import DirectoryKind, FinishedRun, PreparedRun, Request, RunKind
from salutary.runs.ledger import Ledger
from salutary.runs.record import Record
from salutary.runs.repeating import config_text, options_of
from salutary.runs.resume import commit, first_entry, n_whole_rounds, restored
from salutary.runs.sealed import (
    UNREADABLE,
    AnyLedger,
    damaged,
    not_as_written,
    open_ledger,
)
from salutary.tables.checks import Checks
from salutary.tables.formats import check_exists, file_sha256
from salutary.tables.sources import Sources

VERSIONED = ("salutary", "numpy", "scipy", "scikit-learn", "skrub", "pandas", "pyarrow")
"""Packages whose versions a run writes down, as its figures depend on them."""

VERSIONED_WITH_TEXTS = ("torch", "transformers", "peft")
"""Further such packages where a language model embeds texts."""


def run_tables(
    kind: RunKind,
    request: Request,
    stage: Stage,
    on_round: Callable[[Round], None],
    on_checks: Callable[[Checks], None] = lambda checks: None,
) -> dict[str, Any]:
    """Start or continue a run, and write its results.

    Parameters
    ----------
    kind : RunKind
    request : Request
    stage : callable
        Displays which step is running, apart from the rounds.
    on_round : callable
        Called with each round once the ledger holds it.
    on_checks : callable, optional
        Called with what is to be known of the tables, once nothing more is refused.

    Returns
    -------
    dict
        The report of the run, as in run.json.

    Raises
    ------
    InputError
        For bad input. Nothing has been written then.
    OSError, sqlite3.Error
        If the directory cannot be written to. The ledger is intact, and the run can be
        resumed.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        check_clock()
        check_directory(kind, request)
        paths = request.sources.paths().items()
        data = {name: checked_sha256(path) for name, path in paths}
        report = report_if_finished(
            Ledger,
            request,
            lambda facts: _had_finished(request, facts),
            lambda ledger: _read_same_run(ledger, kind, request, data),
        )
        if report is not None:
            with stage("the run had finished; nothing is changed"):
                return report
        prepared: PreparedRun | None = None
        if not holds_run(request.out):
            prepared = kind.prepare(request, stage)
        with claim(request.out), open_ledger(Ledger, request.out / LEDGER) as ledger:
            record = None
            if not ledger.is_empty():
                record = _read_same_run(ledger, kind, request, data)
                if _had_finished(request, record.facts):
                    # Results that were lost or damaged are written again as they were.
                    # All are if the language model was moved.
                    budget = record.facts["report"]["settings"]["budget"]
                    request = replace(request, budget=budget)
                request = request.continuing(record.facts["embedder"])
            if prepared is None:
                prepared = kind.prepare(request, stage)
            with stage("fitting the first model"):
                if record is None:
                    with _scratch_removed(kind, request.out):
                        state = _begin(ledger, kind, request, prepared, data)
                else:
                    state = _continue(ledger, request, prepared, record)
            on_checks(prepared.checks)
            for after, found in rounds(prepared.problem, request.limit, state):
                state = after
                if found is not None:
                    commit(ledger, found, prepared.ids)
                    LOG.info(describe(found))
                    on_round(found)
            with stage("writing the results"):
                return _finish(ledger, kind, request, prepared, state)


def checked_sha256(path: Path) -> str:
    """SHA-256 of a table's content; refuse a path that cannot be read."""
    try:
        check_exists(path)
        return file_sha256(path)
    except OSError as error:
        remedy = "fix the permissions"
        if error.errno == errno.ENAMETOOLONG:
            remedy = "pass a shorter path"
        raise InputError(
            f"{path}: cannot be read: {error.strerror}; {remedy}"
        ) from None


def holds_run(out: Path) -> bool:
    """Whether a directory has a ledger."""
    ledger = out / LEDGER
    return ledger.is_file() and ledger.stat().st_size > 0


def report_if_finished(
    kind: type[AnyLedger],
    request: Request,
    is_done: Callable[[dict[str, Any]], bool],
    check: Callable[[AnyLedger], object],
) -> dict[str, Any] | None:
    """The report of a finished run that lacks nothing; None for any other run.

    Nothing is written, not even a lock, so that the directory may be read-only.

    Parameters
    ----------
    kind : type of ledger
    request : Request
    is_done : callable
        Whether a run with these facts has done all that is asked for.
    check : callable
        Refuses a ledger of another run, or one that was edited.
    """
    if not request.resume or not holds_run(request.out):
        return None
    refuse_links(request.out)
    try:
        with kind(request.out / LEDGER) as ledger:
            facts = ledger.facts()
            if not (is_done(facts) and has_all_results(request, facts)):
                return None
            check(ledger)
    except (sqlite3.Error, *UNREADABLE):
        return None  # why it cannot be continued is found where it is
    return dict(facts["report"])


def _had_finished(request: Request, facts: dict[str, Any]) -> bool:
    """Whether a run had ended under at least the budget that is asked for."""
    report: dict[str, Any] | None = facts.get("report")
    if not report:
        return False
    return request.limit <= as_limit(report["settings"]["budget"])


def has_all_results(request: Request, facts: dict[str, Any]) -> bool:
    """Whether every result is there as it was written, for the same language model."""
    before = facts["report"]["settings"].get("embedder")
    if before != request.fixed().get("embedder"):
        return False
    results: dict[str, str] = facts.get("results", {})
    return bool(results) and all(
        (request.out / name).is_file() and file_sha256(request.out / name) == written
        for name, written in results.items()
    )


def check_directory(kind: DirectoryKind, request: Request) -> None:
    """Refuse an --out that holds something else, or cannot be created."""
    out, texts = request.out, request.sources.texts
    if texts is not None and texts.cache is not None:
        cache = texts.cache.resolve()
        if out.resolve() in (cache, *cache.parents):
            raise InputError(
                f"{texts.cache}: is in the run's own directory; pass another "
                "--embedding-cache"
            )
    if not out.exists():
        _check_can_be_made(out)
        return
    if not out.is_dir():
        raise InputError(f"{out}: is a file; pass a directory as --out")
    if holds_run(out):
        if not request.resume:
            raise InputError(
                f"{out}: holds a run already; pass --resume to continue it, or another "
                "--out"
            )
        return
    ours = {LOCK, LEDGER, f"{LEDGER}-journal", *kind.scratch}
    others = sorted(path.name for path in out.iterdir() if path.name not in ours)
    results = (*kind.results(request.sources), CONFIG)
    ours_too = {Path(name).parts[0] for name in results}
    if ours_too & {*others}:
        raise InputError(
            f"{out}: holds results, but no {LEDGER} to continue from; restore the "
            "ledger, or pass another --out"
        )
    if others:
        raise InputError(
            f"{out}: is not a run, but holds {others[0]!r}; pass another --out"
        )


def _check_can_be_made(out: Path) -> None:
    """Refuse a missing directory that cannot be created."""
    if out.is_symlink():
        raise InputError(
            f"{out}: is a link that leads nowhere; pass a directory as --out"
        )
    above = next(path for path in out.absolute().parents if path.exists())
    if not above.is_dir():
        raise InputError(
            f"{out}: cannot be made, as {above} is a file; pass another --out"
        )
    if not writable(above):
        raise InputError(
            f"{out}: cannot be made, as {above} cannot be written to; pass another "
            "--out"
        )


@contextmanager
def _scratch_removed(kind: RunKind, out: Path) -> Iterator[None]:
    """Remove the scratch files of a run that is refused in the block."""
    try:
        yield
    except InputError:
        for name in kind.scratch:
            if (out / name).is_dir():
                shutil.rmtree(out / name)
            else:
                (out / name).unlink(missing_ok=True)
        raise


def _read_same_run(
    ledger: Ledger, kind: RunKind, request: Request, data: dict[str, str]
) -> Record:
    """Read the ledger; refuse to continue a run with other data or settings."""
    out = request.out
    if not request.resume:
        raise InputError(f"{out}: holds a run already; pass --resume")
    if not ledger.is_sound():
        raise not_as_written(out / LEDGER)
    try:
        record = ledger.read()
        facts = record.facts
        facts["kind"], facts["settings"]["budget"], facts["data"], facts["versions"]
    except UNREADABLE as error:
        raise damaged(out / LEDGER, error) from None
    if facts["kind"] != kind.name:
        raise InputError(
            f"{out}: holds a run of 'salutary {facts['kind']}'; pass another --out"
        )
    refuse_other(request, facts, data)
    before = facts["settings"]["budget"]
    if request.limit < as_limit(before) and facts.get("report") is None:
        raise InputError(
            f"{out}: was started with budget = {before}, which cannot be lowered to "
            f"{request.budget}; pass at least the same"
        )
    warn_of_versions(facts["versions"], versions(request.sources))
    return record


def refuse_other(request: Request, facts: dict[str, Any], data: dict[str, str]) -> None:
    """Refuse to continue a run with other settings or data."""
    out = request.out
    for name, value in request.fixed().items():
        before = facts["settings"].get(name)
        # A language model may have been moved; its fingerprint is compared later.
        if before != value and name != "embedder":
            raise InputError(
                f"{out}: was started with {name} = {before!r}, not {value!r}; pass the "
                "same, or another --out"
            )
    for name, path in request.sources.paths().items():
        if facts["data"].get(name) != data[name]:
            raise InputError(
                f"{path}: is not the {name} table that {out} was started with; pass "
                "the same data, or another --out"
            )


def versions(sources: Sources) -> dict[str, str]:
    """Versions of Python and of the packages that a run's figures depend on."""
    has_texts = sources.texts is not None
    for_texts = filter(find_spec, VERSIONED_WITH_TEXTS) if has_texts else ()
    packages = {name: version(name) for name in (*VERSIONED, *for_texts)}
    return {"python": platform.python_version(), **packages}


def warn_of_versions(before: dict[str, str], now_of: dict[str, str]) -> None:
    """Warn of packages whose version is another than when a run was started."""
    for name, now in now_of.items():
        if before.get(name) != now:
            warnings.warn(
                f"the run was started with {name} {before.get(name)}, now it is {now}; "
                "further labels may differ from those of an uninterrupted run",
                UserWarning,
                stacklevel=2,
            )


def _begin(
    ledger: Ledger,
    kind: RunKind,
    request: Request,
    prepared: PreparedRun,
    data: dict[str, str],
) -> State:
    """Start a run, and write its facts and round 0 to the ledger."""
    problem, paths = prepared.problem, request.sources.paths()
    state = start(problem)
    facts = {
        "kind": kind.name,
        "settings": {**request.fixed(), "budget": request.budget},
        "files": {name: str(path) for name, path in paths.items()},
        "data": data,
        "versions": versions(request.sources),
        "embedder": prepared.embedder,
        "options": options_of(request),
    }
    LOG.info("%s: the ledger of 'salutary %s' begins", request.out, kind.name)
    ledger.begin(facts, problem.classes.tolist(), first_entry(problem, state))
    return state


def _continue(
    ledger: Ledger, request: Request, prepared: PreparedRun, record: Record
) -> State:
    """Restore the state of a run from its record, under the requested budget."""
    settings = {**request.fixed(), "budget": request.budget}
    if record.facts["embedder"] != prepared.embedder:
        raise InputError(
            f"{request.out}: was started with another model in "
            f"{settings['embedder']}; restore that model, or pass another --out"
        )
    whole = n_whole_rounds(record, prepared.problem.batch_size, request.limit)
    for entry in reversed(record.entries[whole + 1 :]):
        ledger.forget(entry.round)
    try:
        record = ledger.read()
        state = restored(record, prepared.problem, len(prepared.ids))
    except (ValueError, IndexError) as error:
        raise damaged(request.out / LEDGER, error) from None
    ledger.set_facts(settings=settings, options=options_of(request), report=None)
    LOG.info("%s: goes on after round %d", request.out, state.rounds)
    return state


def _finish(
    ledger: Ledger,
    kind: RunKind,
    request: Request,
    prepared: PreparedRun,
    state: State,
) -> dict[str, Any]:
    """Write the results, each file whole, and only then mark the run as finished."""
    record = ledger.read()
    facts = record.facts
    finished = FinishedRun(request, prepared, state, record)
    report = {
        "settings": facts["settings"],
        "data": data_of(facts, request.sources, prepared.n_rows),
        "versions": facts["versions"],
        "checks": prepared.checks.to_dict(),
        "outcome": kind.outcome(finished),
    }
    out = request.out
    # The report is written last. Where it is missing, the results are incomplete and
    # may belong to different budgets.
    (out / REPORT).unlink(missing_ok=True)
    kind.write(finished)
    write_text(out / CONFIG, config_text(kind.name, facts["options"]))
    write_json(out / REPORT, report)
    names = (*kind.results(request.sources), CONFIG, REPORT)
    written = {name: file_sha256(out / name) for name in names}
    ledger.set_facts(report=report, results=written)
    LOG.info("%s: finished, %d results", out, len(written))
    return report


def data_of(
    facts: dict[str, Any], sources: Sources, n_rows: dict[str, int]
) -> dict[str, Any]:
    """Each table's file, content and number of rows, for the report."""
    data = {
        name: {
            "file": facts["files"][name],
            "sha256": facts["data"][name],
            "rows": n_rows.get(name),
        }
        for name in sources.paths()
    }
    if sources.held_out is not None:
        part = {**asdict(sources.held_out), "rows": n_rows["validation"]}
        data["validation"] = {**data["train"], **part}
    return data
