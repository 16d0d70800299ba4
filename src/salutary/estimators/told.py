"""Who is told of a run in Python: callbacks, the logger, and those of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from salutary.advice.assigned import assigned_labels
from salutary.advice.comparison import Comparison
from salutary.advice.cross_fitting import FoldResults, fold_figures
from salutary.advice.task import AdviceTask, FittedOption
from salutary.advice.verdict import Verdict
from salutary.arrays import IntArray
from salutary.labeling.callbacks import (
    Callbacks,
    FoldEnd,
    RoundEnd,
    RunBegin,
    RunCallback,
    RunEnd,
    labels_of,
    plain,
)
from salutary.labeling.loop import State, logged, printed, run, start
from salutary.labeling.outcome import Round
from salutary.labeling.steps import Steps

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing that could be set."""

    def with_callbacks(method: Any) -> Any:
        """The method itself."""
        return method


__all__ = [
    "CallbackSupportMixin",
    "Tasks",
    "ToldComparison",
    "ToldRun",
    "torn_down",
]

N_EXAMPLES = 5
"""Rows by which a callback sees what a model takes."""


class ToldRun:
    """A run in Python, of which callbacks are told.

    Parameters
    ----------
    kind : {"label", "relabel", "finetune"}
    callbacks : sequence of RunCallback or None
    settings : dict
        Parameters by their names; the callbacks among them are left out.
    verbose : int
        Whether to print a line for each round.
    on_round : callable, optional
        Called with each round too.
    """

    def __init__(
        self,
        kind: str,
        callbacks: Sequence[RunCallback] | None,
        settings: Mapping[str, Any],
        verbose: int,
        on_round: Callable[[Round], None] = lambda record: None,
    ) -> None:
        self._kind = kind
        self._callbacks = Callbacks(callbacks)
        self._settings = {
            name: value for name, value in settings.items() if name != "callbacks"
        }
        self._show = printed if verbose else logged
        self._on_round = on_round
        self._classes: NDArray[Any] = np.zeros(0)
        self._labels: list[dict[str, Any]] = []

    @classmethod
    def of(
        cls,
        estimator: Any,
        kind: str,
        on_round: Callable[[Round], None] = lambda record: None,
    ) -> Self:
        """Of an estimator, by its parameters."""
        settings = estimator.get_params(deep=False)
        return cls(kind, estimator.callbacks, settings, estimator.verbose, on_round)

    def run(self, problem: Steps, budget: int) -> tuple[State, State, list[Round]]:
        """Run all rounds; the state before the first, the last one, and the rounds."""
        begun, self._classes = start(problem), problem.classes
        self._callbacks.begin(
            lambda: RunBegin(
                kind=self._kind,
                run=uuid4().hex,
                settings=plain(self._settings),
                classes=problem.classes.tolist(),
                rounds=[begun.first.summary()],
            )
        )
        state, records = run(problem, budget, begun, tell=self._tell)
        self._labels = [
            label
            for record in records[: state.best_round]
            for label in labels_of(record, problem.classes)
        ]
        return begun, state, records

    def end(
        self,
        history: list[dict[str, Any]],
        termination: str,
        verdict: Callable[[], Verdict | None],
        model: Any,
        X: Any,
    ) -> None:
        """Tell that the run is over, if there was one; judged if anyone listens."""

        def make() -> RunEnd:
            judged = verdict()
            return RunEnd(
                outcome={
                    "termination": termination,
                    "rounds": len(history) - 1,
                    "refused_rounds": sum(each["undone"] for each in history),
                    "labels": len(self._labels),
                    "verdict": None if judged is None else judged.to_dict(),
                },
                rounds=[dict(each) for each in history],
                labels=self._labels,
                model=model,
                example=_safe_indexing(X, slice(N_EXAMPLES)),
            )

        self._callbacks.end(make)

    def _tell(self, record: Round) -> None:
        self._show(record)
        self._callbacks.round(
            lambda: RoundEnd(record.summary(), labels_of(record, self._classes))
        )
        self._on_round(record)


