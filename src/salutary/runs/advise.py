"""``salutary advise``: from tables to advice, and into a directory that holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from threadpoolctl import threadpool_limits

from salutary.advice.assigned import assigned_labels
from salutary.advice.comparison import (
    FEWEST_VALIDATION,
    Comparison,
    after_last_fit,
    compare,
    follow,
)
from salutary.advice.cross_fitting import FoldResults, fold_figures
from salutary.advice.task import AdviceTask, FittedOption
from salutary.arrays import IntArray
from salutary.errors import InputError, counted
from salutary.files import claim, write_json, write_text
from salutary.labeling.callbacks import Callbacks, FoldEnd
from salutary.ledgers.advice_ledger import AdviceLedger
from salutary.ledgers.schema import LEDGER
from salutary.ledgers.sealed import not_as_written, open_ledger
from salutary.names import RELABELED
from salutary.progress import Stage
from salutary.runs.artifacts import (
    CONFIG,
    LABELS,
    METRICS,
    MODEL,
    REPORT,
    SWITCHES,
    check_clock,
    write_model,
)
from salutary.runs.callbacks import comparison_begin, folds_of
from salutary.runs.kind import Request
from salutary.runs.metrics import add_line, write_lines
from salutary.runs.origins import (
    begun,
    data_of,
    hashed,
    refuse_changes,
    refuse_other,
    versions,
    warn_of_versions,
)
from salutary.runs.out import check_directory, holds_run, report_if_finished
from salutary.runs.repeating import config_text, options_of
from salutary.runs.report import counts_by_class
from salutary.runs.table_problem import (
    EncodedTables,
    encode_tables,
    recurring_rows,
)
from salutary.tables.checks import Checks
from salutary.tables.formats import file_sha256
from salutary.tables.reading import Tables, read_tables
from salutary.tables.sources import Sources
from salutary.tables.writing import write_table


@dataclass(frozen=True)
class Plan:
    """Settings of the comparison, see ``salutary advise --help``."""

    budget: int
    batch_size: int
    splits: int
    repeats: int
    seed: int
    use_all: bool = False


@dataclass(frozen=True)
class AdviceRun:
    """What `salutary.runs.out` asks of a kind of run about its directory."""

    name: str = "advise"
    scratch: tuple[str, ...] = ()

    def results(self, sources: Sources) -> tuple[str, ...]:
        """Names of the files that a comparison may write."""
        return MODEL, LABELS, SWITCHES


ADVISING = AdviceRun()


def advise_tables(
    sources: Sources,
    plan: Plan,
    stage: Stage,
    fitted: Callable[[str], None],
    on_checks: Callable[[Checks], None] = lambda checks: None,
    jobs: int = 1,
) -> dict[str, Any]:
    """Read and encode the tables, compare the options, and advise one.

    Parameters
    ----------
    sources : Sources
    plan : Plan
    stage : callable
        Displays which step is running, apart from the fits.
    fitted : callable
        Called with a line about the progress after each fit.
    on_checks : callable, optional
        Called with what is to be known of the tables before the first fit.
    jobs : int, default=1
        Number of processes that judge folds at once.

    Returns
    -------
    dict
        The settings, the items of `Comparison.to_dict`, the number of validation rows
        that another table has as well, and the items of `Checks.to_dict`.

    Raises
    ------
    InputError
        If a table holds something that cannot be used.
    """
    encoded = _prepared(sources, plan, stage)
    on_checks(encoded.checks)
    task = _task(encoded, plan)
    advice = compare(task, plan.splits, plan.repeats, fitted, n_jobs=jobs)
    return {
        "settings": _settings(sources, plan),
        "checks": encoded.checks.to_dict(),
        **_outcome(advice, encoded),
    }


def advise_into(
    request: Request,
    stage: Stage,
    fitted: Callable[[str], None],
    on_checks: Callable[[Checks], None] = lambda checks: None,
    on_known: Callable[[int], None] = lambda n_folds: None,
    callbacks: Callbacks | None = None,
) -> dict[str, Any]:
    """Compare the options as `advise_tables` does, and leave what is advised.

    The directory gets the model of the advised option, fitted on all rows; its labels,
    if it has any; a report; and a ledger, from which an interrupted comparison goes on.

    Parameters
    ----------
    request : Request
        Its settings are a `Plan`.
    stage, fitted, on_checks : callable
        See `advise_tables`.
    on_known : callable, optional
        Called with the number of folds that the ledger has, unless it has none.
    callbacks : Callbacks, optional
        Told that the comparison begins, and of its folds. Whoever calls tells the end.

    Returns
    -------
    dict
        The report, as in run.json.

    Raises
    ------
    InputError
        For bad input. Nothing has been written then.
    """
    told = Callbacks() if callbacks is None else callbacks
    check_clock()
    check_directory(ADVISING, request)
    data, before = hashed(request.sources)
    report = report_if_finished(
        AdviceLedger,
        request,
        lambda facts: bool(facts.get("report")),
        lambda ledger: _facts_of_same_run(ledger, request, data),
    )
    if report is not None:
        with stage("the run had finished; nothing is changed"):
            return report
    path, encoded = request.out / LEDGER, None
    if not holds_run(request.out):
        encoded = _prepared(request.sources, request.settings, stage)
        refuse_changes(request.sources, before)
    with claim(request.out), open_ledger(AdviceLedger, path) as ledger:
        if not ledger.is_empty():
            facts = _facts_of_same_run(ledger, request, data)
            request = request.continuing(facts["embedder"])
        if encoded is None:
            encoded = _prepared(request.sources, request.settings, stage)
            refuse_changes(request.sources, before)
        if ledger.is_empty():
            ledger.begin(_first_facts(request, encoded, data))
        on_checks(encoded.checks)
        n_folds = request.settings.splits * request.settings.repeats
        n_known = sum(number in ledger for number in range(n_folds))
        if n_known:
            on_known(n_known)
        _write_metrics(ledger, request.settings, request.out)
        classes = encoded.tables.classes
        told.begin(lambda: comparison_begin(request.out, classes.tolist()))
        folds = _Watched(ledger, request.out, told)
        return _finish(ledger, request, encoded, stage, fitted, folds)


def _prepared(sources: Sources, plan: Plan, stage: Stage) -> EncodedTables:
    with stage("reading the tables"):
        tables = read_tables(sources, plan.seed)
        _check_validation(tables, plan, sources)
    return encode_tables(tables, sources, plan.seed, stage)


def _task(encoded: EncodedTables, plan: Plan) -> AdviceTask:
    return AdviceTask(
        classes=encoded.tables.classes,
        train=encoded.train,
        validation=encoded.validation,
        pool=encoded.pool_matrix,
        budget=plan.budget,
        batch_size=plan.batch_size,
        seed=plan.seed,
        use_all=plan.use_all,
    )


def _settings(sources: Sources, plan: Plan) -> dict[str, Any]:
    return {
        "target": sources.target,
        "id": sources.id_column,
        "keep": sorted({*sources.keep}),
        "validation_fraction": sources.validation_fraction,
        **sources.text_settings(),
        **asdict(plan),
    }


def _outcome(advice: Comparison, encoded: EncodedTables) -> dict[str, Any]:
    recurring = recurring_rows(encoded.tables)
    return {**advice.to_dict(), "recurring_validation_rows": recurring}


def _facts_of_same_run(
    ledger: AdviceLedger, request: Request, data: dict[str, str]
) -> dict[str, Any]:
    """The facts of a comparison; refuse another one, and one that was edited."""
    if not ledger.is_sound():
        raise not_as_written(request.out / LEDGER)
    facts = ledger.facts()
    refuse_other(request, facts, data)
    warn_of_versions(facts["versions"], versions(request.sources))
    return facts


def _first_facts(
    request: Request, encoded: EncodedTables, data: dict[str, str]
) -> dict[str, Any]:
    paths = request.sources.paths()
    return {
        "kind": ADVISING.name,
        "settings": request.fixed(),
        "files": {name: str(path.absolute()) for name, path in paths.items()},
        "data": data,
        "versions": versions(request.sources),
        "embedder": encoded.embedder,
        "options": options_of(request),
        "features": encoded.checks.features,
        **begun(request),
    }


@dataclass(frozen=True)
class _Watched:
    """The folds that a ledger holds.

    A new one also gets its line in metrics.jsonl, and callbacks are told of it.
    """

    ledger: AdviceLedger
    out: Path
    told: Callbacks

    def __contains__(self, number: object) -> bool:
        return number in self.ledger

    def __getitem__(self, number: int) -> FoldResults:
        return self.ledger[number]

    def __setitem__(self, number: int, results: FoldResults) -> None:
        self.ledger[number] = results
        figures = fold_figures(number, results)
        add_line(self.out, figures)
        self.told.fold(lambda: FoldEnd(figures))


def _finish(
    ledger: AdviceLedger,
    request: Request,
    encoded: EncodedTables,
    stage: Stage,
    fitted: Callable[[str], None],
    folds: _Watched,
) -> dict[str, Any]:
    """Compare, follow the advice, and write the results, each file whole."""
    plan, facts, out = request.settings, ledger.facts(), request.out
    task = _task(encoded, plan)
    advice = compare(
        *(task, plan.splits, plan.repeats, fitted, folds), n_jobs=request.jobs
    )
    with stage("fitting what is advised"):
        found, pool_rows = follow(task, advice.option)
        advice = after_last_fit(advice, found)
    with stage("writing the results"), threadpool_limits(limits=1, user_api="blas"):
        # The report is written last: where it is missing, the results are incomplete.
        (out / REPORT).unlink(missing_ok=True)
        names = [MODEL]
        write_model(encoded.model(found.model), out / MODEL)
        if found.n_labels:
            names.append(_write_labels(out, advice.option, found, encoded, pool_rows))
        report = {
            "settings": facts["settings"],
            "data": data_of(facts, request.sources, encoded.tables.n_rows),
            "versions": facts["versions"],
            "checks": encoded.checks.to_dict(),
            "outcome": {
                **_outcome(advice, encoded),
                "train_by_class": counts_by_class(task.classes, task.train.labels),
                "labels": found.n_labels,
            },
        }
        _write_metrics(ledger, plan, out)
        write_text(out / CONFIG, config_text(ADVISING.name, facts["options"]))
        write_json(out / REPORT, report)
        written = {
            name: file_sha256(out / name) for name in (*names, METRICS, CONFIG, REPORT)
        }
        ledger.set_facts(report=report, results=written)
    return report


def _write_metrics(ledger: AdviceLedger, plan: Plan, out: Path) -> None:
    """Write metrics.jsonl whole: all folds that the ledger has."""
    write_lines(out, folds_of(ledger, plan.splits * plan.repeats))


def _write_labels(
    out: Path,
    option: str,
    found: FittedOption,
    encoded: EncodedTables,
    pool_rows: IntArray,
) -> str:
    """Write the labels of an option, in their order; the name of the file."""
    tables, of_training = encoded.tables, option.startswith(RELABELED)
    classes, label_type = tables.classes, tables.label_type
    told = assigned_labels(option, found, classes, encoded.pool_matrix, pool_rows)
    rows, labels = told.pop("row"), told.pop("label")
    columns: dict[str, Any] = {}
    if of_training:
        columns["row"] = rows
        old = classes[tables.train_labels[rows]]
        columns["old_label"] = pa.array(old.tolist(), type=label_type)
    else:
        assert tables.ids is not None  # there is a pool, and its rows have names
        columns["id"] = tables.ids.take(pa.array(rows))
    columns["label"] = pa.array(labels.tolist(), type=label_type)
    columns.update(told)
    columns["option"] = pa.array([option] * found.n_labels, type=pa.string())
    name = SWITCHES if of_training else LABELS
    write_table(pa.table(columns), out / name)
    return name


def _check_validation(tables: Tables, plan: Plan, sources: Sources) -> None:
    n_validation = len(tables.validation_labels)
    if n_validation < FEWEST_VALIDATION:
        raise InputError(
            f"{sources.validation_name}: has {counted(n_validation, 'row')}, too few "
            f"to tune and to judge by; add rows, to {FEWEST_VALIDATION} or more"
        )
    if plan.splits > n_validation:
        raise InputError(
            f"--splits {plan.splits}: is more than the {n_validation} rows of "
            f"{sources.validation_name}; pass a smaller one"
        )
