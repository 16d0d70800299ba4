"""What a shell and a notebook show of results: on a screen, and as text."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from salutary import Advice, Relabeling, SalutaryClassifier, Verdict, relabel
from salutary.displays import reprs
from salutary.displays.style import legible
from tests.displays.made import HOSTILE, frames, verdict


class Page(HTMLParser):
    """Tags and texts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


TABLES = {"div", "p", "table", "thead", "tbody", "tr", "th", "td"}


def of(figures: dict[str, Any]) -> Verdict:
    table = pd.DataFrame(figures["options"])
    rest = {name: value for name, value in figures.items() if name != "options"}
    return Verdict(**rest, table=table)


def advice(figures: dict[str, Any] | None = None, n_pool: int = 0) -> Advice:
    return Advice(
        of(figures or verdict()), 30, 50, n_pool, n_pool // 2, 5, 2, [], {}, None
    )


def relabeling(labels: list[Any], n_rounds: int = 3) -> Relabeling:
    switches = pd.DataFrame(
        {
            "row": np.arange(len(labels)),
            "old_label": labels,
            "label": labels[::-1],
            "influence": 0.01,
            "influence_se": 0.002,
            "probability": 0.5,
            "round": 1,
        }
    )
    history = frames(n_rounds).rounds.to_dict("records")
    y = np.array(["plain"] * 80, dtype=object)
    return Relabeling(
        y, switches, LogisticRegression(), history, "guard", of(verdict())
    )


def on_a_screen(text: str) -> bool:
    lines = text.split("\n")
    odd = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    seen = all(
        unicodedata.category(character) not in odd
        for line in lines
        for character in line
    )
    return seen and len(lines) <= 24 and max(map(len, lines)) <= 80


def hostile_verdict() -> dict[str, Any]:
    figures = verdict()
    (row,) = figures["options"][:1]
    figures["options"] = [{**row, "option": name} for name in HOSTILE * 2]
    figures["sentence"] = " ".join(HOSTILE)
    figures["objective"] = HOSTILE[0]
    return figures


def test_advice_is_its_sentence_and_its_options() -> None:
    text = repr(advice(n_pool=40))
    assert text.startswith("Advice: train on both tables;")
    assert "▸  train + validation" in text
    assert "0.5500  0.1400   0.0500 to 0.2000" in text
    assert "Rows: 30 to train, 50 to validate, 40 in the pool, of which 20 were" in text
    assert str(advice()) == repr(advice())
    assert on_a_screen(text)


@pytest.mark.parametrize("figures", [verdict(), hostile_verdict()], ids=["", "hostile"])
def test_advice_fits_a_screen_and_is_text_in_a_notebook(
    figures: dict[str, Any],
) -> None:
    found = advice(figures)
    assert on_a_screen(repr(found))
    page = Page(found._repr_html_())
    assert page.tags <= TABLES
    assert page.texts[0] == legible(figures["sentence"], longest=reprs.LONGEST_TEXT)


def test_a_name_is_whole_where_a_notebook_shows_it() -> None:
    page = Page(advice(hostile_verdict())._repr_html_())
    assert "<script>alert(1)</script>" in page.texts


@pytest.mark.parametrize("labels", [[0, 1], HOSTILE, [], list(range(500))])
def test_a_relabeling_fits_a_screen_and_is_text_in_a_notebook(
    labels: list[Any],
) -> None:
    found = relabeling(labels, n_rounds=200)
    assert on_a_screen(repr(found))
    assert repr(found).startswith(f"Relabeling: {len(labels)} of 80 labels switched")
    assert "200 rounds" in repr(found)
    page = Page(found._repr_html_())
    assert page.tags <= TABLES
    assert len(page.texts) < 1000


def test_the_rounds_of_a_long_run_are_the_first_and_the_last() -> None:
    history = frames(200).rounds.to_dict("records")
    table = reprs.rounds_table(history)
    assert table["round"].tolist() == [
        *map(str, range(5)),
        "…",
        *map(str, range(196, 201)),
    ]
    assert table[""].tolist() == [""] * 5 + ["…"] + [""] * 3 + ["undone"] * 2
    assert table["validation loss"].iloc[0] == f"{history[0]['validation_loss']:.4f}"
    error = f"{history[1]['canary_fall']:.4f} ± {history[1]['canary_se']:.4f}"
    assert table["its fall so far"].iloc[1] == error


def test_without_a_guard_nothing_is_held_out() -> None:
    table = reprs.rounds_table(frames(guard=False).rounds.to_dict("records"))
    assert (table["held-out loss"] == "").all()
    assert reprs.rounds_table([]).empty


@pytest.fixture(scope="module")
def fitted() -> SalutaryClassifier:
    X, y = load_iris(return_X_y=True)
    names = np.array(["<script>alert(1)</script>", "</div><b>bold", "$x_1$"], object)
    marked = np.where(np.arange(150) % 3 == 0, names[y], None)
    return SalutaryClassifier(budget=20, random_state=0).fit(X, marked)


def test_a_notebook_shows_a_fitted_classifier_its_verdict_and_its_rounds(
    fitted: SalutaryClassifier,
) -> None:
    html = fitted._repr_html_()
    ours = reprs.in_a_notebook(
        fitted.verdict_.sentence, reprs.rounds_table(fitted.history_)
    )
    assert html.endswith(ours)
    assert fitted._repr_mimebundle_()["text/html"].endswith(ours)
    page = Page(html)
    assert fitted.verdict_.sentence in page.texts
    last = fitted.history_[-1]
    assert f"{last['validation_loss']:.4f}" in page.texts
    assert "sk-estimator" in html  # scikit-learn's own diagram
    assert "<script>alert" not in html
    assert "<b>bold" not in html


def test_a_classifier_before_its_fit_is_scikit_learns_diagram() -> None:
    assert "validation loss" not in SalutaryClassifier()._repr_html_()


def test_who_wants_no_diagram_gets_none(fitted: SalutaryClassifier) -> None:
    with config_context(display="text"):
        assert not hasattr(fitted, "_repr_html_")


def test_the_text_of_a_classifier_is_scikit_learns_and_fits_a_screen() -> None:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=3, max_iter=999))
    model = SalutaryClassifier(
        pipeline, rule="paper", budget=20, batch_size=7, n_jobs=2, random_state=0
    )
    assert repr(model).startswith("SalutaryClassifier(")
    assert len(repr(model).splitlines()) <= 24
    plain = SalutaryClassifier(rule="paper", budget=20, n_jobs=2, random_state=0)
    assert on_a_screen(repr(plain))  # closing brackets may stand beyond column 80


def test_a_relabeling_shows_its_switches() -> None:
    X, y = load_iris(return_X_y=True)
    noisy = y[::2].copy()
    noisy[::5] = (noisy[::5] + 1) % 3
    found = relabel(X[::2], noisy, X[1::2], y[1::2], budget=12, random_state=0)
    first = found.switches.iloc[0]
    text = repr(found)
    assert on_a_screen(text)
    figures = f"{first['influence']:.4f} ± {first['influence_se']:.4f}"
    assert figures in text
    assert figures in Page(found._repr_html_()).texts
