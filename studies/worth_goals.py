"""The goals of the study of what advice with a whole pool is worth."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from studies.worth_data import CLUSTERED, DATA
from studies.worth_rules import LARGEST_HARM, by_set, followed
from studies.worth_shown import gap_closed, with_gains

GOAL_SIZES = (100, 400)
POINTS, CLOSED, WITHIN = 0.03, 0.5, 0.85

Goal = tuple[str, bool]
"""A goal with what was found, and whether that meets it."""


def goals(found: pd.DataFrame) -> list[Goal]:
    """Every goal, with what was measured; what was not measured meets none."""
    found = with_gains(found)
    taken = followed(found)
    right = {
        size: taken[(taken["wrong"] == 0) & (taken["size"] == size)]
        for size in GOAL_SIZES
    }
    judged = [goal for size in GOAL_SIZES for goal in _of_size(size, right[size])]
    judged += [_gap(found, taken), *_harm(taken)]
    near = (taken["behind"] <= taken["behind_se"]).mean()
    judged.append(
        (
            f"within a standard error of the best option in {WITHIN:.0%} of trials: "
            f"{near:.0%}",
            bool(near >= WITHIN),
        )
    )
    judged.append(("distillation, which this study does not measure", False))
    return judged


def _of_size(size: int, taken: pd.DataFrame) -> Iterator[Goal]:
    """What is asked of a number of labels, with right labels."""
    sets = by_set(taken) if len(taken) else pd.DataFrame(columns=["is_sure", "mean"])
    n_better = int((sets["is_sure"].astype(bool) & (sets["mean"] < 0)).sum())
    yield (
        f"surely better in log loss than training on both on half of {len(DATA)} sets, "
        f"N = {size}: on {n_better} of the {len(sets)} measured",
        2 * n_better >= len(DATA),
    )
    gains = taken.groupby("data")["gain"].mean()
    words = ", ".join(
        f"{name} {100 * gains[name]:+.1f}" if name in gains else f"{name} not measured"
        for name in CLUSTERED
    )
    yield (
        f"{100 * POINTS:.0f} points of accuracy on each set with clusters, N = {size}: "
        f"{words}",
        all(gains.get(name, 0.0) >= POINTS for name in CLUSTERED),
    )


def _gap(found: pd.DataFrame, taken: pd.DataFrame) -> Goal:
    """Half of the way to everything labeled, on one set with clusters."""
    closed = {}
    for name in CLUSTERED:
        for size in GOAL_SIZES:
            cells = [
                rows[
                    (rows["data"] == name)
                    & (rows["size"] == size)
                    & (rows["wrong"] == 0)
                ]
                for rows in (found, taken)
            ]
            if len(cells[0]):
                closed[f"{name}, N = {size}"] = gap_closed(*cells)
    most = max(closed, key=lambda cell: closed[cell], default=None)
    words = "not measured" if most is None else f"{closed[most]:z.0%} on {most}"
    return (
        f"half of the gap to everything labeled closed on a set with clusters: {words} "
        "at most",
        most is not None and closed[most] >= CLOSED,
    )


def _harm(taken: pd.DataFrame) -> Iterator[Goal]:
    """Surely worse on no set, and on average nowhere by more than 2%."""
    worse, costs, too_few = [], {}, False
    for (wrong, size), own in taken.groupby(["wrong", "size"]):
        sets = by_set(own)
        too_few |= bool((sets["draws"] < 2).any())
        for name, row in sets.iterrows():
            cell = f"{name}, N = {size}, {wrong:.0%} wrong"
            costs[cell] = row["relative"]
            if row["is_sure"] and row["mean"] > 0:
                worse.append(cell)
    words = "; ".join(worse) or "on none"
    if too_few:
        words += ", but one draw of a set cannot tell"
    yield f"surely worse on no set: {words}", not (worse or too_few)
    beyond = {cell: cost for cell, cost in costs.items() if cost > LARGEST_HARM}
    words = "; ".join(f"{cell} {cost:+.1%}" for cell, cost in beyond.items())
    yield (
        f"never worse by more than {LARGEST_HARM:.0%} of log loss on the average of a "
        f"set: {words or 'nowhere'}",
        not beyond,
    )
