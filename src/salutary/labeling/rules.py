"""Rules: from a row's influences to a score for each of its classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from salutary.arrays import FloatArray
from salutary.names import RuleName

Scores = Callable[[FloatArray, FloatArray], FloatArray]
"""(influence, probability) -> scores, all of shape (n_rows, n_classes).

A row's label is its best-scored class and rows with the best scores are labeled; only
positive scores count. It sees the pool in blocks, so it must treat each row alone.
"""

EXPONENTS = (1.0, 0.0, 2.0)
"""Of the probability, among which the tempered rule chooses; the safest first."""


@dataclass(frozen=True)
class Rule:
    """How influences become labels.

    Parameters
    ----------
    variants : mapping of str to callable
        Ways to score, by name. Where there are several, every round tries all and keeps
        the one that does best on canary rows (`salutary.labeling.loop`). The first is
        used where there is nothing to choose by.
    greedy : bool, default=False
        Whether each pick of a batch knows those before it
        (`salutary.labeling.batch_greedy`), or the best scores are taken together, as
        published.
    """

    variants: Mapping[str, Scores]
    greedy: bool = False


def tempered(
    influence: FloatArray, probability: FloatArray, exponent: float
) -> FloatArray:
    """Influence times a power of the model's probability of the label.

    0 is the published rule, the class of largest influence (arXiv 2405.17627). It
    favors implausible labels, whose gradients are the longest; under strong
    regularization that is harmless, under ordinary regularization it ruins the model. 1
    is the rule "plausible"; larger exponents come close to self-training.

    Examples
    --------
    >>> import numpy as np
    >>> tempered(np.array([[-1.0, 9.0]]), np.array([[0.9, 0.1]]), 1.0)
    array([[-0.9,  0.9]])
    """
    if exponent == 0.0:
        return influence
    if exponent == 1.0:
        return influence * probability
    scores: FloatArray = influence * probability**exponent
    return scores


def _power(exponent: float) -> dict[str, Scores]:
    return {f"p^{exponent:g}": partial(tempered, exponent=exponent)}


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
"""The rules by name, the default first."""


def find_rule(rule: RuleName | Scores) -> Rule:
    """The rule of a name, or a checked form of a caller's own scores.

    Parameters
    ----------
    rule : {"tempered", "plausible", "paper"} or callable

    Returns
    -------
    Rule

    Raises
    ------
    ValueError
        For an unknown name; and, when the rule is applied, for scores of another shape
        or with NaN.
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
        return scores

    return Rule({"callable": checked})
