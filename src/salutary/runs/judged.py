"""How validation rows were judged before and after a run of texts, for its page.

The page of a run of tables makes this anew of the coefficients in the ledger. Texts it
would have to embed again, or to fine-tune a model on, so such a run leaves it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import softmax

from salutary.arrays import FloatArray
from salutary.influence.objectives import Truth
from salutary.labeling.steps import Steps
from salutary.runs.kind import FinishedRun


def judged_of(finished: FinishedRun) -> list[dict[str, Any]] | None:
    """Probabilities of validation rows before and after a run; None without texts.

    Returns
    -------
    list of dict or None
        With a guard the held-out rows come first. Each has ``name``, ``truth``, which
        holds positions of classes, and ``before`` and ``after``, a list of
        probabilities for each row.
    """
    if finished.request.sources.texts is None:
        return None
    problem: Steps = finished.prepared.problem
    state, nothing = finished.state, np.zeros(0, dtype=np.intp)
    entry = finished.record.entries[0]
    first = problem.restored(entry.round, nothing, nothing, entry.model)
    seen = problem.seen_logits(first), problem.seen_logits(state.best)
    found = [_judged("validation rows", problem.seen, *seen)]
    if len(problem.canary):
        held = state.canary.start, state.canary.best
        found.insert(0, _judged("held-out rows", problem.canary, *held))
    return found


def _judged(
    name: str, truth: Truth, before: FloatArray, after: FloatArray
) -> dict[str, Any]:
    return {
        "name": name,
        "truth": truth.labels.tolist(),
        "before": softmax(before, axis=1).tolist(),
        "after": softmax(after, axis=1).tolist(),
    }
