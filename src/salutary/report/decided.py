"""What a page says of people's decisions about the labels of a run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salutary.ledgers.decisions import Decision
from salutary.report.visible import number, visible

WORDS = {"accept": "accepted", "change": "changed to", "reject": "rejected"}


def decision_words(one: Decision | None, longest: int = 60) -> str:
    """A decision in words; nothing if there is none.

    Examples
    --------
    >>> decision_words(Decision(0, 7, "r7", "change", "cat", "review", ""))
    'changed to cat'
    >>> decision_words(None)
    ''
    """
    if one is None:
        return ""
    word = WORDS.get(one.decision, visible(one.decision, longest))
    return f"{word} {visible(one.label, longest)}" if word == "changed to" else word


def decided_sentence(run_dir: Path, facts: Mapping[str, Any], n_decided: int) -> str:
    """What people have decided, and what of the page it has changed.

    Empty where they have decided nothing.

    Parameters
    ----------
    run_dir : Path
    facts : mapping
        Of the run, as in its ledger.
    n_decided : int
        Number of labels with a decision that holds.
    """
    made = facts.get("decisions", {"count": 0})["count"]
    if not (n_decided or facts.get("decisions_used")):
        return ""
    history = (
        "Figures, pictures and the verdict on this page are of the labels as the run "
        "assigned them."
    )
    if facts.get("decisions_used", 0) != made or not facts.get("report"):
        return (
            f"People have decided about {n_decided} of these labels, and the results "
            f"are not fitted again yet: salutary resume {shlex.quote(str(run_dir))}. "
            f"{history}"
        )
    found = facts["report"]["outcome"].get("decisions")
    if found is None:  # all were undone
        return ""
    before, after = found["validation_loss"]
    return (
        f"People have accepted {found['accepted']}, changed {found['changed']} and "
        f"rejected {found['rejected']} of these labels. The model in this directory is "
        f"fitted to what they decided; its validation loss is {number(after)}, with "
        f"the labels as assigned {number(before)}. {history}"
    )
