"""What is the advice worth, with options that use a whole pool?

    python -m studies.worth

follows ``advise`` and every option of it on draws of thirteen data sets, judges them by
test rows, and writes ``docs/studies/worth``. It resumes from the measurements it finds:
``--draws 3`` and ``--sizes 100 400`` do less first, ``--show`` writes what is there.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from salutary_benchmark.experiments.experiment import Display
from studies.worth_data import DATA, SIZES
from studies.worth_trials import measure
from studies.writing import environment, write_study

DRAWS = 20
WRONG = ((0.0,), (0.2, 0.4))
"""Parts of the training labels that are wrong, those first that are measured first."""


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


def shown(found: pd.DataFrame) -> dict[str, Display]:
    return {}


def asked(words: Sequence[str] | None = None) -> Namespace:
    """What the command line asks for."""
    parser = ArgumentParser(prog="python -m studies.worth")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=SIZES)
    parser.add_argument("--show", action="store_true", help="measure nothing")
    return parser.parse_args(words)


def main() -> None:
    given = asked()
    write_study(
        "worth",
        [] if given.show else trials(given.draws, given.sizes),
        measure,
        shown,
        heading=("What is the whole pool worth?", f"{environment()}."),
    )


if __name__ == "__main__":
    main()
