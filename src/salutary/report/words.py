"""The words of a page that a newcomer may not know, each said once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salutary.advice.verdict import ASSIGNED
from salutary.names import RELABELED

OF_FINE_TUNING = [
    (
        "guard",
        "Keeps three in ten validation rows from the influences, and judges every "
        "round by them. It undoes the rounds after the best.",
    ),
    (
        "held-out rows",
        "These three in ten. Fine-tuning stops early by them, so what a model does on "
        "them may look a little too good.",
    ),
]


def words_of(
    kind: str, verdict: Mapping[str, Any] | None, *, has_labels: bool
) -> list[tuple[str, str]]:
    """Words and what they mean, in the order in which the page has them.

    Parameters
    ----------
    kind : str
        "label", "relabel" or "finetune".
    verdict : mapping or None
        None without a guard.
    has_labels : bool
        Whether the run gave a label, undone or not.
    """
    objective = "loss" if verdict is None else str(verdict["objective"])
    objective = objective.replace("_", " ")
    nats = ", in nats" if objective == "log loss" else ""
    done = "switch of a label" if kind == "relabel" else "label"
    found = []
    if verdict is not None:
        thirds = [
            (
                "guard",
                "Repeats the run three times, each time without a third of the "
                "validation rows, and judges every round by the third left out. It "
                "ends a run that does harm, and undoes the rounds after the best.",
            ),
            (
                "held-out rows",
                "The three thirds together: every validation row, judged by the one "
                "of the guard's runs that did not see it.",
            ),
        ]
        found = OF_FINE_TUNING if kind == "finetune" else thirds
        found = [*found, *_of_options(verdict)]
    found.append(
        ("round", "One batch is picked, and the model is fitted again with it.")
    )
    if has_labels:
        found.append(
            (
                "influence",
                f"By how much the {objective} on the validation rows would fall"
                f"{nats}, by a first-order estimate, if this one {done} were "
                "added. Above zero helps. The estimate may be many times too high "
                "where few rows or a weak penalty (a large C) hold the model; its sign "
                "and order say more than its size.",
            )
        )
        found.append(("\u00b1", "One standard error."))
    return found


def _of_options(verdict: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The options with labels of the run, which bear its name."""
    names = [row["option"] for row in verdict["options"]]
    what = {True: "labels switched by the run", False: "labels given by the run"}
    return [
        (
            name,
            f"Trained on the training rows with the {what[name.startswith(RELABELED)]}"
            + (", and on the validation rows." if "+" in name else "."),
        )
        for name in names
        if name.startswith(ASSIGNED)
    ]
