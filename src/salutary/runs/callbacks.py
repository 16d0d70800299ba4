"""What callbacks are told of a run in a directory, all of it from its ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salutary.labeling.callbacks import RoundEnd, RunBegin, RunEnd, labels_of, plain
from salutary.labeling.outcome import Round
from salutary.ledgers.record import RoundEntry
from salutary.ledgers.run_ledger import Ledger
from salutary.ledgers.schema import LEDGER
from salutary.ledgers.sealed import digest, open_ledger
from salutary.runs.metrics import figures_of

CLASSES = "SELECT label FROM classes ORDER BY class"
ASSIGNED = (
    "SELECT row, id, label, influence, influence_se, probability, round FROM assigned "
    "ORDER BY position"
)
"""The labels that were not undone."""

PAGE = "report.html"
"""The page about a run, which is written after its results."""

TOLD_ELSEWHERE = ("settings", "report", "results", "decisions", "decisions_used")
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
        facts={key: value for key, value in facts.items() if key not in TOLD_ELSEWHERE},
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
    names = [name for name in (*facts["results"], PAGE) if (out / name).is_file()]
    return RunEnd(
        outcome=facts["report"]["outcome"],
        rounds=[figures_of(entry, best) for entry in record.entries],
        labels=[
            {str(name): value for name, value in label.items()}
            for label in labels.to_dict("records")
        ],
        files={name: out / name for name in names},
        directory=out,
    )


def _name(facts: dict[str, Any]) -> str:
    """What names a run: all that stays as it was when the run goes on."""
    fixed = {key: value for key, value in facts["settings"].items() if key != "budget"}
    parts = [facts["kind"], facts["data"], facts["started"], facts["command"], fixed]
    return digest([json.dumps(parts, sort_keys=True)])[:32]
