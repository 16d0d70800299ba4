"""What labels do for chosen rows: influences, their errors, and what they sum up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from salutary.arrays import Float64Array, FloatArray, IntArray, Matrix, as_float64
from salutary.influence.direction import influence_direction
from salutary.influence.factored import FactoredModel
from salutary.influence.scores import InfluenceScorer
from salutary.influence.uncertainty import influence_errors, row_effects
from salutary.labeling.batch import available, factor_snapshot
from salutary.labeling.definition import Definition
from salutary.labeling.edits import SwitchLabel
from salutary.labeling.fitting import Snapshot
from salutary.labeling.rules import Scores
from salutary.labeling.standing import NEAR


@dataclass(frozen=True, eq=False)
class LabelEffects:
    """What every label of some rows does to the validation loss, in float64.

    Parameters
    ----------
    problem : Definition
    snapshot : Snapshot
    factored : FactoredModel
        The snapshot's model.
    X : matrix of shape (n_rows, n_features)
    rows : ndarray of shape (n_rows,), dtype intp
        Numbers of the rows in the pool; -1 if they are not of the pool.
    """

    problem: Definition
    snapshot: Snapshot
    factored: FactoredModel
    X: Matrix
    rows: IntArray

    @classmethod
    def of(
        cls, problem: Definition, snapshot: Snapshot, X: Matrix, rows: IntArray
    ) -> LabelEffects:
        """Factor the model of a snapshot, for rows of any type."""
        factored = factor_snapshot(problem, snapshot)
        return cls(problem, snapshot, factored, as_float64(X), rows)

    @cached_property
    def direction(self) -> Float64Array:
        """See `influence_direction`."""
        seen = self.problem.validation
        objective = self.problem.objective_of(seen)
        return influence_direction(self.factored, seen.X, objective)

    @cached_property
    def influence(self) -> FloatArray:
        """Influence of every label of every row, shape (n_rows, n_classes)."""
        scorer = InfluenceScorer(self.factored, self.direction, self.X.dtype)
        return self.problem.edit.effect(scorer(self.X)[0], self.rows)

    @cached_property
    def probability(self) -> Float64Array:
        """Probability of every class of every row, shape (n_rows, n_classes)."""
        return self.factored.model.probability(self.X)

    def of_label(self, labels: IntArray) -> FloatArray:
        """Influence of one label for each row."""
        return self.influence[np.arange(len(labels)), labels]

    def errors(self, labels: IntArray) -> Float64Array:
        """Standard error of the influence of one label for each row."""
        seen = self.problem.validation
        return influence_errors(
            self.factored,
            self.X,
            self._gradient(labels),
            seen.X,
            self.problem.objective,
            seen.truth,
        )

    def on_validation_rows(self, labels: IntArray) -> Float64Array:
        """What one label for each row does to each validation row.

        Returns
        -------
        ndarray of shape (n_rows, n_validation)
            Sums to the influences: the parts of the objective's gradient that the
            validation rows have, times the change of their logits.
        """
        seen = self.problem.validation
        X = as_float64(seen.X)
        _, slope = self.problem.objective_of(seen)(self.factored.model.logits(X))
        return row_effects(self.factored, self.X, self._gradient(labels), X, slope)

    def best_labels(self, scores: Scores) -> IntArray:
        """The label of the best score for each row; none that the row has already."""
        score = np.array(scores(self.influence, self.probability), dtype=np.float64)
        edit = self.problem.edit
        if isinstance(edit, SwitchLabel):
            score[np.arange(len(self.rows)), edit.own[self.rows]] = -np.inf
        best: IntArray = score.argmax(axis=1)
        return best

    def ranks(self, labels: IntArray) -> tuple[IntArray, int]:
        """Ranks of the labels' influences in the pool, in one pass over it.

        Returns
        -------
        ranks : ndarray of shape (n_rows,), dtype intp
            One more than the number of other rows that can get a label and whose
            largest influence is larger.
        n_ranked : int
            Number of rows that can get a label.
        """
        problem = self.problem
        scorer = InfluenceScorer(self.factored, self.direction, problem.pool.dtype)
        influence = self.of_label(labels)
        floor = (influence + NEAR * np.abs(influence))[:, None]
        free, larger = available(problem, self.snapshot), np.zeros(len(labels), np.intp)
        for numbers, X in problem.pool.blocks(free):
            largest = problem.edit.effect(scorer(X)[0], numbers).max(axis=1)
            above = (largest > floor) & (numbers != self.rows[:, None])
            larger += above.sum(axis=1)
        return 1 + larger, int(free.sum())

    def _gradient(self, labels: IntArray) -> FloatArray:
        """Gradient, at each row's logits, of what its label adds to the training."""
        edit, class_weight = self.problem.edit, self.factored.class_weight
        return -edit.pull(self.probability, self.rows, labels, class_weight)
