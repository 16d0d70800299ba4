"""A run from three tables to a directory of labels, a model and a record of why."""

from __future__ import annotations

import platform
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from salutary.artifacts import (
    LABELS,
    LEDGER,
    MODEL,
    REPORT,
    write_model,
    write_table,
)
from salutary.both_tables import train_on_both
from salutary.entries import AssignedLabels
from salutary.errors import InputError
from salutary.files import LOCK, claim, writable, write_json
from salutary.ledger import Ledger
from salutary.loop import Round, State, advance, start
from salutary.problem import Problem
from salutary.reading import Sources
from salutary.recording import commit, restored, start_entry
from salutary.table_problem import Settings, Stage, TableProblem, prepare
from salutary.tables import check_exists, fingerprint

VERSIONED = ("salutary", "numpy", "scipy", "scikit-learn", "skrub", "pandas", "pyarrow")


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Parameters
    ----------
    sources : Sources
    settings : Settings
    budget : int
        Labels to assign in all.
    out : Path
        The run's directory.
    resume : bool
        Whether to continue a run that is there.
    """

    sources: Sources
    settings: Settings
    budget: int
    out: Path
    resume: bool

    def fixed(self) -> dict[str, Any]:
        """What a resumed run must share with the run it continues."""
        sources = self.sources
        return {
            "target": sources.target,
            "id": sources.id_column,
            **asdict(self.settings),
        }


def label_tables(
    request: Request, stage: Stage, on_round: Callable[[Round], None]
) -> dict[str, Any]:
    """Run, or continue a run, and write what comes of it.

    Parameters
    ----------
    request : Request
    stage : callable
        Shows a person the steps besides the rounds.
    on_round : callable
        Called with each round once the ledger has it.

    Returns
    -------
    dict
        The run's report, as in run.json.

    Raises
    ------
    InputError
        For bad input; nothing has been written then.
    OSError, sqlite3.Error
        When the directory cannot be written; the ledger is intact and the run can be
        resumed.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        _check_directory(request)
        paths = request.sources.paths().items()
        data = {name: _fingerprint(path) for name, path in paths}
        prepared = None
        if not _holds_run(request.out):
            prepared = prepare(request.sources, request.settings, stage)
        with claim(request.out), _open_ledger(request.out / LEDGER) as ledger:
            if not ledger.is_empty():
                _check_same_run(ledger, request, data)
                report: dict[str, Any] | None = ledger.fact("report")
                if report and request.budget <= report["settings"]["budget"]:
                    with stage("the run had finished; nothing is changed"):
                        return report
            if prepared is None:
                prepared = prepare(request.sources, request.settings, stage)
            with stage("fitting the first model"):
                state = _open_state(ledger, request, prepared, data)
            state = _run_rounds(ledger, request, prepared, state, on_round)
            with stage("writing the results"):
                return _finish(ledger, request, prepared, state)


