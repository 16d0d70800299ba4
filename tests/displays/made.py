"""Runs that were never run, as the frames that displays draw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

HOSTILE = [
    "<script>alert(1)</script>",
    "</svg><b>bold</b>",
    "a & b \"quoted\" 'too'",
    "$\\frac{1}{2$",
    "_hidden",
    "tab\there\nand a new line",
    "\x1b[31mred\x07",
    "\u202eright to left\u202c",
    "=1+1",
    "日本語 🙂",
    "x" * 100_000,
    "x" * 100_000 + "y",
    "",
    "%s {0} {name}",
]
"""Names that markup, mathematics, a terminal or a font would stumble over."""


@dataclass(frozen=True)
class Frames:
    """What `salutary.displays.frames.RunFrames` has."""

    rounds: pd.DataFrame
    labels: pd.DataFrame
    verdict: dict[str, Any] | None = None
    best_round: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


def verdict(both: float = 0.41, alone: float = 0.55) -> dict[str, Any]:
    rows = [
        ("train + validation", both, 0.0, 0.0, 0.0),
        ("train only", alone, alone - both, 0.05, 0.2),
        ("validation only", 0.6, 0.19, -0.01, 0.4),
        ("salutary", 0.44, 0.03, -0.02, 0.08),
        ("salutary + validation", 0.43, 0.02, -0.05, 0.09),
    ]
    names = ("option", "loss", "difference", "lower", "upper")
    extra = {"accuracy": 0.8, "C": 1.0, "validation_weight": 0.0, "labels": 4.0}
    return {
        "option": "train + validation",
        "sentence": "Advice: train on both tables; the rest does no better.",
        "finding": "no difference",
        "difference": None,
        "objective": "log_loss",
        "options": [{**dict(zip(names, row, strict=True)), **extra} for row in rows],
    }


def frames(
    n_rounds: int = 6,
    batch: int = 10,
    best_round: int | None = None,
    classes: list[Any] | None = None,
    guard: bool = True,
    of_verdict: dict[str, Any] | None = None,
    seed: int = 0,
) -> Frames:
    """A run whose first label promises far too much, as one on a medical table did."""
    rng = np.random.default_rng(seed)
    classes = ["benign", "malignant"] if classes is None else classes
    best = n_rounds - 2 if best_round is None else best_round
    number = np.arange(n_rounds + 1)
    held = 0.6 - 0.03 * number + 0.012 * np.maximum(number - best, 0) ** 2
    rounds = pd.DataFrame(
        {
            "round": number,
            "n_labeled": 30 + batch * number,
            "validation_loss": 0.55 - 0.05 * np.sqrt(number),
            "canary_loss": held if guard else np.nan,
            "canary_fall": held[0] - held if guard else np.nan,
            "canary_se": np.where(number > 0, 0.01 + 0.002 * number, np.nan)
            if guard
            else np.nan,
            "undone": number > best,
        }
    )
    n = n_rounds * batch
    influence = rng.gamma(2, 0.004, n) / np.sqrt(1 + np.arange(n))
    error = 0.7 * influence * rng.gamma(4, 0.25, n)
    if n:
        influence[0], error[0] = 0.1997, 0.0993
    of_round = 1 + np.arange(n) // batch
    labels = pd.DataFrame(
        {
            "position": np.arange(n),
            "row": rng.permutation(n),
            "id": [f"row-{k}" for k in range(n)],
            "round": of_round,
            "label": [classes[k] for k in rng.integers(len(classes), size=n)],
            "influence": influence,
            "influence_se": error,
            "undone": of_round > best,
        }
    )
    return Frames(rounds, labels, of_verdict or (verdict() if guard else None), best)
