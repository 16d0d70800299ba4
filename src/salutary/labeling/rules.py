"""Rules: from a row's influences to a score for each of its classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from salutary.objective import FloatArray

Rule = Callable[[FloatArray, FloatArray], FloatArray]
"""(influence, probability) -> scores, all of shape (n_rows, n_classes).

A row's label is its best-scored class and rows with the best scores are labeled; only
positive scores count. A rule sees the pool in blocks, so it must treat each row alone.
"""


def paper(influence: FloatArray, probability: FloatArray) -> FloatArray:
    """The published rule: the class of largest influence (arXiv 2405.17627).

    It favors implausible labels, whose gradients are the longest. Under strong
    regularization that is harmless; under ordinary regularization it ruins the model.
    """
    return influence


def plausible(influence: FloatArray, probability: FloatArray) -> FloatArray:
    """Influence times the model's probability of the label.

    Examples
    --------
    >>> import numpy as np
    >>> plausible(np.array([[-1.0, 9.0]]), np.array([[0.9, 0.1]]))
    array([[-0.9,  0.9]])
    """
    return influence * probability


RULES: dict[str, Rule] = {"paper": paper, "plausible": plausible}


def find_rule(rule: str | Rule) -> Rule:
    """The rule of a name, or a checked form of a caller's own.

    Parameters
    ----------
    rule : {"paper", "plausible"} or callable

    Returns
    -------
    callable

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

    return checked
