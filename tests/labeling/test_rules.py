"""Rules and the checks of a caller's own."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from salutary.labeling.rules import find_rule

INFLUENCE = np.array([[-1.0, 9.0], [0.5, -0.5]])
PROBABILITY = np.array([[0.9, 0.1], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("rule", "scores"),
    [
        ("paper", INFLUENCE),
        ("plausible", INFLUENCE * PROBABILITY),
        (
            lambda influence, probability: influence - probability,
            INFLUENCE - PROBABILITY,
        ),
        (lambda influence, probability: [[0, -np.inf], [1, 2]], [[0, -np.inf], [1, 2]]),
    ],
)
def test_a_rule_gives_its_scores(rule: Any, scores: Any) -> None:
    assert_array_equal(find_rule(rule)(INFLUENCE, PROBABILITY), scores)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"\['paper', 'plausible'\].*'papre'"):
        find_rule("papre")


@pytest.mark.parametrize(
    ("rule", "match"),
    [
        (lambda influence, probability: influence.max(axis=1), "one score per row and"),
        (lambda influence, probability: influence[:1], r"\(1, 2\).* \(2, 2\)"),
        (lambda influence, probability: influence * np.nan, "return -inf for 'never'"),
    ],
)
def test_scores_that_cannot_be_used_are_refused(rule: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        find_rule(rule)(INFLUENCE, PROBABILITY)
