"""What the user asked a run for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from salutary.labeling import loop
from salutary.labeling.loop import Round, State, as_limit
from salutary.progress import Stage
from salutary.runs.entries import AssignedLabels, RoundEntry
from salutary.runs.ledger import Ledger
from salutary.runs.resume import restored, start_entry
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


class Prepared(Protocol):
    """Tables made a problem, as far as every kind of run looks at it."""

    @property
    def problem(self) -> Any:
        """What the steps of the run work on; has ``classes``."""

    @property
    def ids(self) -> pa.Array:
        """Names of the rows that get labels."""

    @property
    def n_rows(self) -> dict[str, int]:
        """Rows of each table."""

    @property
    def embedder(self) -> str | None:
        """Fingerprint of the language model, if there is one."""


@dataclass(frozen=True)
class Finished:
    """A run that has ended, and all that its results are made of.

    Parameters
    ----------
    request : Request
    prepared : TableProblem or another
    state : State
    assigned : AssignedLabels
        Of all rounds.
    entries : list of RoundEntry
        All rounds, from round 0.
    """

    request: Request
    prepared: Any
    state: State
    assigned: AssignedLabels
    entries: list[RoundEntry]

    @property
    def labels(self) -> AssignedLabels:
        """Those that stayed."""
        return self.assigned.first(len(self.state.best))


@dataclass(frozen=True)
class RunKind:
    """What one kind of run does that others do not.

    Parameters
    ----------
    name : str
        Its command; a run of another is not continued.
    prepare : callable
        Makes a problem of the tables.
    results : callable
        Names of what it leaves besides the record.
    write : callable
        Writes that into the run's directory.
    outcome : callable
        Figures for the report.
    start, advance : callable
        As those of `salutary.labeling.loop`, of its problem.
    first : callable
        Round 0 for the ledger.
    restored : callable
        The state after a ledger's last round.
    scratch : tuple of str
        What it may have left when killed before its ledger began.
    """

    name: str
    prepare: Callable[[Request, Stage], Prepared]
    results: Callable[[Sources], tuple[str, ...]]
    write: Callable[[Finished], None]
    outcome: Callable[[Finished], dict[str, Any]]
    start: Callable[[Any], State] = loop.start
    advance: Callable[[Any, State, int], tuple[State, Round | None]] = loop.advance
    first: Callable[[Any, State], RoundEntry] = start_entry
    restored: Callable[[Ledger, Any, int], State] = restored
    scratch: tuple[str, ...] = ()
