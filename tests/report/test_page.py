"""The page says what the ledger says, whatever the names are, and asks nobody."""

import base64
import hashlib
import json
import re

import pandas as pd
import pytest

from salutary.report.label_table import MOST
from salutary.report.visible import visible
from tests.report.made import HOSTILE, Parsed, frames, page, verdict

pytestmark = pytest.mark.slow

LINKING = ("src", "href", "xlink:href", "action", "data", "srcset", "poster")


def shown_data(text):
    source = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text)
    return json.loads(source[1])


@pytest.fixture(scope="module")
def plain():
    return page(frames())


def test_every_element_is_closed_and_no_id_occurs_twice(plain):
    parsed = Parsed(plain)
    assert parsed.open == []
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len({*ids})


def test_sections_come_in_the_order_of_questions(plain):
    order = [
        *("The labels do not seem to help.", "What to do next"),
        *(
            "to distrust first",
            "Did it help?",
            "Promised and real",
            "How sure each label is",
        ),
        *("By class and round", "Calibration and mistakes", "Most influential"),
        *("What became a feature", "All 40 labels", "How it was made"),
    ]
    headings = re.findall(r"<h[123][^>]*>(.*?)</h[123]>", plain)
    places = [
        next(place for place, text in enumerate(headings) if what in text)
        for what in order
    ]
    assert places == sorted(places)


def test_a_run_without_rounds_shows_no_picture_of_one_point():
    text = Parsed(page(frames(n_labels=0, undone=0, found=verdict("no labels")))).text
    assert "Did it help?" not in text
    assert "Before the first round" not in text


def test_a_class_without_a_label_is_named_with_what_its_loss_did():
    of = frames(undone=0)
    of.labels["label"] = "benign"
    losses = of.class_losses
    losses.loc[losses["round"] == of.best_round, "canary_loss"] = 0.6
    expected = (
        "No row was given class malignant by the labels that were kept; its held-out "
        "loss rose from 0.4500 to 0.6000."
    )
    assert expected in Parsed(page(of)).text
    assert "No row was given class" not in page(frames())


def test_nobody_is_told_to_get_more_of_what_is_not_advised():
    found = verdict("better", -0.1)
    assert "More may be had" not in page(frames(undone=0, found=found))
    found["option"] = "salutary + validation"
    assert "More may be had" in page(frames(undone=0, found=found))


def test_words_are_said_once_and_rows_by_their_table(plain):
    text = Parsed(plain).text
    for word in ("guard", "held-out rows", "salutary + validation", "influence"):
        assert plain.count(f"<dt>{word}</dt>") == 1
    assert "Row row-" in text
    assert " of POOL: " in text


