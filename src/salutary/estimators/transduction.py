"""What a run did to each row, as a fitted estimator reports it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from salutary.displays.reprs import in_a_notebook, rounds_table
from salutary.labeling.loop import Round


class TransductionMixin:
    """Fitted attributes of an estimator that labels rows.

    Their names are those of scikit-learn's ``SelfTrainingClassifier``.
    """

    classes_: NDArray[Any]

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

    def _html_repr(self) -> str:
        """What a notebook shows: scikit-learn's diagram, the verdict and the rounds."""
        diagram: str = super()._html_repr()  # type: ignore[misc]
        if not hasattr(self, "history_"):
            return diagram
        verdict = getattr(self, "verdict_", None)
        sentence = [] if verdict is None else [verdict.sentence]
        return diagram + in_a_notebook(*sentence, rounds_table(self.history_))
