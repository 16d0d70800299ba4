"""Compare options by an objective, on rows that they have not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp
from scipy.stats import t

from salutary.advice.cross_fitting import Judged
from salutary.arrays import Float64Array
from salutary.influence.objectives import Objective, Truth, bind, log_loss, row_log_loss
from salutary.influence.uncertainty import PARTS
from salutary.labeling.guard import decrease_in, mean_decrease

CONFIDENCE = 0.95
"""Level of the intervals."""

MORE_ERRORS = 2
"""Errors that `Measure.cautious_loss` adds, as many as an Agresti-Coull interval does.

On half of the data sets of ``docs/studies/worth`` any number from one to four chooses
equally well. Of near-separable sets outside it, two are needed: with fifty rows, all
right, a model can be as certain as it likes.
"""


@dataclass(frozen=True)
class Difference:
    """How much higher one option's loss is than another's.

    Parameters
    ----------
    mean : float
        In the unit of the objective; for the log loss in nats.
    se : float
        Standard error of the mean, over the rows.
    lower, upper : float
        Ends of the 95% interval, by Student's t.
    among : int
        Number of options of which this is the best. The interval allows for that: it
        is of the level 1 - 5% / ``among`` (Bonferroni).
    """

    mean: float
    se: float
    lower: float
    upper: float
    among: int = 1

    @property
    def is_sure(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.lower > 0 or self.upper < 0


@dataclass(frozen=True)
class Measure:
    """An objective on certain validation rows.

    Parameters
    ----------
    truth : Truth
        Labels and weights of the rows.
    objective : callable, default=log_loss
    name : str
        What users call the objective.
    """

    truth: Truth
    objective: Objective = log_loss
    name: str = "log_loss"

    def loss(self, judged: Judged) -> float:
        """The objective, as a mean over the repeats."""
        bound = bind(self.objective, self.truth)
        return float(np.mean([bound(logits)[0] for logits in judged.logits]))

    def cautious_loss(self, judged: Judged) -> float:
        """The mean log loss if the model got `MORE_ERRORS` more rows wrong.

        These are as the others are on the average: each has the loss of a row's other
        classes together. A model pays for certainty that its rows, few and perhaps all
        right, cannot show to be deserved.
        """
        labels, weight = self.truth.labels, self.truth.weight
        n_rows = int(np.count_nonzero(weight))
        own = np.eye(judged.logits.shape[2], dtype=bool)[labels]
        others = np.where(own, -np.inf, judged.logits)
        wrong = logsumexp(judged.logits, axis=2) - logsumexp(others, axis=2)
        losses = np.average(
            [self._row_losses(judged), wrong.mean(axis=0)], axis=1, weights=weight
        )
        return float(losses @ [n_rows, MORE_ERRORS]) / (n_rows + MORE_ERRORS)

    def accuracy(self, judged: Judged) -> float:
        """Weighted share of right predictions, as a mean over the repeats."""
        right = judged.logits.argmax(axis=2) == self.truth.labels
        return float(np.average(right.mean(axis=0), weights=self.truth.weight))

    def difference(self, judged: Judged, other: Judged, among: int = 1) -> Difference:
        """How much higher the loss of one option is than that of another.

        One of them may be the best among several options.

        The rows are paired. For the log loss, repeats are averaged row by row. For
        other objectives the standard error is the mean over the repeats of the
        jackknife's, which is at least that of the mean.
        """
        n_rows = int(np.count_nonzero(self.truth.weight))
        if self.objective is log_loss:
            losses, others = self._row_losses(judged), self._row_losses(other)
            mean, se = mean_decrease(losses, others, self.truth.weight)
            return _with_interval(mean, se, n_rows - 1, among)
        found = [
            decrease_in(self.objective, self.truth, before, after)
            for before, after in zip(judged.logits, other.logits, strict=True)
        ]
        mean, se = np.mean(found, axis=0)
        return _with_interval(float(mean), float(se), min(PARTS, n_rows) - 1, among)

    def _row_losses(self, judged: Judged) -> Float64Array:
        labels = self.truth.labels
        losses = [row_log_loss(logits, labels) for logits in judged.logits]
        return np.asarray(np.mean(losses, axis=0))


def _with_interval(mean: float, se: float, freedom: int, among: int) -> Difference:
    beyond = (1 - CONFIDENCE) / among
    reach = float(t.ppf(1 - beyond / 2, freedom)) * se
    return Difference(mean, se, mean - reach, mean + reach, among)