def test_nothing_is_fetched_and_no_other_script_may_run(plain):
    parsed = Parsed(plain)
    for tag, attributes in parsed.elements:
        for name in LINKING:
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "data:image/png")), (tag, target)
    policy = next(
        attributes["content"]
        for _, attributes in parsed.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    script = re.findall(r"<script>(.*?)</script>", plain, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "://" not in policy


def test_the_figures_of_the_table_are_those_of_the_frames():
    of = frames()
    data = shown_data(page(of))
    keys = [key for key, *_ in data["columns"]]
    values = dict(zip(keys, data["values"], strict=True))
    for name in ("influence", "influence_se", "probability", "distance"):
        assert values[name] == pytest.approx(of.labels[name].tolist(), rel=1e-3)
    for name in ("round", "rank", "id"):
        assert values[name] == of.labels[name].tolist()
    for name in ("label", "guess"):
        named = [data["classes"][code] for code in values[name]]
        assert named == of.labels[name].tolist()


def test_without_a_script_the_first_rows_stand_in_the_table():
    of = frames(n_labels=120, undone=0)
    rows = Parsed(page(of)).rows
    by_id = {row[1]: row for row in rows if len(row) == 11}
    assert [f"row-{k}" in by_id for k in (0, 49, 50)] == [True, True, False]
    assert "The first 50 of 120" in page(of)


def test_what_was_compared_stands_beside_the_verdict(plain):
    rows = {row[0]: row[1:] for row in Parsed(plain).rows if len(row) == 6}
    for option in verdict()["options"]:
        name = option["option"]
        name += " (advised)" if name == "train + validation" else ""
        assert rows[name][0] == f"{option['loss']:.4f}"


@pytest.mark.parametrize("where", ["ids", "classes"])
def test_hostile_names_are_shown_as_text(where):
    names = [*HOSTILE]
    if where == "ids":
        of = frames(n_labels=len(names), ids=names, undone=0)
    else:
        of = frames(n_labels=60, classes=names, undone=0)
    text = page(of)
    parsed = Parsed(text)
    assert parsed.open == []
    assert {"b", "img", "i"}.isdisjoint(tag for tag, _ in parsed.elements)
    assert not any(
        name.startswith("on")
        for _, attributes in parsed.elements
        for name in attributes
    )
    assert text.count("<script") == 2
    for hidden in "\x1b\x07\x00\u202e\u2028\u2029":
        assert hidden not in text
    data = shown_data(text)
    shown = data["values"][1] if where == "ids" else data["classes"]
    assert shown == [visible(name, 60) for name in names]
    assert "… (100,000 characters)" in text


def test_hostile_names_of_columns_files_and_settings():
    checks = {
        "rows": {"train": 1, "pool": 5},
        "features": dict.fromkeys(HOSTILE, "category"),
        "left_out": {"<b>id</b>": "<i>numbers</i>"},
        "constant": HOSTILE[:3],
        "beside": {
            "pool": {
                "unseen_categories": dict.fromkeys(HOSTILE, 2),
                "far_outside": {},
                "empty": HOSTILE,
                "most_different": dict.fromkeys(HOSTILE, 0.4),
                "drift": 0.9,
                "drift_se": 0.01,
            }
        },
    }
    outcome = {"verdict": verdict(), "classes_not_validated": HOSTILE}
    outcome |= {"validation_loss": [1, 1], "refused_rounds": 0}
    text = page(
        frames(),
        report={"checks": checks, "outcome": outcome},
        settings={"target": HOSTILE[0], "id": HOSTILE[1], "text": None, "budget": None},
        files=dict(zip(("train", "validation", "pool"), HOSTILE, strict=False)),
        command=["salutary", *HOSTILE],
    )
    parsed = Parsed(text)
    assert parsed.open == []
    assert {"b", "img", "i"}.isdisjoint(tag for tag, _ in parsed.elements)
    assert text.count("<script") == 2
    assert "{{ 7 * 7 }}" in text


def test_ten_thousand_labels_fit_into_two_megabytes():
    text = page(frames(n_labels=10_000, classes=[f"class {k}" for k in range(12)]))
    assert len(text.encode()) < 2_000_000
    assert len(shown_data(text)["values"][0]) == 10_000


def test_of_very_many_labels_the_first_are_held():
    text = page(frames(n_labels=MOST + 10))
    assert f"The first {MOST} only" in text
    assert len(shown_data(text)["values"][0]) == MOST


@pytest.mark.parametrize(
    "how",
    [
        {"n_labels": 0, "undone": 0, "found": verdict("no labels")},
        {"n_labels": 1, "undone": 0},
        {"n_labels": 10, "undone": 10, "found": verdict("no labels")},
        {"guard": False, "undone": 0},
        {"classes": ["only"]},
        {"classes": [f"class {k}" for k in range(100)], "n_labels": 300},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["label", "relabel", "finetune"])
def test_runs_of_every_kind_have_a_page(how, kind):
    parsed = Parsed(page(frames(**how), kind=kind))
    assert parsed.open == []
    for nothing in ("nan", "None", "NaT", "inf "):
        assert nothing not in parsed.text.split("Settings and versions")[0].split()


def test_a_run_that_has_not_finished_says_so():
    text = Parsed(page(frames(guard=False), report=None)).text
    assert "has not finished" in text
    assert "salutary resume run" in text


def test_a_surrogate_in_a_name_is_written_as_an_escape():
    of = frames()
    of.labels["id"] = pd.Series(["\ud800"] * 40, dtype=object)
    assert "\\ud800" in page(of)
