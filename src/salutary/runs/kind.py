"""The request for a run, its parts, and what a kind of run must provide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from salutary.labeling.loop import State, as_limit
from salutary.labeling.steps import Steps
from salutary.ledgers.record import AssignedLabels, Record, RoundEntry
from salutary.progress import Stage
from salutary.runs.decided import DecidedLabels
from salutary.tables.checks import Checks
from salutary.tables.sources import Sources


@dataclass(frozen=True)
class Request:
    """What a user asked for.

    Parameters
    ----------
    sources : Sources
        The tables.
    settings : dataclass
        Settings of the kind of run, such as `salutary.runs.table_problem.Settings`.
    budget : int or None
        Total number of labels to assign; None for no limit.
    out : Path
        Directory of the run.
    resume : bool
        Whether to continue a run that the directory holds.
    options : dict
        The options of the command that repeat the run from any folder, by their names:
        texts, numbers, booleans and lists of them.
    command : sequence of str
        The words of the command line as they were typed, the program's name first;
        empty if there was none.
    jobs : int, default=1
        Number of threads, see `Problem`. It changes no result, so a run may go on with
        another.
    """

    sources: Sources
    settings: Any
    budget: int | None
    out: Path
    resume: bool
    options: Mapping[str, Any] = field(default_factory=dict)
    command: Sequence[str] = ()
    jobs: int = 1

    def fixed(self) -> dict[str, Any]:
        """Settings that must be the same when a run is resumed."""
        sources = self.sources
        return {
            "target": sources.target,
            "id": sources.id_column,
            "group": sources.group_column,
            "keep": sorted({*sources.keep}),
            "validation_fraction": sources.validation_fraction,
            **sources.text_settings(),
            **asdict(self.settings),
        }

    def continuing(self, fingerprint: str | None) -> Request:
        """The request, with the language model that the run was started with.

        Parameters
        ----------
        fingerprint : str or None
            As the ledger has it; None without a language model.
        """
        if self.sources.texts is None:
            return self
        texts = replace(self.sources.texts, fingerprint=fingerprint)
        return replace(self, sources=replace(self.sources, texts=texts))

    @property
    def limit(self) -> int:
        """The budget as a number; a very large one for no limit."""
        return as_limit(self.budget)


class PreparedRun(Protocol):
    """A problem that the loop can run, and facts about the tables it was made from."""

    @property
    def problem(self) -> Steps:
        """The steps of the run."""

    @property
    def ids(self) -> pa.Array:
        """Names of the rows that get labels."""

    @property
    def n_rows(self) -> dict[str, int]:
        """Number of rows of each table."""

    @property
    def recurring(self) -> int:
        """Number of validation rows that another table has as well."""

    @property
    def checks(self) -> Checks:
        """What is to be known of the tables."""

    @property
    def embedder(self) -> str | None:
        """Fingerprint of the language model, if there is one."""


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended, with all that its results are made from.

    Parameters
    ----------
    request : Request
    prepared : PreparedRun
        As the kind of run prepared it.
    state : State
    record : Record
        The content of the ledger.
    """

    request: Request
    prepared: Any
    state: State
    record: Record

    @property
    def labels(self) -> AssignedLabels:
        """Labels of the rounds that were not undone."""
        return self.record.labels.first(len(self.state.best))

    @cached_property
    def decided(self) -> DecidedLabels:
        """The same labels after people's decisions."""
        classes = self.prepared.problem.classes.tolist()
        return DecidedLabels.of(self.labels, self.record.decisions, classes)

    @property
    def best_entry(self) -> RoundEntry:
        """The ledger's entry of the best round."""
        return self.record.entries[self.state.best_round]


class DirectoryKind(Protocol):
    """What a kind of run keeps in its directory."""

    @property
    def name(self) -> str:
        """Name of the command. A run can only be continued by the same command."""

    @property
    def scratch(self) -> tuple[str, ...]:
        """Names of files that an interrupted run may leave before its ledger begins."""

    def results(self, sources: Sources) -> tuple[str, ...]:
        """Names of the files that the run writes, besides the ledger and report."""


class RunKind(DirectoryKind, Protocol):
    """The parts of a run in which a kind of run differs from others."""

    def prepare(self, request: Request, stage: Stage) -> PreparedRun:
        """Make a problem of the tables; InputError if they cannot be used."""

    def write(self, finished: FinishedRun) -> None:
        """Write these files into the directory of the run, each file whole."""

    def outcome(self, finished: FinishedRun) -> dict[str, Any]:
        """Figures of the run for its report."""
