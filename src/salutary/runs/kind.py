"""What a run is asked for, what it is made of, and what a kind of run must do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from salutary.labeling.loop import State, Steps, as_limit
from salutary.progress import Stage
from salutary.runs.record import AssignedLabels, Record, RoundEntry
from salutary.tables.sources import Sources


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Parameters
    ----------
    sources : Sources
    settings : dataclass
        Of the kind of run, for instance `salutary.runs.table_problem.Settings`.
    budget : int or None
        Labels to assign in all; None for any number.
    out : Path
        The run's directory.
    resume : bool
        Whether to continue a run that is there.
    """

    sources: Sources
    settings: Any
    budget: int | None
    out: Path
    resume: bool

    def fixed(self) -> dict[str, Any]:
        """What a resumed run must share with the run it continues."""
        sources = self.sources
        return {
            "target": sources.target,
            "id": sources.id_column,
            "group": sources.group_column,
            **sources.text_settings(),
            **asdict(self.settings),
        }

    @property
    def limit(self) -> int:
        """The budget as a number."""
        return as_limit(self.budget)


class PreparedRun(Protocol):
    """The tables as something the loop can run, with the way back to them."""

    @property
    def problem(self) -> Steps:
        """The steps of the run."""

    @property
    def ids(self) -> pa.Array:
        """Names of the rows that get labels."""

    @property
    def n_rows(self) -> dict[str, int]:
        """Rows of each table."""

    @property
    def recurring(self) -> int:
        """Validation rows that another table has as well."""

    @property
    def embedder(self) -> str | None:
        """Fingerprint of the language model, if there is one."""


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended, and all that its results are made of.

    Parameters
    ----------
    request : Request
    prepared : PreparedRun
        Of the kind of run.
    state : State
    record : Record
        As the ledger has it.
    """

    request: Request
    prepared: Any
    state: State
    record: Record

    @property
    def labels(self) -> AssignedLabels:
        """Those of the rounds that were not undone."""
        return self.record.labels.first(len(self.state.best))

    @property
    def best_entry(self) -> RoundEntry:
        """The best round."""
        return self.record.entries[self.state.best_round]


class RunKind(Protocol):
    """What one kind of run does that others do not."""

    @property
    def name(self) -> str:
        """Its command; a run of another kind is not continued."""

    @property
    def scratch(self) -> tuple[str, ...]:
        """Names of what it may leave if interrupted before its ledger began."""

    def prepare(self, request: Request, stage: Stage) -> PreparedRun:
        """Make a problem of the tables; raises InputError for what cannot be used."""

    def results(self, sources: Sources) -> tuple[str, ...]:
        """Names of the files it leaves besides the record."""

    def write(self, finished: FinishedRun) -> None:
        """Write these files into the run's directory, each whole."""

    def outcome(self, finished: FinishedRun) -> dict[str, Any]:
        """Figures for the report."""
