"""Whether a run's labels helped, in words that need no knowledge of how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from salutary.advice.verdict import LABELED
from salutary.displays.frames import RunFrames
from salutary.names import TRAIN_AND_VALIDATION
from salutary.report.visible import number, visible, with_error


@dataclass(frozen=True)
class Answer:
    """What a reader sees first.

    Parameters
    ----------
    headline : str
        Whether it helped, in one sentence.
    beyond : str
        How much it helps beyond training on both tables.
    held_out : str
        What the run did to the loss that it was judged by itself.
    advice : str or None
        The sentence of the verdict.
    """

    headline: str
    beyond: str
    held_out: str
    advice: str | None


HEADLINES = {
    "better": "Yes, the {labels} help.",
    "worse": "No: the best model without the {labels} is better.",
    "rather better": "The {labels} may help, but that may be chance.",
    "rather worse": "The {labels} do not seem to help.",
    "no difference": "Whether the {labels} help is not sure.",
    "no labels": "No {label} was given, as none was seen to help.",
}


def answer_of(
    frames: RunFrames,
    outcome: Mapping[str, Any],
    label: str,
    labels: str,
    least_z: float = 0.0,
) -> Answer:
    """Say whether a run's labels helped.

    Parameters
    ----------
    frames : RunFrames
    outcome : mapping
        Figures of the run as in run.json; empty if it has not finished.
    label, labels : str
        What the run assigns: "label" or "switch", and more of them.
    least_z : float, default=0.0
        The standard errors that an influence had to reach.
    """
    verdict = frames.verdict
    kept = int((~frames.labels["undone"]).sum())
    held_out = _held_out(frames, kept)
    if not outcome:
        headline = "The run has not finished, so nothing judges it yet."
        return Answer(headline, "It goes on by 'salutary resume'.", held_out, None)
    if verdict is None:
        headline = f"Nothing can tell whether the {labels} help."
        if not kept:
            headline = f"No {label} was given."
        beyond = (
            "The run had no guard, so no validation row is left that did not choose "
            f"the {labels}. 'salutary advise' compares them with training on both "
            "tables."
        )
        return Answer(headline, beyond, held_out, None)
    headline = HEADLINES[leaning(verdict)].format(label=label, labels=labels)
    beyond = beyond_both_tables(verdict, labels)
    if not kept:
        if least_z:
            headline = (
                f"No {label} was given: none reached {least_z:g} standard errors."
            )
        if len(frames.labels):
            headline = f"No: all {labels} were undone, as they were not seen to help."
        beyond = "Nothing is gained beyond training on both tables."
        beyond += _with_undone(frames, labels)
    return Answer(headline, beyond, held_out, verdict["sentence"])


def leaning(verdict: Mapping[str, Any]) -> str:
    """The finding of a verdict, and which way it leans where it is not sure.

    Returns
    -------
    str
        One of the names in `HEADLINES`.
    """
    finding, difference = str(verdict["finding"]), verdict["difference"]
    if finding != "no difference" or round(difference["mean"], 4) == 0:
        return finding
    return "rather better" if difference["mean"] < 0 else "rather worse"


def beyond_both_tables(verdict: Mapping[str, Any], labels: str) -> str:
    """How the best use of the labels compares with training on both tables.

    What is advised comes first where it is neither of the two.
    """
    options = {row["option"]: row for row in verdict["options"]}
    having = [
        row
        for name, row in options.items()
        if name.startswith(LABELED) and row["labels"]
    ]
    both = options.get(TRAIN_AND_VALIDATION)
    if verdict["finding"] == "no labels":
        return ""
    if not having or both is None:
        return "They were not compared with training on both tables."
    best = min(having, key=lambda row: row["loss"])
    loss = str(verdict["objective"]).replace("_", " ")
    limits = _limits(verdict, best, both)
    advised = options[verdict["option"]]
    text = (
        f"With the {labels} ({best['option']!r}) the {loss} is {number(best['loss'])}."
    )
    if advised not in (best, both):
        text += (
            f" {visible(advised['option'])!r}, the best without them, has "
            f"{number(advised['loss'])}: with the {labels} it is "
            f"{_behind(best['difference'])}{_how_sure((best['lower'], best['upper']))}"
        )
    text += (
        f" Training on both tables has {number(both['loss'])}: beyond that, with the "
        f"{labels} it is {_behind(best['loss'] - both['loss'])}{_how_sure(limits)}"
    )
    if limits is None:
        text += " Of that difference this run has no interval."
    return text


def _behind(difference: float) -> str:
    word = "higher (worse)" if difference > 0 else "lower (better)"
    return f"{number(abs(difference))} {word}"


def _how_sure(limits: tuple[float, float] | None) -> str:
    """The end of a sentence about a difference, with its 95% interval."""
    if limits is None:
        return "."
    lower, upper = limits
    if lower <= 0 <= upper:
        return (
            f", maybe by chance: the 95% interval is from {number(-lower)} better "
            f"to {number(upper)} worse."
        )
    low, high = sorted((abs(lower), abs(upper)))
    return f" (95% interval {number(low)} to {number(high)})."


def _limits(
    verdict: Mapping[str, Any], best: Mapping[str, Any], both: Mapping[str, Any]
) -> tuple[float, float] | None:
    """The 95% interval of how much higher the labels' loss is, if the verdict has it.

    The verdict's own differences are used where they compare the same two; they allow
    for several options with labels. Runs of old have no ``beyond``.
    """
    mean = best["loss"] - both["loss"]
    for found in (verdict.get("beyond"), verdict["difference"]):
        if found is not None and np.isclose(found["mean"], mean, atol=1e-12):
            return found["lower"], found["upper"]
    if both["option"] == verdict["option"]:
        return best["lower"], best["upper"]
    if best["option"] == verdict["option"]:
        return -both["upper"], -both["lower"]
    return None


def _held_out(frames: RunFrames, kept: int) -> str:
    """What the rounds that were kept did to the held-out loss."""
    rounds = frames.rounds.set_index("round")
    first, best = rounds.loc[0], rounds.loc[frames.best_round]
    if not kept:
        return (
            "The model that is left is that of the training table alone. Under the C "
            f"of the run its validation loss is {number(first['validation_loss'])}; "
            "what it is compared with has a tuned C."
        )
    name, column = "held-out", "canary_loss"
    if np.isnan(first[column]):
        name, column = "validation", "validation_loss"
    before, after = first[column], best[column]
    fall = abs(before - after)
    size = with_error(fall, best["canary_se"] if name == "held-out" else None)
    word = "fell" if after <= before else "rose"
    text = (
        f"Beyond the training table alone, without the validation rows: the {name} "
        f"loss {word} from "
        f"{number(before)} to {number(after)}, by {size}"
    )
    if name == "validation":
        return f"{text}, on the rows that chose them, so that says little."
    if fall <= 2 * best["canary_se"]:
        return f"{text}, which may be chance."
    return f"{text}."


def _with_undone(frames: RunFrames, labels: str) -> str:
    """What labels did that were undone; nothing if there were none."""
    losses = frames.rounds["canary_loss"]
    if not len(frames.labels) or losses.isna().any():
        return ""
    before, after = losses.iloc[0], losses.iloc[-1]
    return (
        f" With the {labels} that were undone, the held-out loss went from "
        f"{number(before)} to {number(after)}."
    )


def baselines(verdict: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    """The options of a verdict, each with what a page shows of it."""
    if verdict is None:
        return []
    rows = []
    for row in verdict["options"]:
        is_advised = row["option"] == verdict["option"]
        weight = row["validation_weight"]
        name = row["option"] + (f", weight {weight:g}" if weight not in (0, 1) else "")
        rows.append(
            {
                **row,
                "name": f"{name} (advised)" if is_advised else name,
                "advised": is_advised,
                "same": row["lower"] == row["upper"] == 0,
            }
        )
    return rows
