"""Rules and the checks of a caller's own."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from salutary.labeling.rules import RULES, find_rule

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
def test_a_rule_of_one_variant_gives_its_scores_together(
    rule: Any, scores: Any
) -> None:
    found = find_rule(rule)
    (variant,) = found.variants.values()
    assert_array_equal(variant(INFLUENCE, PROBABILITY), scores)
    assert not found.greedy


def test_the_tempered_rule_has_the_published_and_the_plausible_scores_and_squares() -> (
    None
):
    rule = find_rule("tempered")
    assert rule.greedy
    expected = {
        "p^1": INFLUENCE * PROBABILITY,
        "p^0": INFLUENCE,
        "p^2": INFLUENCE * PROBABILITY * PROBABILITY,
    }
    assert list(rule.variants) == list(expected)
    for name, scores in expected.items():
        assert_allclose(rule.variants[name](INFLUENCE, PROBABILITY), scores)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", RULES)
def test_scores_have_the_type_of_the_influences(name: str, dtype: type) -> None:
    influence, probability = INFLUENCE.astype(dtype), PROBABILITY.astype(dtype)
    for variant in RULES[name].variants.values():
        assert variant(influence, probability).dtype == dtype


# One row of influences whose expectation under the model is zero, as first order's is.
ROWS = st.tuples(
    arrays(float, 4, elements=st.integers(1, 9).map(float)),
    arrays(float, 4, elements=st.integers(-9, 9).map(float)),
)


@given(ROWS)
def test_a_larger_exponent_never_prefers_a_less_probable_label(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    probability = (drawn[0] / drawn[0].sum())[None]
    influence = drawn[1][None] - probability @ drawn[1]
    chosen = [
        probability[0, variant(influence, probability).argmax()]
        for _, variant in sorted(find_rule("tempered").variants.items())
    ]
    assert (np.diff(chosen) >= -1e-12).all()


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    match = r"\['paper', 'plausible', 'tempered'\].*'papre'"
    with pytest.raises(ValueError, match=match):
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
    (variant,) = find_rule(rule).variants.values()
    with pytest.raises(ValueError, match=match):
        variant(INFLUENCE, PROBABILITY)
