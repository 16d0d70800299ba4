"""The verdict in lines for a person, the same after every command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def verdict_lines(verdict: dict[str, Any]) -> Iterator[str]:
    """A table of what was compared, with the advised option marked, and the advice.

    Parameters
    ----------
    verdict : dict
        As of `salutary.advice.verdict.Verdict.to_dict`.
    """
    objective = verdict["objective"]
    yield (
        f"  {'trained on':<28}{'accuracy':>8}{objective.replace('_', ' '):>10}"
        f"{'behind':>8}{'95% interval':>18}"
    )
    for row in verdict["options"]:
        mark = ">" if row["option"] == verdict["option"] else " "
        interval = f"{row['lower']:z.3f} to {row['upper']:z.3f}"
        if row["lower"] == row["upper"] == 0:
            interval = ""
        yield (
            f"{mark} {row['option']:<28}{row['accuracy']:>8.3f}{row['loss']:>10.4f}"
            f"{row['difference']:>z8.3f}{interval:>18}"
        )
    yield from FOOTNOTES
    yield verdict["sentence"]


FOOTNOTES = (
    "Each is judged on validation rows that its model was not fitted on, with its C",
    "tuned on others. Behind: how much higher the loss is than the advised one's (>).",
)
