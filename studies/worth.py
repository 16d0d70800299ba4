"""What is the advice worth, with options that use a whole pool?

    python -m studies.worth

follows ``advise`` and every option of it on draws of thirteen data sets, judges them by
test rows, and writes ``docs/studies/worth``. It resumes from the measurements it finds:
``--draws 3`` and ``--sizes 100 400`` do less first, ``--jobs 2`` takes two processes,
and ``--show`` writes what is there.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from salutary_benchmark.experiments.experiment import Display
from studies.worth_data import DATA, POOL, SIZES, TEST
from studies.worth_goals import goals
from studies.worth_rules import CHOSEN_ON, TRIAL, Ways
from studies.worth_shown import Options, Worth
from studies.worth_trials import EVERYTHING, measure
from studies.writing import environment, write_study

DRAWS = 20
WRONG = ((0.0,), (0.2, 0.4))
"""Parts of the training labels that are wrong, those first that are measured first."""


READING = f"""\
A trial is a data set, a draw of its rows, N human labels, and a part of the training
labels that is wrong (symmetric noise). Half of the N rows are training rows, half
validation rows, drawn by class; validation rows have right labels. Up to {POOL} further
rows are pool: 5,000 were planned, but a trial takes more than a minute. Up to {TEST}
others test, and nothing else looks at them. Rows of a class that the training labels
lack are left out. Tables are one-hot, images 64 principal components, texts vectors of
all-MiniLM-L6-v2 (of SST-2, whole sentences; of AG News and SST-2, 6,400 texts drawn
once). All are scaled as `salutary.advise` scales arrays, and it runs with its defaults.
Then every option is fitted on all rows it may use and judged by the test rows, as is
"{EVERYTHING}": train, validation and pool with true labels, C by cross-validation.

Differences are to "train + validation", on the same test rows; below zero the log loss
is lower. Means are over draws, with the standard error over draws where there are two
or more. A star marks what is surely not zero: 5% by Student's t over the draws, with
Holm's correction over the data sets. An option is within a standard error of the best
if its test loss is higher than the lowest by no more than the standard error of that
difference over the test rows. "Gap closed" is the part of the way from training on both
to everything labeled, by mean losses.

Ways to decide are evaluated on the stored losses of the cross-fitting, without a fit.
They may be chosen on {", ".join(CHOSEN_ON)}, every second set by name; the others check
the choice. "By k se" is: the option with the lowest cross-fitted loss if that is below
train + validation's by more than k standard errors, else train + validation. "With m
errors more" counts m more validation rows that each model gets wrong. A set's
mean counts as a part of its loss by training on both; sets "better, worse" are those
where the difference is surely not zero. "Chosen" is the way with the lowest mean of
those that are surely worse on no set they are chosen on, by at most 2% on any."""


def trials(n_draws: int, sizes: Iterable[int]) -> list[dict[str, list[Any]]]:
    """All trials in the order in which they say most, so that any number is of use.

    The sizes that goals are about come first, with right labels before wrong ones; then
    draw by draw, each with all data sets.
    """
    goals = [size for size in sizes if size in (100, 400)]
    others = [size for size in sizes if size not in goals]
    return [
        {"wrong": [wrong], "draw": [draw], "size": [size], "data": [data]}
        for rates in WRONG
        for some in (goals, others)
        for draw in range(n_draws)
        for wrong in rates
        for size in some
        for data in DATA
    ]


def heading(found: pd.DataFrame) -> str:
    """How many draws there are, what goals are missed, and how it was done."""
    done = found.drop_duplicates(TRIAL)
    counted = [
        f"{len(trial)} of {DRAWS * len(DATA)} (of {trial['data'].nunique()} of "
        f"{len(DATA)} data sets) at N = {size} with {wrong:.0%} of the training labels "
        "wrong"
        for (wrong, size), trial in done.groupby(["wrong", "size"])
    ]
    judged = goals(found)
    lines = [
        f"**Measured: {len(done)} of {len(trials(DRAWS, SIZES))} trials**: "
        f"{'; '.join(counted)}. What is not named is not measured. Pools have up to "
        f"{POOL:,} rows, not the 5,000 that were planned. One draw of a set shows that "
        "draw alone: no star, no choice of a way to decide, means much before several."
    ]
    for word, is_met in (("Missed", False), ("Met so far", True)):
        named = [f"- {text}" for text, met in judged if met is is_met]
        lines.append("\n".join([f"**{word}:**", "", *(named or ["- none"])]))
    minutes = done[["seconds", "cpu_seconds"]].mean() / 60
    lines.append(
        f"A trial took {minutes['seconds']:.1f} minutes and "
        f"{minutes['cpu_seconds']:.1f} minutes of one core, on a machine with other "
        f"work to do. {environment()}."
    )
    return "\n\n".join([*lines, READING])


def shown(found: pd.DataFrame) -> dict[str, Display]:
    return {
        "The advice against training on both tables": Worth(found),
        "Ways to decide": Ways(found),
        "Every option": Options(found),
    }


def asked(words: Sequence[str] | None = None) -> Namespace:
    """What the command line asks for."""
    parser = ArgumentParser(prog="python -m studies.worth")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=SIZES)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--show", action="store_true", help="measure nothing")
    return parser.parse_args(words)


def main() -> None:
    given = asked()
    write_study(
        "worth",
        [] if given.show else trials(given.draws, given.sizes),
        measure,
        shown,
        heading=("What is the whole pool worth?", heading),
        jobs=given.jobs,
    )


if __name__ == "__main__":
    main()
