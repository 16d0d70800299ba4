"""A newcomer is told whether it helped, and by how much beyond both tables."""

import re

import pytest

from salutary.report.answer import answer_of, beyond_both_tables
from tests.report.made import facts, frames, verdict


def answer(**how):
    of = frames(**how)
    return answer_of(of, facts(of)["report"]["outcome"], "label", "labels")


@pytest.mark.parametrize(
    ("finding", "behind", "headline", "beyond"),
    [
        ("better", -0.1, "Yes, the labels help.", "0.1000 lower (better)"),
        (
            "worse",
            0.1,
            "No: the best model without the labels is better",
            "0.1000 higher (worse)",
        ),
        (
            "no difference",
            0.01,
            "do not seem to help",
            "0.0200 better to 0.0400 worse",
        ),
        ("no difference", -0.01, "may help, but", "0.0400 better to 0.0200 worse"),
        ("no difference", 0.00004, "is not sure", "0.0300 better to 0.0300 worse"),
    ],
)
def test_the_headline_and_what_is_gained(finding, behind, headline, beyond):
    found = answer(found=verdict(finding, behind))
    assert headline in found.headline
    assert beyond in found.beyond
    assert found.advice == verdict(finding, behind)["sentence"]


def test_a_sure_difference_comes_with_its_interval():
    text = beyond_both_tables(verdict("better", -0.1), "labels")
    assert "(95% interval 0.0700 to 0.1300)" in text
    assert "chance" not in text


def test_without_a_guard_nothing_can_tell():
    found = answer(guard=False)
    assert found.headline == "Nothing can tell whether the labels help."
    assert "salutary advise" in found.beyond
    assert "says little" in found.held_out


def test_a_run_that_kept_nothing():
    found = answer(undone=40, found=verdict("no labels"))
    assert found.headline.startswith("No: all labels were undone")
    assert re.fullmatch(
        r"Nothing is gained beyond training on both tables\. With the labels that were "
        r"undone, the held-out loss went from \d\.\d{4} to \d\.\d{4}\.",
        found.beyond,
    )


def test_a_run_without_any_label():
    found = answer(n_labels=0, undone=0, found=verdict("no labels"))
    assert found.headline == "No label was given, as none was seen to help."


def test_a_run_that_goes_on():
    of = frames()
    assert "has not finished" in answer_of(of, {}, "label", "labels").headline


def test_what_is_better_than_both_is_named():
    found = verdict("worse", 0.1)
    found["option"] = "train only"
    found["options"][1]["loss"] = 0.3
    text = beyond_both_tables(found, "x")
    assert "'train only', the best without them, has 0.3000: with the x it is" in text
    assert "it is 0.1000 higher (worse) (95% interval 0.0800 to 0.1200)" in text
    assert text.index("the best without") < text.index("Training on both tables")


def test_the_interval_beyond_both_tables_is_there_whatever_is_advised():
    found = verdict("no difference", -0.01)
    found["option"], found["difference"]["mean"] = "train only", 0.3
    assert "has no interval" in beyond_both_tables(found, "x")
    found["beyond"] = {**found["difference"], "mean": -0.01}
    text = beyond_both_tables(found, "x")
    assert "has no interval" not in text
    assert "maybe by chance: the 95% interval is from 0.0400 better" in text


def test_the_smallest_z_is_named_where_it_left_nothing():
    of = frames(n_labels=0, undone=0, found=verdict("no labels"))
    found = answer_of(of, {"termination": "x"}, "label", "labels", 6.0)
    assert found.headline == "No label was given: none reached 6 standard errors."