class ToldComparison(dict[int, FoldResults]):
    """The folds of a comparison in Python, of which callbacks are told.

    Parameters
    ----------
    callbacks : sequence of RunCallback or None
    settings : dict
        Parameters by their names.
    task : AdviceTask
    """

    def __init__(
        self,
        callbacks: Sequence[RunCallback] | None,
        settings: Mapping[str, Any],
        task: AdviceTask,
    ) -> None:
        self._callbacks, self._task = Callbacks(callbacks), task
        self._callbacks.begin(
            lambda: RunBegin(
                kind="advise",
                run=uuid4().hex,
                settings=plain(settings),
                classes=task.classes.tolist(),
                rounds=[],
            )
        )

    def __setitem__(self, number: int, results: FoldResults) -> None:
        super().__setitem__(number, results)
        self._callbacks.fold(lambda: FoldEnd(fold_figures(number, results)))

    def end(
        self,
        found: Comparison,
        fitted: FittedOption,
        pool_rows: IntArray,
        model: Any,
        X: Any,
    ) -> None:
        """Tell that the comparison is over, and what it advises."""

        def make() -> RunEnd:
            task = self._task
            columns = assigned_labels(
                found.option, fitted, task.classes, task.pool, pool_rows
            )
            values = [column.tolist() for column in columns.values()]
            return RunEnd(
                outcome={**found.to_dict(), "labels": fitted.n_labels},
                rounds=[],
                labels=[
                    dict(zip(columns, each, strict=True))
                    for each in zip(*values, strict=True)
                ],
                model=model,
                example=_safe_indexing(X, slice(N_EXAMPLES)),
                folds=[fold_figures(*fold) for fold in self.items()],
            )

        self._callbacks.end(make)


@contextmanager
def torn_down(estimator: Any) -> Iterator[None]:
    """Tear down scikit-learn's own callbacks of an estimator after the block."""
    try:
        yield
    finally:
        # By the decorator; around ``fit`` it would hide whose line is warned of.
        with_callbacks(lambda estimator: None)(estimator)


class Tasks:
    """Calls scikit-learn's own callbacks of an estimator, if it has any.

    A fit is a task whose subtasks are rounds. As in scikit-learn's logistic regression
    the last subtask is one that was begun and never run, and what a callback returns
    ends nothing.

    Parameters
    ----------
    estimator : estimator
        In its ``fit``.
    X : table or matrix
        As it was passed to ``fit``.
    y : ndarray
        Labels of its rows.
    labeled : ndarray of int
        The labeled rows that the estimator is fitted on.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, labeled: IntArray) -> None:
        self._estimator = estimator
        self._data = {
            "estimator": estimator,
            "X": lambda: _safe_indexing(X, labeled),
            "y": lambda: y[labeled],
        }
        self._fit: Any = None
        self._round: Any = None
        if getattr(estimator, "_skl_callbacks", None):
            self._fit = estimator._init_callback_context(max_subtasks=None)
            self._fit.call_on_fit_task_begin(**self._data)

    def begin(self) -> None:
        """A round begins."""
        if self._fit is not None:
            self._round = self._fit.subcontext(task_name="round")
            self._round.call_on_fit_task_begin(**self._data)

    def round(self, fitted: Callable[[], dict[str, Any]]) -> None:
        """A round is over, with which the estimator has these attributes."""
        if self._round is not None:
            self._round.call_on_fit_task_end(
                **self._data, reconstruction_attributes=fitted
            )
            self.begin()

    def end(self) -> None:
        """The fit is over."""
        if self._round is not None:
            self._round.call_on_fit_task_end(estimator=self._estimator)
        if self._fit is not None:
            self._fit.call_on_fit_task_end(**self._data, reconstruction_attributes={})
