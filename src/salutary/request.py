"""What the user asked a run for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from salutary.labeling.stopping import as_limit
from salutary.reading import Sources


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Parameters
    ----------
    sources : Sources
    settings : dataclass
        Of the kind of run, for instance `salutary.table_problem.Settings`.
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
