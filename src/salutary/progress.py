"""Say how far a long step is, through layers that know nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

Report = Callable[[int, int], None]
"""Called with what is done of a step, and all there is to do."""

Stage = Callable[[str], AbstractContextManager[Report]]
"""Shows a person what is going on while the block runs, and how far it is."""

# scikit-learn's pipelines, and trainers, hand nothing on.
_report: ContextVar[Report] = ContextVar("report", default=lambda done, total: None)


@contextmanager
def reporting(report: Report) -> Iterator[None]:
    """Call ``report`` after every batch that is embedded or trained on in the block."""
    token = _report.set(report)
    try:
        yield
    finally:
        _report.reset(token)


def report(done: int, total: int) -> None:
    """Report to whoever wants to know."""
    _report.get()(done, total)


@contextmanager
def silent(name: str) -> Iterator[Report]:
    """A `Stage` that shows nothing."""
    yield lambda done, total: None
