"""Rules: how the influences of a row become a score for each class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from salutary.arrays import FloatArray
from salutary.names import RuleName

Scores = Callable[[FloatArray, FloatArray], FloatArray]
"""(influence, probability) -> scores, all of shape (n_rows, n_classes).

The label of a row is the class with its best score, and the rows with the best scores
are labeled. Only positive scores count. The function is called with blocks of the pool,
so the scores of a row must not depend on other rows.
"""

EXPONENTS = (1.0, 0.0, 2.0)
"""Exponents of the probability that the tempered rule tries; the safest first."""


@dataclass(frozen=True)
class Rule:
    """How influences become labels.

    Parameters
    ----------
    variants : mapping of str to callable
        Ways to compute scores, by name. If there are several, every round tries all and
        takes the one with the lowest loss on the canary rows, which influence does not
        see. Without canary rows the first is taken.
    greedy : bool, default=False
        Whether the rows of a batch are picked one by one, each pick taking the earlier
        ones into account (`salutary.labeling.batch_greedy`). By default the rows with
        the best scores are taken together, as published.
    """

    variants: Mapping[str, Scores]
    greedy: bool = False


@dataclass(frozen=True)
class Tempered:
    """Influence times a power of the model's probability of the label.

    The exponent 0 is the published rule, the class of largest influence (arXiv
    2405.17627). It favors implausible labels, whose gradients are the longest. Under
    strong regularization this is harmless; under ordinary regularization it ruins the
    model. The exponent 1 is the rule "plausible"; larger ones approach self-training.

    Examples
    --------
    >>> import numpy as np
    >>> Tempered(1.0)(np.array([[-1.0, 9.0]]), np.array([[0.9, 0.1]]))
    array([[-0.9,  0.9]])
    """

    exponent: float

    def __call__(
        self,
        influence: FloatArray,
        probability: FloatArray,
        out: FloatArray | None = None,
    ) -> FloatArray:
        """The scores: in ``out`` if given, or ``influence`` itself for exponent 0."""
        if self.exponent == 0.0:
            return influence
        if self.exponent == 1.0:
            return np.multiply(influence, probability, out=out)
        scores = np.power(probability, self.exponent, out=out)
        return np.multiply(influence, scores, out=scores)


def _power(exponent: float) -> dict[str, Scores]:
    return {f"p^{exponent:g}": Tempered(exponent)}


RULES: dict[RuleName, Rule] = {
    "tempered": Rule(
        {
            name: scores
            for exponent in EXPONENTS
            for name, scores in _power(exponent).items()
        },
        greedy=True,
    ),
    "plausible": Rule(_power(1.0)),
    "paper": Rule(_power(0.0)),
}
"""Rules by name, the default first."""


def find_rule(rule: RuleName | Scores) -> Rule:
    """Look a rule up by its name, or make one of a callable, with checked scores.

    Parameters
    ----------
    rule : {"tempered", "plausible", "paper"} or callable

    Returns
    -------
    Rule

    Raises
    ------
    ValueError
        For an unknown name. When the rule is applied, for scores of another shape than
        the influences, or with NaN.
    """
    if not callable(rule):
        if rule not in RULES:
            raise ValueError(
                f"rule must be one of {sorted(RULES)} or a callable: {rule!r}"
            )
        return RULES[rule]

    def checked(influence: FloatArray, probability: FloatArray) -> FloatArray:
        scores = np.asarray(rule(influence, probability))
        if scores.shape != influence.shape:
            raise ValueError(
                f"the rule returned scores of shape {scores.shape} for influences of "
                f"shape {influence.shape}; return one score per row and class"
            )
        if np.isnan(scores).any():
            raise ValueError("the rule returned NaN; return -inf for 'never'")
        return scores if scores.dtype.kind == "f" else scores.astype(np.float64)

    return Rule({"callable": checked})
