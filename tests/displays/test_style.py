"""The look of pictures: seen by everyone, and names shown as they are."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from salutary import LabelDisplay, LearningCurveDisplay
from salutary.displays import style
from tests.displays.made import HOSTILE, frames

SVG = "{http://www.w3.org/2000/svg}"


def luminance(color: str) -> float:
    """Relative luminance, by WCAG 2.2."""
    share = np.array(to_rgb(color))
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", style.LIGHT)
def test_colors_stand_out_from_their_ground(name: str) -> None:
    assert contrast(style.LIGHT[name], "white") > 4
    assert contrast(style.DARK[name], "#1c1c1c") > 4


# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
BLIND = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


@pytest.mark.parametrize("kind", BLIND)
def test_the_series_of_a_picture_differ_for_the_color_blind(kind: str) -> None:
    def seen(color: str) -> np.ndarray:
        share = np.array(to_rgb(color))
        linear = np.where(
            share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4
        )
        mixed = np.clip(np.array(BLIND[kind]) @ linear, 0, 1)
        return np.where(
            mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055
        )

    series = (style.VALIDATION, style.HELD_OUT, style.PROMISED)
    for one, other in combinations(series, 2):
        assert np.linalg.norm(seen(one["color"]) - seen(other["color"])) > 0.25


def drawn(names: list[str], name: str = "p") -> str:
    ax = Figure(layout="constrained").subplots()
    run = frames(30, classes=names, best_round=20)
    return style.as_svg(LabelDisplay.from_frames(run).plot(ax).figure_, name, names[0])


@pytest.mark.parametrize("name", HOSTILE)
def test_every_name_is_text_in_an_svg(name: str) -> None:
    svg = drawn([name, "plain"])
    tree = ET.fromstring(svg)
    found = [element.text or "" for element in tree.iter(f"{SVG}text")]
    shown = style.legible(name, longest=20)
    assert any(text.startswith(f"{shown}: ") for text in found), found
    assert not list(tree.iter(f"{SVG}script"))
    assert re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", svg) is None
    title = tree.find(f"{SVG}title")
    assert title is not None


def test_a_name_that_looks_like_a_color_or_an_id_stays_as_it_is() -> None:
    name = '" #000000 id="b #0072b2'
    (found,) = (
        element.text
        for element in ET.fromstring(drawn([name, "plain"])).iter(f"{SVG}text")
        if (element.text or "").startswith('"')
    )
    assert str(found).startswith(style.legible(name, longest=20))


def test_glyphs_that_no_font_has_are_code_points_in_a_picture_alone() -> None:
    ax = Figure(layout="constrained").subplots()
    run = frames(classes=["日本", "plain"])
    display = LabelDisplay.from_frames(run).plot(ax)
    assert "日本" in style.as_svg(display.figure_, "p", "labels")
    (name,) = (t.get_text() for t in ax.get_legend().get_texts() if "<" in t.get_text())
    assert name.startswith("<65E5><672C>: ")


def test_names_that_look_alike_get_numbers() -> None:
    svg = drawn(["x" * 100_000 + end for end in "ab"])
    for number in (1, 2):
        assert f"x… ({number}): " in svg


def curve() -> str:
    ax = Figure(layout="constrained").subplots()
    display = LearningCurveDisplay.from_frames(frames()).plot(ax)
    return style.as_svg(display.figure_, "curve", "Loss by round")


def test_an_svg_fetches_nothing_and_takes_colors_from_its_page() -> None:
    svg = curve()
    assert svg.startswith("<svg ")
    assert "var(--blue, #0072b2)" in svg
    assert "#000000" not in svg
    assert "#ffffff" not in svg  # nothing hides the page's ground
    assert not re.search(r'(href|src)="(?!#)', svg)
    tree = ET.fromstring(svg)
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert all(name.startswith("curve-") for name in ids)
    assert len(ids) == len({*ids})
    for name in ("curve-validation", "curve-held-out", "curve-band", "curve-legend"):
        assert name in ids
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', svg)
    assert {*used} <= {*ids}
    assert curve() == svg


def test_an_svg_of_10000_labels_is_small() -> None:
    ax = Figure(layout="constrained").subplots()
    display = LabelDisplay.from_frames(frames(100, 100)).plot(ax)
    assert len(style.as_svg(display.figure_, "labels", "Labels")) < 400_000
