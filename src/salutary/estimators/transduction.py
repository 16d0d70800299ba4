"""What a run did to each row, as a fitted estimator reports it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from salutary.advice.after_run import RunToJudge
from salutary.advice.verdict import Verdict
from salutary.displays.reprs import in_a_notebook, rounds_table
from salutary.estimators.told import ToldRun
from salutary.labeling.outcome import Outcome, history

POOL_LABELS = ("row", "label", "round", "influence", "influence_se", "probability")
"""Columns of ``pool_labels_``."""


class TransductionMixin:
    """Fitted attributes of an estimator that labels rows.

    Their names are those of scikit-learn's ``SelfTrainingClassifier``.
    """

    classes_: NDArray[Any]
    n_jobs: int | None
    _to_judge: RunToJudge | None

    @cached_property
    def verdict_(self) -> Verdict | None:
        """Whether to use the labels; judged when it is first asked for."""
        if not hasattr(self, "history_"):
            raise AttributeError(f"{type(self).__name__} is not fitted: no verdict_")
        if self._to_judge is None:
            return None
        with threadpool_limits(limits=1, user_api="blas"):
            return self._to_judge.verdict(n_jobs=self.n_jobs)

    def _remember(
        self,
        y: NDArray[Any],
        unlabeled: NDArray[np.bool_],
        outcomes: Sequence[Outcome],
        best_round: int,
        ending: str | None,
    ) -> None:
        """Set the attributes after a run.

        Parameters
        ----------
        y : ndarray of shape (n_rows,)
            Labels before the run.
        unlabeled : ndarray of shape (n_rows,), dtype bool
        outcomes : sequence of Outcome
            Of the start and of all rounds; empty if there was nothing to label.
        best_round : int
            Number of the last round that stays; later rounds were undone.
        ending : str or None
            Why the run ended.
        """
        self._remember_rounds(outcomes, best_round, ending)
        self._to_judge = None
        for name in ("pool_labels_", "verdict_"):  # of a fit before
            vars(self).pop(name, None)
        self.transduction_ = y.copy()
        self.labeled_iter_ = np.where(unlabeled, -1, 0)
        self.influence_ = np.full(len(y), np.nan)
        self.influence_se_ = np.full(len(y), np.nan)
        for outcome in self._kept:
            chosen = outcome.selection
            self.transduction_[chosen.rows] = self.classes_[chosen.labels]
            self.labeled_iter_[chosen.rows] = outcome.number
            self.influence_[chosen.rows] = chosen.assigned_influence
            self.influence_se_[chosen.rows] = chosen.influence_se

    def _remember_apart(
        self,
        y: NDArray[Any],
        outcomes: Sequence[Outcome],
        best_round: int,
        ending: str | None,
    ) -> None:
        """Set the attributes after a run on a pool that was passed by itself."""
        self._remember(y, np.zeros(len(y), dtype=bool), [], 0, ending)
        self._remember_rounds(outcomes, best_round, ending)
        frames = []
        for outcome in self._kept[1:]:
            chosen = outcome.selection
            rounds = np.full(len(chosen), outcome.number)
            figures = (
                *(chosen.rows, self.classes_[chosen.labels], rounds),
                *(chosen.assigned_influence, chosen.influence_se),
                chosen.assigned_probability,
            )
            frames.append(pd.DataFrame(dict(zip(POOL_LABELS, figures, strict=True))))
        empty = pd.DataFrame(columns=[*POOL_LABELS])
        self.pool_labels_ = pd.concat(frames, ignore_index=True) if frames else empty

    def _remember_rounds(
        self, outcomes: Sequence[Outcome], best_round: int, ending: str | None
    ) -> None:
        self.history_ = history(outcomes, best_round)
        self.n_iter_ = max(len(outcomes) - 1, 0)
        self.termination_condition_ = ending
        self._outcomes, self._best_round = tuple(outcomes), best_round

    @property
    def _kept(self) -> list[Outcome]:
        """The rounds that were not undone."""
        return [each for each in self._outcomes if each.number <= self._best_round]

    def _tell_end(self, told: ToldRun, model: Any, X: Any) -> None:
        """Tell the callbacks what came of the run, with rows that the model takes."""
        ending = str(self.termination_condition_)
        told.end(self.history_, ending, lambda: self.verdict_, model, X)

    def _html_repr(self) -> str:
        """What a notebook shows: scikit-learn's diagram, the verdict and the rounds."""
        diagram: str = super()._html_repr()  # type: ignore[misc]
        if not hasattr(self, "history_"):
            return diagram
        verdict = getattr(self, "verdict_", None)
        sentence = [] if verdict is None else [verdict.sentence]
        return diagram + in_a_notebook(*sentence, rounds_table(self.history_))
