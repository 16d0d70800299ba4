"""Runs that were never run, as what their pages are made of."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from salutary.displays.frames import RunFrames
from salutary.ledgers.record import Record
from salutary.report.page import rendered
from salutary.report.run_page import RunPage, run_context

HOSTILE = [
    "<script>window.hurt = 1</script>",
    "</script><script>window.hurt = 2</script>",
    "<img src=x onerror='window.hurt = 3'>",
    "\"><svg onload='window.hurt = 4'>",
    "</title></style><b>bold</b>",
    "{{ 7 * 7 }}{% raw %}",
    "a & b &lt;i&gt; \"quoted\" 'too'",
    "$\\frac{1}{2$",
    "tab\there\nand a new line",
    "\x1b[31mred\x07\x00",
    "\u202eright to left\u202c",
    "\u2028line\u2029paragraph",
    "עברית",
    "=1+1",
    "日本語 🙂",
    "x" * 100_000,
    "",
    "%s {0}",
    "__proto__",
]
"""Texts that markup, scripts, templates, fonts or directions would stumble over."""

CHECKS: dict[str, Any] = {
    "rows": {"train": 30, "validation": 20, "pool": 500},
    "twins": 0.0,
    "classes": {},
    "pool_marker": None,
    "features": {"size": "number"},
    "left_out": {},
    "constant": [],
    "beside": {},
}


def verdict(finding: str = "no difference", behind: float = 0.01) -> dict[str, Any]:
    """A verdict by which the labels' loss is so much above that of both tables."""
    rows = [
        ("train + validation", 0.4, 0.0, 0.0, 0.0),
        ("train only", 0.5, 0.1, 0.05, 0.15),
        ("salutary", 0.6, 0.2, 0.1, 0.3),
        ("salutary + validation", 0.4 + behind, behind, behind - 0.02, behind + 0.02),
    ]
    names = ("option", "loss", "difference", "lower", "upper")
    extra = {"accuracy": 0.8, "C": 1.0, "validation_weight": 0.0, "labels": 4.0}
    difference = {"mean": behind, "se": 0.01, "among": 2}
    difference |= {"lower": behind - 0.03, "upper": behind + 0.03}
    return {
        "option": "train + validation",
        "sentence": "Advice: train on both tables; the rest does no better.",
        "finding": finding,
        "difference": difference,
        "objective": "log_loss",
        "options": [{**dict(zip(names, row, strict=True)), **extra} for row in rows],
    }


def frames(
    n_labels: int = 40,
    classes: list[str] | None = None,
    ids: list[str] | None = None,
    undone: int = 10,
    guard: bool = True,
    found: dict[str, Any] | None = None,
) -> RunFrames:
    """A run of rounds of ten labels, the last ones of them undone."""
    rng = np.random.default_rng(0)
    classes = ["benign", "malignant"] if classes is None else classes
    n_rounds = -(-n_labels // 10)
    number, of_round = np.arange(n_rounds + 1), 1 + np.arange(n_labels) // 10
    best = n_rounds - -(-undone // 10)
    held = 0.5 - 0.01 * number if guard else np.full(n_rounds + 1, np.nan)
    rounds = pd.DataFrame(
        {
            "round": number,
            "n_labeled": 30 + 10 * number,
            "validation_loss": 0.5 - 0.02 * number,
            "validation_accuracy": 0.8,
            "validation_balanced_accuracy": 0.7,
            "canary_loss": held,
            "canary_fall": held[0] - held,
            "canary_se": np.where(number > 0, 0.004, np.nan) if guard else np.nan,
            "canary_accuracy": 0.79 if guard else np.nan,
            "canary_balanced_accuracy": 0.69 if guard else np.nan,
            "largest_influence": 0.1,
            "variant": "tempered",
            "verdict": "kept",
            "undone": number > best,
            "seconds": 0.1,
        }
    )
    named = np.array(classes, dtype=object)
    labels = pd.DataFrame(
        {
            "position": np.arange(n_labels),
            "row": rng.permutation(n_labels),
            "id": [f"row-{k}" for k in range(n_labels)] if ids is None else ids,
            "round": of_round,
            "label": named[rng.integers(len(named), size=n_labels)],
            "undone": of_round > best,
            "influence": rng.gamma(2, 0.004, n_labels),
            "influence_se": rng.gamma(2, 0.002, n_labels),
            "probability": rng.uniform(size=n_labels),
            "score": 0.1,
            "rank": 1 + np.arange(n_labels),
            "distance": rng.gamma(4, 1.0, n_labels),
            "guess": named[rng.integers(len(named), size=n_labels)],
            "guess_probability": 0.9,
            "runner_up": named[rng.integers(len(named), size=n_labels)],
            "runner_up_influence": 0.0,
        }
    )
    losses = [
        {"round": round, "label": name, "validation_loss": 0.4, "canary_loss": 0.45}
        for round in number.tolist()
        for name in classes
    ]
    nothing = pd.DataFrame()
    if guard and found is None:
        found = verdict()
    return RunFrames(
        *(classes, rounds, labels, nothing, pd.DataFrame(losses), nothing, nothing),
        *(best, found, {}),
    )


def facts(of: RunFrames, kind: str = "label", **more: Any) -> dict[str, Any]:
    """What the ledger of such a run would say of it."""
    kept = int((~of.labels["undone"]).sum())
    outcome = {"termination": "budget", "refused_rounds": 0, "labels": kept}
    outcome |= {"validation_loss": [0.5, 0.4], "guessing_loss": 0.7}
    report = {"outcome": {**outcome, "verdict": of.verdict}, "checks": CHECKS}
    settings = {"target": "y", "id": None, "seed": 0, "budget": 100, "text": None}
    return {
        "kind": kind,
        "settings": {**settings, "objective": "log_loss"},
        "files": {"train": "train.csv", "validation": "val.csv", "pool": "pool.csv"},
        "data": {"train": "0" * 64, "validation": "1" * 64, "pool": "2" * 64},
        "versions": {"salutary": "0"},
        "report": report,
        **more,
    }


def page(of: RunFrames, folder: Path = Path("run"), **more: Any) -> str:
    """The page of a run whose tables are gone."""
    labels: Any = None
    record = Record(facts(of, **more), [], labels, ())
    return rendered("run.html", run_context(RunPage(folder, of, record)))


class Parsed(HTMLParser):
    """Elements and texts of a page, as a browser would see them.

    Parameters
    ----------
    text : str
    """

    VOID = ("meta", "input", "img", "br", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if {"td", "th"} & {*self.open}:
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())
