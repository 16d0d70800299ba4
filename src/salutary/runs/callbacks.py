"""What callbacks are told of a run in a directory, from its ledger and results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from salutary.advice.cross_fitting import fold_figures
from salutary.labeling.callbacks import RoundEnd, RunBegin, RunEnd, labels_of, plain
from salutary.labeling.outcome import Round
from salutary.ledgers.advice_ledger import AdviceLedger
from salutary.ledgers.record import RoundEntry
from salutary.ledgers.run_ledger import Ledger
from salutary.ledgers.schema import LEDGER
from salutary.ledgers.sealed import digest, open_ledger
from salutary.runs.artifacts import LABELS, SWITCHES
from salutary.runs.metrics import figures_of

CLASSES = "SELECT label FROM classes ORDER BY class"
ASSIGNED = (
    "SELECT row, id, label, influence, influence_se, probability, round FROM assigned "
    "ORDER BY position"
)
"""The labels that were not undone."""

PAGE = "report.html"
"""The page about a run, which is written after its results."""

TOLD_ELSEWHERE = (
    "settings",
    "report",
    "results",
    "decisions",
    "decisions_used",
    "judged",
)
"""Facts of a ledger that are no `RunBegin.facts`."""


def run_begin(out: Path) -> RunBegin:
    """What to tell of a run that begins, or goes on with the rounds it has."""
    with open_ledger(Ledger, out / LEDGER) as ledger:
        record, classes = ledger.read(), ledger.table(CLASSES)
    facts = record.facts
    return RunBegin(
        kind=facts["kind"],
        run=_name(facts),
        settings=plain(facts["settings"]),
        classes=classes["label"].tolist(),
        rounds=[figures_of(entry) for entry in record.entries],
        facts=_others(facts),
        directory=out,
    )


def round_end(
    entry: RoundEntry, record: Round, classes: NDArray[Any], ids: Sequence[str]
) -> RoundEnd:
    """What to tell of a round that the ledger has; ``ids`` are those of its rows."""
    named = np.array([str(label) for label in classes.tolist()], dtype=object)
    return RoundEnd(figures_of(entry), labels_of(record, named, ids))


def run_end(out: Path) -> RunEnd:
    """What to tell of a run that has ended, and whose results are written."""
    with open_ledger(Ledger, out / LEDGER) as ledger:
        record, labels = ledger.read(), ledger.table(ASSIGNED)
    facts, best = record.facts, record.best.round
    return RunEnd(
        outcome=facts["report"]["outcome"],
        rounds=[figures_of(entry, best) for entry in record.entries],
        labels=[
            {str(name): value for name, value in label.items()}
            for label in labels.to_dict("records")
        ],
        files=_files(out, facts),
        directory=out,
    )


def comparison_begin(out: Path, classes: list[Any] | None = None) -> RunBegin:
    """What to tell of a comparison that begins, or goes on with the folds it has.

    Without ``classes`` it has finished, and its report knows them.
    """
    with open_ledger(AdviceLedger, out / LEDGER) as ledger:
        facts = ledger.facts()
        folds = folds_of(ledger, _n_folds(facts))
    if classes is None:
        classes = list(facts["report"]["outcome"]["train_by_class"])
    return RunBegin(
        kind=facts["kind"],
        run=_name(facts),
        settings=plain(facts["settings"]),
        classes=[str(label) for label in classes],
        rounds=[],
        facts=_others(facts),
        directory=out,
        folds=folds,
    )


def comparison_end(out: Path) -> RunEnd:
    """What to tell of a comparison whose results are written."""
    with open_ledger(AdviceLedger, out / LEDGER) as ledger:
        facts = ledger.facts()
        folds = folds_of(ledger, _n_folds(facts))
    files = _files(out, facts)
    written = [files[name] for name in (LABELS, SWITCHES) if name in files]
    labels = [label for path in written for label in pq.read_table(path).to_pylist()]
    return RunEnd(
        outcome=facts["report"]["outcome"],
        rounds=[],
        labels=[
            # A label of no run has no influence.
            {name: None if value != value else value for name, value in label.items()}
            for label in labels
        ],
        files=files,
        directory=out,
        folds=folds,
    )


def folds_of(ledger: AdviceLedger, n_folds: int) -> list[dict[str, Any]]:
    """Figures of the folds that a ledger has."""
    known = (number for number in range(n_folds) if number in ledger)
    return [fold_figures(number, ledger[number]) for number in known]


def _n_folds(facts: dict[str, Any]) -> int:
    return int(facts["settings"]["splits"] * facts["settings"]["repeats"])


def _others(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if key not in TOLD_ELSEWHERE}


def _files(out: Path, facts: dict[str, Any]) -> dict[str, Path]:
    """The results that are there, and the page."""
    names = (*facts["results"], PAGE)
    return {name: out / name for name in names if (out / name).is_file()}


def _name(facts: dict[str, Any]) -> str:
    """What names a run: all that stays as it was when the run goes on."""
    fixed = {key: value for key, value in facts["settings"].items() if key != "budget"}
    parts = [facts["kind"], facts["data"], facts["started"], facts["command"], fixed]
    return digest([json.dumps(parts, sort_keys=True)])[:32]
