"""What a run did to each row, as a fitted estimator reports it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from salutary.advice.verdict import Verdict
from salutary.estimators.told import ToldRun
from salutary.labeling.loop import Round


class TransductionMixin:
    """Fitted attributes of an estimator that labels rows.

    Their names are those of scikit-learn's ``SelfTrainingClassifier``.
    """

    classes_: NDArray[Any]
    verdict_: Verdict | None

    def _remember(
        self,
        y: NDArray[Any],
        unlabeled: NDArray[np.bool_],
        records: list[Round],
        best_round: int,
        ending: str | None,
    ) -> None:
        """Set the attributes after a run.

        Parameters
        ----------
        y : ndarray of shape (n_rows,)
            Labels before the run.
        unlabeled : ndarray of shape (n_rows,), dtype bool
        records : list of Round
        best_round : int
            Number of the last round that stays; later rounds were undone.
        ending : str or None
            Why the run ended.
        """
        self.transduction_ = y.copy()
        self.labeled_iter_ = np.where(unlabeled, -1, 0)
        self.influence_ = np.full(len(y), np.nan)
        self.influence_se_ = np.full(len(y), np.nan)
        self.history_: list[dict[str, Any]] = []
        self.n_iter_ = len(records)
        self.termination_condition_ = ending
        for record in records:
            stays = record.number <= best_round
            self.history_.append({**record.summary(), "refused": not stays})
            if stays:
                chosen = record.selection
                self.transduction_[chosen.rows] = self.classes_[chosen.labels]
                self.labeled_iter_[chosen.rows] = record.number
                self.influence_[chosen.rows] = chosen.assigned_influence
                self.influence_se_[chosen.rows] = chosen.influence_se

    def _tell_end(self, told: ToldRun, model: Any, X: Any) -> None:
        """Tell the callbacks what came of the run, with rows that the model takes."""
        ending = str(self.termination_condition_)
        told.end(self.history_, ending, self.verdict_, model, X)
