"""What a page says of a comparison by ``salutary advise --out``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salutary.advice.comparison import how_pool_is_used, rows_of_pool
from salutary.displays.advice import AdviceDisplay
from salutary.names import TRAIN_AND_VALIDATION, WHOLE_POOL
from salutary.report.answer import Answer, baselines, beyond_both_tables, leaning
from salutary.report.made import (
    MOST_FEATURES,
    commands_of,
    features_of,
    next_steps,
    settings_of,
    tables_of,
)
from salutary.report.plots import picture
from salutary.report.warnings import warnings_of

HEADLINES = {
    "better": "Assigned labels would help.",
    "worse": "A model does better without assigned labels.",
    "rather better": "Assigned labels may help, but that may be chance.",
    "rather worse": "Assigned labels do not seem to help.",
    "no difference": "Whether assigned labels would help is not sure.",
    "no labels": "No label would be given.",
}


def advice_context(run_dir: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """All that the template of a comparison shows.

    Parameters
    ----------
    run_dir : Path
    facts : mapping
        Of its ledger.
    """
    report = facts.get("report") or {}
    outcome = report.get("outcome")
    features = features_of(report)
    context = {
        "title": f"salutary advise: {run_dir.name}",
        "kicker": f"salutary advise · {run_dir.name}",
        "mood": "open",
        "verdict": outcome,
        "baselines": baselines(outcome),
        "answer": advice_answer(outcome),
        "warnings": [
            *how_pool_is_used(outcome or {}),
            *rows_of_pool(outcome or {}, "--all"),
            *warnings_of(report),
        ],
        "forest": None,
        "features": features[:MOST_FEATURES],
        "n_features_hidden": max(0, len(features) - MOST_FEATURES),
        "next_steps": next_steps(run_dir, facts, report, None),
        "commands": commands_of(run_dir, facts),
        "tables": tables_of(facts, report),
        "settings": settings_of(facts),
    }
    if outcome is not None:
        display = AdviceDisplay.from_verdict(outcome)
        context["forest"] = picture(
            "forest",
            display.plot,
            "How much higher the loss of each option is than that of the advised one",
            "Right of zero is worse. An option whose bar reaches zero may do as well "
            "as the advised one.",
            display.frame,
            height=1.2 + 0.34 * len(display.frame),
            columns=None,
        )
    return context


def advice_answer(outcome: Mapping[str, Any] | None) -> Answer:
    """What a reader sees first; None for a comparison that has not finished."""
    if outcome is None:
        return Answer(
            "The comparison has not finished.",
            "It goes on by 'salutary resume'.",
            "",
            None,
        )
    beyond = beyond_both_tables(outcome, "labels")
    headline = HEADLINES[leaning(outcome)]
    if outcome["option"] == WHOLE_POOL:
        headline = _of_pool(outcome)
    if outcome["finding"] == "no labels":
        beyond = "No assigned label was kept."
    return Answer(headline, beyond, "", outcome["sentence"])


def _of_pool(outcome: Mapping[str, Any]) -> str:
    """Whether the pool that takes part without labels helps, and how sure that is."""
    options = {row["option"]: row for row in outcome["options"]}
    if options[TRAIN_AND_VALIDATION]["lower"] > 0:
        return "The whole pool helps, without labels."
    return "The whole pool may help, without labels, but that may be chance."
