"""Run from tables to a directory, which gets the results and the ledger of the run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from salutary.errors import InputError
from salutary.files import claim, write_json, write_text
from salutary.labeling.callbacks import Callbacks
from salutary.labeling.loop import LOG, State, as_limit, describe, rounds, start
from salutary.labeling.outcome import Round
from salutary.ledgers.record import Record
from salutary.ledgers.run_ledger import Ledger
from salutary.ledgers.schema import LEDGER
from salutary.ledgers.sealed import UNREADABLE, damaged, not_as_written, open_ledger
from salutary.progress import Stage
from salutary.runs.artifacts import CONFIG, METRICS, REPORT, check_clock
from salutary.runs.callbacks import round_end, run_begin
from salutary.runs.judged import judged_of
from salutary.runs.kind import FinishedRun, PreparedRun, Request, RunKind
from salutary.runs.metrics import add_metrics, write_metrics
from salutary.runs.origins import (
    begun,
    data_of,
    hashed,
    refuse_changes,
    refuse_other,
    versions,
    warn_of_versions,
)
from salutary.runs.out import (
    check_directory,
    holds_run,
    of_another_command,
    report_if_finished,
)
from salutary.runs.repeating import config_text, options_of
from salutary.runs.resume import begin, commit, n_whole_rounds, restored
from salutary.tables.checks import Checks
from salutary.tables.formats import file_sha256


def run_tables(
    kind: RunKind,
    request: Request,
    stage: Stage,
    on_round: Callable[[Round], None],
    on_checks: Callable[[Checks], None] = lambda checks: None,
    callbacks: Callbacks | None = None,
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
    callbacks : Callbacks, optional
        Told that the run begins, and of its rounds. Whoever calls tells the end.

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
    told = Callbacks() if callbacks is None else callbacks
    with threadpool_limits(limits=1, user_api="blas"):
        check_clock()
        check_directory(kind, request)
        data, before = hashed(request.sources)
        report = report_if_finished(
            Ledger,
            request,
            lambda facts: _had_finished(request, facts) and _is_decided(facts),
            lambda ledger: _read_same_run(ledger, kind, request, data),
        )
        if report is not None:
            with stage("the run had finished; nothing is changed"):
                return report
        prepared: PreparedRun | None = None
        if not holds_run(request.out):
            prepared = kind.prepare(request, stage)
            refuse_changes(request.sources, before)
        with claim(request.out), open_ledger(Ledger, request.out / LEDGER) as ledger:
            record = None
            if not ledger.is_empty():
                record = _read_same_run(ledger, kind, request, data)
                if _had_finished(request, record.facts):
                    # Results that were lost or damaged are written again as they were,
                    # and those of other decisions anew.
                    # All are if the language model was moved.
                    budget = record.facts["report"]["settings"]["budget"]
                    request = replace(request, budget=budget)
                request = request.continuing(record.facts["embedder"])
            if prepared is None:
                prepared = kind.prepare(request, stage)
                refuse_changes(request.sources, before)
            with stage("fitting the first model"):
                if record is None:
                    with _scratch_removed(kind, request.out):
                        state = _begin(ledger, kind, request, prepared, data)
                else:
                    state = _continue(ledger, request, prepared, record)
            on_checks(prepared.checks)
            write_metrics(request.out, ledger.read().entries)
            told.begin(lambda: run_begin(request.out))
            problem = prepared.problem
            for after, found in rounds(problem, request.limit, state):
                state = after
                if found is not None:
                    entry, ids = commit(ledger, found, prepared.ids)
                    add_metrics(request.out, entry)
                    LOG.info(describe(found))
                    on_round(found)
                    told.round(partial(round_end, entry, found, problem.classes, ids))
            with stage("writing the results"):
                return _finish(ledger, kind, request, prepared, state)


def _had_finished(request: Request, facts: dict[str, Any]) -> bool:
    """Whether a run had ended under at least the budget that is asked for."""
    report: dict[str, Any] | None = facts.get("report")
    if not report:
        return False
    return request.limit <= as_limit(report["settings"]["budget"])


def _is_decided(facts: dict[str, Any]) -> bool:
    """Whether the results are of all decisions that people have made."""
    made = facts.get("decisions", {"count": 0})["count"]
    return bool(facts.get("decisions_used", 0) == made)


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
        raise of_another_command(out, facts["kind"])
    refuse_other(request, facts, data)
    before = facts["settings"]["budget"]
    if request.limit < as_limit(before) and facts.get("report") is None:
        raise InputError(
            f"{out}: was started with budget = {before}, which cannot be lowered to "
            f"{request.budget}; pass at least the same"
        )
    warn_of_versions(facts["versions"], versions(request.sources))
    return record


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
        "files": {name: str(path.absolute()) for name, path in paths.items()},
        "data": data,
        "versions": versions(request.sources),
        "embedder": prepared.embedder,
        "options": options_of(request),
        "features": prepared.checks.features,
        **begun(request),
    }
    LOG.info("%s: the ledger of 'salutary %s' begins", request.out, kind.name)
    begin(ledger, facts, problem, state)
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
    options = options_of(request)
    ledger.set_facts(settings=settings, options=options, report=None, judged=None)
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
    write_metrics(out, record.entries, state.best_round)
    write_text(out / CONFIG, config_text(kind.name, facts["options"]))
    write_json(out / REPORT, report)
    names = (*kind.results(request.sources), METRICS, CONFIG, REPORT)
    written = {name: file_sha256(out / name) for name in names}
    ledger.set_facts(
        report=report,
        results=written,
        decisions_used=len(record.decisions),
        judged=judged_of(finished),
    )
    LOG.info("%s: finished, %d results", out, len(written))
    return report
