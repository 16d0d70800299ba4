"""What a run did to each row, as a fitted estimator tells it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from salutary.labeling.loop import Round


class TransductionMixin:
    """Attributes of an estimator that labels rows, named as scikit-learn names them."""

    classes_: NDArray[Any]

    def _remember(
        self,
        y: NDArray[Any],
        unlabeled: NDArray[np.bool_],
        records: list[Round],
        kept_rounds: int,
    ) -> None:
        """Set them.

        Parameters
        ----------
        y : ndarray of shape (n_rows,)
            Labels before the run.
        unlabeled : ndarray of shape (n_rows,), dtype bool
        records : list of Round
        kept_rounds : int
            After which one the guard undid what followed.
        """
        self.transduction_ = y.copy()
        self.labeled_iter_ = np.where(unlabeled, -1, 0)
        self.influence_ = np.full(len(y), np.nan)
        self.influence_se_ = np.full(len(y), np.nan)
        self.history_: list[dict[str, Any]] = []
        self.n_iter_ = len(records)
        for record in records:
            stays = record.number <= kept_rounds
            self.history_.append({**record.summary(), "refused": not stays})
            if stays:
                chosen = record.selection
                self.transduction_[chosen.rows] = self.classes_[chosen.labels]
                self.labeled_iter_[chosen.rows] = record.number
                self.influence_[chosen.rows] = chosen.assigned_influence
                self.influence_se_[chosen.rows] = chosen.influence_se
