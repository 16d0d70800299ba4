"""Which classes a run gave no label, and what that did to them."""

from __future__ import annotations

from typing import Any

from salutary.displays.frames import RunFrames
from salutary.report.visible import number, visible

MOST_NAMED = 5
"""Classes without a label that are named; of more, the rest is counted."""


def without_label(frames: RunFrames, labels: str) -> list[str]:
    """A sentence for each class that kept no label, if others did.

    Parameters
    ----------
    frames : RunFrames
    labels : str
        What the run assigns, in the plural.
    """
    kept = frames.labels.loc[~frames.labels["undone"].astype(bool), "label"]
    if kept.empty:
        return []
    names = [name for name in frames.classes if name not in {*kept}]
    losses = frames.class_losses.set_index(["round", "label"])
    found = [
        f"No row was given class {visible(name, 60)} by the {labels} that were kept"
        f"{_change(losses, frames.best_round, name)}."
        for name in names[:MOST_NAMED]
    ]
    if len(names) > MOST_NAMED:
        found.append(f"Nor were {len(names) - MOST_NAMED} more classes given.")
    return found


def _change(losses: Any, best: int, name: str) -> str:
    """What became of the loss of a class, judged by held-out rows if there are any."""
    for column, rows in (
        ("canary_loss", "held-out"),
        ("validation_loss", "validation"),
    ):
        try:
            before, after = (float(losses.loc[(at, name), column]) for at in (0, best))
        except KeyError:
            return ""
        if before == before and after == after:
            word = "rose" if after > before else "fell"
            return f"; its {rows} loss {word} from {number(before)} to {number(after)}"
    return ""
