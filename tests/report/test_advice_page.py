"""The first lines of a comparison's page, from verdicts that are worked out by hand."""

from typing import Any

import numpy as np
import pytest

from salutary.advice.cross_fitting import Judged
from salutary.advice.measure import Measure
from salutary.advice.verdict import reach_verdict
from salutary.influence.objectives import Truth
from salutary.report.advice_page import advice_answer


def outcome_of(**losses: list[float]) -> dict[str, Any]:
    """The verdict on options with these losses of two classes, as in run.json."""
    judged = {}
    for name, values in losses.items():
        own = -np.array(values)
        logits = np.stack([own, np.log(-np.expm1(own))], axis=1)
        logits[1::2] = logits[1::2, ::-1]
        words = name.replace("__", " + ").replace("_", " ")
        labels = np.full(1, 5 if "train" not in words else 0)
        judged[words] = Judged(logits[None], np.ones(1), np.ones(1), labels)
    truth = Truth(np.arange(len(own)) % 2, np.ones(len(own)))
    return reach_verdict(judged, Measure(truth)).to_dict()


@pytest.mark.parametrize(
    ("pool", "headline"),
    [
        ([0.3, 0.4] * 20, "The whole pool helps, without labels."),
        (
            [0.2, 0.87] * 20,
            "The whole pool may help, without labels, but that may be chance.",
        ),
        ([0.6, 0.7] * 20, "A model does better without assigned labels."),
    ],
)
def test_the_headline_says_what_the_pool_does_if_it_is_advised(
    pool: list[float], headline: str
) -> None:
    outcome = outcome_of(
        train__validation=[0.5, 0.6] * 20,
        whole_pool=pool,
        salutary=[0.8, 0.9] * 20,
    )
    found = advice_answer(outcome)
    assert found.headline == headline
    assert "With the labels ('salutary')" in found.beyond


def test_nothing_is_said_of_labels_that_are_not_there() -> None:
    outcome = outcome_of(
        train__validation=[0.5, 0.6] * 20,
        train_only=[0.3, 0.4] * 20,
        whole_pool=[0.9, 0.9] * 20,
    )
    # As of an option that relabels, and switched nothing.
    nothing = {**outcome["options"][1], "option": "relabeled", "labels": 0.0}
    outcome["options"].append(nothing)
    found = advice_answer(outcome)
    assert found.beyond == "No assigned label was kept."
