"""What to bear in mind about the figures of a run or a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salutary.report.visible import number, visible

SIDES = {"validation": "VAL", "pool": "POOL"}

MUCH_DRIFT, SURE = 0.6, 3.0
"""From which drift on a page warns, and by how many errors it must be above 0.5."""


def warnings_of(report: Mapping[str, Any]) -> list[str]:
    """What to bear in mind about the figures, a sentence each.

    Parameters
    ----------
    report : mapping
        As in run.json; empty for a run that has not finished.
    """
    if not report:
        return []
    outcome, found = report["outcome"], []
    if outcome.get("classes_not_validated"):
        names = ", ".join(
            visible(name, 40) for name in outcome["classes_not_validated"]
        )
        found.append(
            f"No validation row has class {names}, so nothing shows whether labels "
            "help there."
        )
    if outcome.get("recurring_validation_rows"):
        found.append(
            f"{outcome['recurring_validation_rows']} validation rows are also in the "
            "training table or the pool, so losses may look too low."
        )
    guessing = outcome.get("guessing_loss")
    if guessing is not None and outcome["validation_loss"][0] >= guessing:
        found.append(
            "The model before the run is no better than guessing by the frequency of "
            f"each class (validation loss {number(outcome['validation_loss'][0])}, "
            f"guessing {number(guessing)}), so its influences mean little."
        )
    for table, beside in report["checks"]["beside"].items():
        drift, error = beside["drift"], beside["drift_se"]
        if drift is not None and drift > max(MUCH_DRIFT, 0.5 + SURE * (error or 0)):
            names = ", ".join(visible(name, 40) for name in beside["most_different"])
            found.append(
                f"{SIDES.get(table, table)} differs from TRAIN (drift "
                f"{number(drift, 2)}; 0.5 is none), most in {names}."
            )
    distilled, refit = outcome.get("distillation"), outcome.get("refit")
    if refit:
        found.append(
            "The model that is left was trained on the validation rows too, for "
            f"{refit['epochs']} epochs, and its logits are divided by "
            f"{number(refit['temperature'], 2)}, as cross-validation of all rows with "
            "a label says. Figures here are of the run before that."
        )
    if distilled and distilled["used"] and (refit is None or refit["distilled"]):
        found.append(
            "The model that is left has learned from people's labels and from what "
            f"{distilled['teacher']!r} says of the pool, and from no label here. Its "
            f"log loss on the held-out rows is {number(distilled['log_loss'])}; other "
            "figures are those of the run."
        )
    agreement = outcome.get("agreement")
    if agreement is not None:
        found.append(
            f"{agreement:.1%} of the labels that were kept equal the pool's own "
            "labels, which were not used."
        )
    return found
