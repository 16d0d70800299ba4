"""An explained row in words and small tables, for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from salutary.cli.explained_values import (
    cut,
    digits_of,
    named_row,
    place_of,
    plus_minus,
    quoted,
    value_in_words,
)
from salutary.labeling.explanation import SURE, Explanation
from salutary.runs.explain import ExplainedRow

WIDTH = 80
"""Columns of a terminal that lines are made for."""

MOST_CLASSES, MOST_COLUMNS, MOST_ROWS = 8, 8, 3
"""Lines of each table; of more, the rest is summed up."""

FEW = 0.05
"""A row is far from the labeled rows if no more of them are as far from others."""

MUCH = 0.5
"""Share of an influence, from which on a validation row that has it is worth a word."""

OUTSTANDING = 10
"""And how many times what it does for a row that it helps on average."""

OBJECTIVES = {
    "log_loss": "log loss",
    "balanced": "balanced log loss",
    "worst_group": "log loss of the worst group",
    "cost": "expected cost",
}

BEYOND = {
    "new": "that no row of TRAIN has",
    "below": "that is below all of TRAIN",
    "above": "that is above all of TRAIN",
}


def explained_text(found: ExplainedRow) -> str:
    """All that is known of a row's label, in lines of at most `WIDTH` columns."""
    console = Console(file=StringIO(), width=WIDTH, highlight=False, markup=False)
    with console.capture() as shown:
        for number, (title, parts) in enumerate(_sections(found)):
            if number:
                console.print()
            if title:
                console.print(Text(title))
            for part in parts:
                console.print(Text(part) if isinstance(part, str) else part)
    lines = (line.rstrip() for line in shown.get().splitlines())
    return "".join(f"{line}\n" for line in lines)


Part = str | Table


def _sections(found: ExplainedRow) -> Iterator[tuple[str, Iterable[Part]]]:
    why = found.explanation
    label = quoted(why.label)
    yield "", _head(found)
    yield "WHAT SPEAKS AGAINST IT", _doubts(found)
    yield "WHAT EACH LABEL WOULD BRING", _classes(found)
    yield "WHAT THE MODEL MAKES OF THE ROW", _columns(why)
    yield "THE NEAREST LABELED ROWS", _nearest(why)
    yield f"WHICH VALIDATION ROWS {label} HELPS AND HURTS", _validation(why)
    if len(why.folds):
        yield "WHETHER THE GUARD'S RUNS AGREE", _folds(why)
    if found.round is not None:
        yield "WHAT ITS ROUND BROUGHT", _of_round(found.round, found.objective)


def _head(found: ExplainedRow) -> Iterator[Part]:
    why, objective = found.explanation, OBJECTIVES[found.objective]
    label, number = quoted(why.label), found.model_round
    name = named_row(found.table, found.row, found.id)
    if found.round is None:
        kept = "got no label"
        if why.instead_of is not None:
            kept = f"keeps its label {quoted(why.instead_of)}"
        when = f"after round {number}" if number else "of TRAIN alone"
        yield (
            f"{name} {kept}. Under the run's last model ({when}), the rule would "
            f"prefer {label}."
        )
    else:
        done = f"got the label {label}"
        if why.instead_of is not None:
            done = f"had its label switched from {quoted(why.instead_of)} to {label}"
        yield (
            f"{name} {done} in round {found.round['number']}, as pick "
            f"{found.round['pick']} of {found.round['picks']}."
            + (" The guard undid that round." if found.round["undone"] else "")
        )
    size = plus_minus(why.influence, why.influence_se)
    change = "rise" if why.influence < 0 else "fall"
    done = "if one more row like this one were trained on with it"
    if why.instead_of is not None:
        done = "if the row had it"
    yield (
        f"The influence of {label} is {size}. By about so much the {objective} on the "
        f"{len(why.validation)} validation rows would {change} {done}. That is a "
        "first-order estimate, and rows are picked because theirs is large, so expect "
        "less."
    )
    if why.rank is not None:
        larger = why.rank - 1
        more = "none has" if not larger else f"{larger} {_has(larger)}"
        yield f"Of {why.n_ranked} rows that could get a label, {more} a larger one."
    if found.round and why.rank is not None and why.rank > found.round["picks"]:
        yield (
            "A rule also looks at how probable labels are, or picks rows one by one, "
            "each in view of those before it."
        )
    yield from _recorded(found)
    yield from _of_texts(found)


def _of_texts(found: ExplainedRow) -> Iterator[str]:
    if found.command == "finetune":
        yield (
            "What follows is about the logistic regression on the language model's "
            "vectors, by which labels are chosen, and not about the fine-tuned model."
        )


