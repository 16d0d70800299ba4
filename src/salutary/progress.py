"""Report how far a long step has come, through code that does not know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

Report = Callable[[int, int], None]
"""Called with the number of parts of a step that are done, and the number in all."""

Stage = Callable[[str], AbstractContextManager[Report]]
"""Shows the name of a step while a block runs; the block gets a `Report` to call."""

# A context variable, because scikit-learn's pipelines and users' trainers pass no
# callback on to the code that does the work.
_report: ContextVar[Report] = ContextVar("report", default=lambda done, total: None)


@contextmanager
def reporting(report: Report) -> Iterator[None]:
    """Call ``report`` after every batch that is embedded or trained on in the block.

    Parameters
    ----------
    report : callable
        Called with the number of rows or steps that are done, and with their total.
    """
    token = _report.set(report)
    try:
        yield
    finally:
        _report.reset(token)


def report(done: int, total: int) -> None:
    """Tell the callback of the enclosing `reporting` block, if there is one."""
    _report.get()(done, total)


@contextmanager
def silent(name: str) -> Iterator[Report]:
    """A `Stage` that shows nothing."""
    yield lambda done, total: None