def _fingerprint(path: Path) -> str:
    try:
        check_exists(path)
        return fingerprint(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _holds_run(out: Path) -> bool:
    ledger = out / LEDGER
    return ledger.is_file() and ledger.stat().st_size > 0


def _check_directory(request: Request) -> None:
    """Refuse to write where something else is."""
    out = request.out
    if not out.exists():
        if out.is_symlink():
            raise InputError(
                f"{out}: is a link that leads nowhere; pass a directory as --out"
            )
        above = next(path for path in out.absolute().parents if path.exists())
        if above.is_dir() and not writable(above):
            raise InputError(
                f"{out}: cannot be made, as {above} cannot be written to; pass another "
                "--out"
            )
        return
    if not out.is_dir():
        raise InputError(f"{out}: is a file; pass a directory as --out")
    if _holds_run(out):
        if not request.resume:
            raise InputError(
                f"{out}: holds a run already; pass --resume to continue it, or another "
                "--out"
            )
        return
    ours = {LOCK, LEDGER, f"{LEDGER}-journal"}
    others = sorted(path.name for path in out.iterdir() if path.name not in ours)
    if LABELS in others or MODEL in others:
        raise InputError(
            f"{out}: holds results, but no {LEDGER} to continue from; restore that, or "
            "pass another --out"
        )
    if others:
        raise InputError(
            f"{out}: is not a run, but holds {others[0]!r}; pass another --out"
        )


@contextmanager
def _open_ledger(path: Path) -> Iterator[Ledger]:
    """Open a ledger; refuse a damaged one by its name."""
    try:
        with Ledger(path) as ledger:
            yield ledger
    except sqlite3.DatabaseError as error:
        missing = "no such" in str(error)  # a table or column, taken out
        if isinstance(error, sqlite3.OperationalError) and not missing:
            raise
        raise InputError(
            f"{path}: is damaged ({error}); restore it, or pass another --out"
        ) from None


def _check_same_run(ledger: Ledger, request: Request, data: dict[str, str]) -> None:
    """Refuse to continue a run with other data or settings; name the difference."""
    if not request.resume:
        raise InputError(f"{request.out}: holds a run already; pass --resume")
    if not ledger.is_sound():
        raise InputError(
            f"{request.out / LEDGER}: is not as it was written, so it was edited or "
            "damaged; restore it, or pass another --out"
        )
    for name, value in request.fixed().items():
        before = ledger.fact("settings").get(name)
        if before != value:
            raise InputError(
                f"{request.out}: was started with {name} = {before!r}, not {value!r}; "
                "pass the same, or another --out"
            )
    for name, path in request.sources.paths().items():
        if ledger.fact("data")[name] != data[name]:
            raise InputError(
                f"{path}: is not the {name} table that {request.out} was started with; "
                "pass the same data, or another --out"
            )
    before = ledger.fact("settings")["budget"]
    if request.budget < before and ledger.fact("report") is None:
        raise InputError(
            f"{request.out}: was started with budget = {before}, which "
            f"{request.budget} cannot shrink; pass at least the same"
        )
    _warn_of_versions(ledger.fact("versions"))


def versions() -> dict[str, str]:
    """Versions of Python and of every package whose numbers enter a run."""
    packages = {name: version(name) for name in VERSIONED}
    return {"python": platform.python_version(), **packages}


def _warn_of_versions(before: dict[str, str]) -> None:
    for name, now in versions().items():
        if before[name] != now:
            warnings.warn(
                f"the run was started with {name} {before[name]}, now it is {now}; its "
                "further labels may differ from an uninterrupted run's",
                UserWarning,
                stacklevel=2,
            )


def _open_state(
    ledger: Ledger, request: Request, prepared: TableProblem, data: dict[str, str]
) -> State:
    """The state the ledger holds, or the start of a new run, written to it."""
    problem = prepared.problem
    settings = {**request.fixed(), "budget": request.budget}
    if ledger.is_empty():
        state = start(problem)
        facts = {
            "settings": settings,
            "files": {name: str(p) for name, p in request.sources.paths().items()},
            "data": data,
            "versions": versions(),
        }
        ledger.begin(facts, problem.classes.tolist(), start_entry(problem, state))
        return state
    state = restored(ledger, problem, request.budget)
    ledger.set_facts(settings=settings, report=None)
    return state


def _run_rounds(
    ledger: Ledger,
    request: Request,
    prepared: TableProblem,
    state: State,
    on_round: Callable[[Round], None],
) -> State:
    while state.termination is None:
        state, record = advance(prepared.problem, state, request.budget)
        if record is not None:
            commit(ledger, record, prepared.ids)
            on_round(record)
    return state


def _finish(
    ledger: Ledger, request: Request, prepared: TableProblem, state: State
) -> dict[str, Any]:
    """Write the outputs, each whole, and only then call the run finished."""
    problem = prepared.problem
    labels = ledger.labels(len(problem.classes)).first(len(state.kept))
    report = {
        "settings": ledger.fact("settings"),
        "data": {
            name: {
                "file": ledger.fact("files")[name],
                "sha256": ledger.fact("data")[name],
                "rows": prepared.n_rows[name],
            }
            for name in request.sources.paths()
        },
        "versions": ledger.fact("versions"),
        "outcome": _outcome(ledger, prepared, state, labels),
    }
    out = request.out
    # Last to be written, it stands for all: without it they may be of two budgets.
    (out / REPORT).unlink(missing_ok=True)
    write_table(_labels_table(prepared, request.settings.rule, labels), out / LABELS)
    write_model(prepared.model(state.kept.model), out / MODEL)
    write_json(out / REPORT, report)
    ledger.set_facts(report=report)
    return report


def _labels_table(
    prepared: TableProblem, rule: str, labels: AssignedLabels
) -> pa.Table:
    named = prepared.problem.classes[labels.classes]
    return pa.table(
        {
            "id": prepared.ids.take(pa.array(labels.rows)),
            "label": pa.array(named.tolist(), type=prepared.label_type),
            "influence": labels.of_label(labels.influence),
            "influence_se": labels.influence_se,
            "probability": labels.of_label(labels.probability),
            "round": labels.rounds,
            "rule": pa.array([rule] * len(labels.rows), type=pa.string()),
        }
    )


def _outcome(
    ledger: Ledger, prepared: TableProblem, state: State, labels: AssignedLabels
) -> dict[str, Any]:
    problem, entries = prepared.problem, ledger.rounds()
    first, last = entries[0], entries[state.kept_rounds]
    named = problem.classes[labels.classes]
    agreement = None
    if prepared.pool_labels is not None and len(named):
        agreement = float(np.mean(prepared.pool_labels[labels.rows] == named))
    counts = np.bincount(labels.classes, minlength=len(problem.classes))
    both = train_on_both(problem, state.canary.kept)
    return {
        "termination": state.ending,
        "rounds": state.rounds,
        "refused_rounds": state.rounds - state.kept_rounds,
        "labels": len(labels.rows),
        "labels_by_class": {
            str(label): int(count)
            for label, count in zip(problem.classes.tolist(), counts, strict=True)
        },
        "validation_rows": len(problem.validation),
        "validation_loss": [first.validation_loss, last.validation_loss],
        "guessing_loss": _guessing_loss(problem),
        "canary_rows": len(problem.canary_weight),
        "canary_loss": [first.canary_loss, last.canary_loss],
        "canary_se": last.canary_se,
        "both_tables": None if both is None else asdict(both),
        "agreement": agreement,
        "unseen_categories": prepared.unseen,
        "recurring_validation_rows": prepared.recurring,
        "classes_not_validated": _not_validated(problem),
    }


def _not_validated(problem: Problem) -> list[str]:
    """Classes that no validation row has."""
    absent = np.setdiff1d(np.arange(len(problem.classes)), problem.validation.labels)
    return [str(label) for label in problem.classes[absent].tolist()]


def _guessing_loss(problem: Problem) -> float:
    """Validation log loss of giving every row the classes' shares of labeled rows."""
    labels = problem.labeled.labels
    share = np.bincount(labels, minlength=len(problem.classes)) / len(labels)
    return float(-np.log(share[problem.validation.labels]).mean())