def _recorded(found: ExplainedRow) -> Iterator[str]:
    """What to say where the run's own figure is another one."""
    if found.round is None:
        return
    noted, scale = found.round["influence"], found.explanation.classes["influence"]
    if np.isclose(
        noted, found.explanation.influence, rtol=1e-3, atol=1e-5 * scale.abs().max()
    ):
        return
    noted = plus_minus(noted, found.round["influence_se"])
    yield (
        f"The run itself noted {noted}: it estimated the effect more closely, or knew "
        "the picks before this one."
    )


def _doubts(found: ExplainedRow) -> Iterator[str]:
    doubts = [*_doubts_of(found)]
    if not doubts:
        yield "- Nothing of what was looked for."
    for doubt in doubts:
        yield f"- {doubt}"


def _doubts_of(found: ExplainedRow) -> Iterator[str]:
    why = found.explanation
    if not why.is_sure:
        yield "Its influence is within two standard errors of nothing."
    n_folds = len(why.folds)
    if why.n_agreeing < n_folds:
        yield (
            f"Only {why.n_agreeing} of the guard's {n_folds} runs agree that the label "
            "helps."
        )
    if why.guess != why.label:
        chance = why.of(why.guess)["probability"]
        yield (
            f"The model itself holds {quoted(why.guess)} more probable ({chance:.2f})."
        )
    for feature, how in found.unusual.items():
        names = why.contributions.index.tolist()
        value = why.values[names.index(feature)] if feature in names else None
        said = value_in_words(value)
        yield f"It has a value in {quoted(feature)} {BEYOND[how]}: {said}."
    if why.farther <= FEW:
        yield (
            "It is unlike the labeled rows: none of them is as far from its nearest "
            "one."
            if not why.farther
            else f"It is unlike the labeled rows: only {_share(why.farther)} of them "
            "are as far from their nearest one."
        )
    effect = why.validation["effect"]
    usual = effect[effect > 0].mean()
    if effect.max() >= max(MUCH * why.influence, OUTSTANDING * usual) > 0:
        row = place_of(why.validation.iloc[effect.argmax()])
        share = effect.max() / why.influence
        yield (
            f"Without one validation row, {row}, it would not help at all."
            if share >= 1
            else f"{share:.0%} of its influence comes from one validation row, {row}."
        )
    brought = found.round or {}
    if brought.get("canary_fall") is not None and brought["canary_fall"] <= 0:
        yield "Its round as a whole did not lower the held-out loss."


def _classes(found: ExplainedRow) -> Iterator[Part]:
    why = found.explanation
    table = why.classes.sort_values("influence", ascending=False, kind="stable")
    special = [why.label, why.instead_of, why.guess, why.runner_up]
    if len(table) > MOST_CLASSES:
        listed = table["label"].isin([each for each in special if each is not None])
        listed |= table["label"].isin(table["label"].iloc[: MOST_CLASSES - 2])
        table = table[listed]
    lines = []
    for line in table.to_dict("records"):
        role = []
        if line["label"] == why.label:
            role.append("given" if found.round else "preferred")
        if line["label"] == why.instead_of:
            role.append("its own label")
        if line["label"] == why.guess:
            role.append("the model's guess")
        if line["label"] == why.runner_up and len(why.classes) > 2:
            role.append("runner-up")
        lines.append(
            (
                cut(line["label"]),
                plus_minus(line["influence"], line["influence_se"], sign=" "),
                f"{line['probability']:.3f}",
                ", ".join(role),
            )
        )
    titles = ("label", " influence", "probability", "")
    yield _table(titles, lines, "llrl")
    if len(table) < len(why.classes):
        yield f"  and {len(why.classes) - len(table)} more labels"


def _columns(why: Explanation) -> Iterator[Part]:
    others = why.classes[why.classes["label"] != why.label]
    other = others.loc[others["probability"].idxmax(), "label"]
    added = (why.contributions[why.label] - why.contributions[other]).to_numpy()
    start = float(why.intercept[why.label] - why.intercept[other])
    total = added.sum() + start
    yield (
        f"What each column adds to the log odds of {quoted(why.label)} against "
        f"{quoted(other)}, compared with an average row:"
    )
    order = np.argsort(-np.abs(added), kind="stable")
    top, rest = order[:MOST_COLUMNS], order[MOST_COLUMNS:]
    names = why.contributions.index.tolist()
    lines = [
        (cut(names[place]), value_in_words(why.values[place]), f"{added[place]:+z.3f}")
        for place in top
    ]
    if len(rest):
        lines.append((f"{len(rest)} more columns", "", f"{added[rest].sum():+z.3f}"))
    lines.append(("an average row", "", f"{start:+z.3f}"))
    lines.append(("together", "", f"{total:+z.3f}"))
    yield _table(("column", "value", "adds"), lines, "llr")
    odds = float(np.exp(min(abs(total), 700.0)))
    said = f"{odds:.3g} to 1" if total >= 0 else f"1 to {odds:.3g}"
    yield f"So the model's odds for {quoted(why.label)} are {said}."


def _nearest(why: Explanation) -> Iterator[Part]:
    digits = digits_of(why.nearest["distance"], fewest=0)
    lines = [
        (place_of(line), cut(line["label"]), f"{line['distance']:.{digits}f}")
        for line in why.nearest.to_dict("records")
    ]
    yield _table(("row", "label", "distance"), lines, "llr")
    yield (
        f"{_share(why.farther).capitalize()} of the labeled rows are farther from "
        "their nearest one than this row is."
        if why.farther
        else "No labeled row is farther from its nearest one than this row is."
    )


def _validation(why: Explanation) -> Iterator[Part]:
    table, effect = why.validation, why.validation["effect"]
    digits = digits_of(effect)
    helped, hurt = effect[effect > 0], effect[effect < 0]
    whole = digits_of(pd.Series([helped.sum(), hurt.sum(), effect.sum()]))
    yield (
        f"It helps {len(helped)} of {len(table)} rows, by {helped.sum():.{whole}f} in "
        f"all, and hurts {len(hurt)}, by {-hurt.sum():.{whole}f}. The difference is "
        "its influence. Some of them, with their labels, what the model held their "
        "labels' probability to be, and their part in the influence:"
    )
    lines: list[tuple[str, ...]] = []
    for word, order in (("helps", effect.nlargest), ("hurts", effect.nsmallest)):
        part = order(MOST_ROWS)
        part = part[part > 0] if word == "helps" else part[part < 0]
        for line in table.loc[part.index].to_dict("records"):
            lines.append(
                (
                    f"{word} most"
                    if not any(row[0] == f"{word} most" for row in lines)
                    else "",
                    place_of(line),
                    cut(line["label"]),
                    f"{line['probability']:.3f}",
                    f"{line['effect']:+.{digits}f}",
                )
            )
    titles = ("", "row", "label", "probability", "part")
    yield _table(titles, lines, "lllrr")


def _folds(why: Explanation) -> Iterator[Part]:
    yield (
        f"The guard repeats the run {len(why.folds)} times, each time without a part "
        "of the validation rows. In these runs, as they were then, the label's "
        "influence is"
    )
    lines = []
    for number, line in enumerate(why.folds.to_dict("records"), start=1):
        own = "" if line["label"] is None else f"had given it {quoted(line['label'])}"
        lines.append(
            (
                f"run {number}",
                plus_minus(line["influence"], line["influence_se"], sign=" "),
                _what_a_run_says(line["influence"], line["influence_se"]),
                own,
            )
        )
    yield _table(("", " influence", "", ""), lines, "llll")


def _what_a_run_says(influence: float, error: float) -> str:
    """Whether a label helps by a run of the guard, and if that may be chance."""
    word = "helps" if influence > 0 else "does not help"
    unsure = np.isfinite(error) and abs(influence) <= SURE * error
    return f"{word}, maybe by chance" if unsure else word


def _has(number: int) -> str:
    return "has" if number == 1 else "have"


def _share(share: float) -> str:
    """A share of rows above none, of which a small one is not rounded to none."""
    return f"{share:.0%}" if share >= 0.005 else "fewer than 1%"


def _of_round(brought: dict[str, Any], objective: str) -> Iterator[Part]:
    picks = brought["picks"]
    word = "label" if picks == 1 else "labels together"
    before, after = brought["validation_loss"]
    line = f"Round {brought['number']}, {picks} {word}: validation loss "
    line += f"{before:.4f} -> {after:.4f}"
    fall, error = brought["canary_fall"], brought["canary_se"]
    if fall is not None:
        before, after = brought["canary_loss"]
        line += f", held-out loss {before:.4f} -> {after:.4f}, "
        size = plus_minus(abs(fall), error)
        line += f"{'lower' if fall > 0 else 'higher'} by {size}"
        if error is not None and abs(fall) < SURE * error:
            line += ", which may be chance"
    yield f"{line}."
    if fall is None:
        yield "There was no guard, so no row is left that shows what it really brought."
    elif brought["undone"] and brought["finished"]:
        yield "The guard undid it, so the model has none of these labels."
    elif brought["undone"]:
        yield "Whether it stays, later rounds decide."
    else:
        yield "The guard kept it."
    if picks > 1:
        yield "What a single label of them did cannot be told apart."


def _table(titles: Sequence[str], lines: Sequence[Sequence[str]], sides: str) -> Table:
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="", expand=False
    )
    for place, (title, side) in enumerate(zip(titles, sides, strict=True)):
        table.add_column(
            Text(f"  {title}" if place == 0 else title),
            justify="right" if side == "r" else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=None if side == "l" else max(len(line[place]) for line in lines),
        )
    for line in lines:
        first, *others = line
        table.add_row(Text(f"  {first}"), *map(Text, others))
    return table
