"""Which rule and which guard: does labeling help, and does it ever harm?

    python -m studies.rules

runs rules and guards on digits, the benchmark's nine data sets and three text sets,
under four penalties and two sizes of the validation set, and writes
``docs/studies/rules``. It resumes from the measurements it finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pandas as pd
from joblib import Parallel, delayed

from benchmarks.measure import data_folder
from salutary.benchmark.datasets import NINE
from studies.rules_runs import BATCH, BUDGET, N_LABELED, ROWS, WORDS, measure
from studies.rules_shown import GuardsCompared, RulesCompared
from studies.writing import environment, write_study

NAME = "rules"
TEXTS = ("sst2", "mrpc", "ag_news")
SETS = ("digits", *NINE, *TEXTS)
VALIDATION = (100, 0.2)
SEEDS = 10

READING = """\
A cell is a data set, a size of the validation set and a C. A change is that of the log
loss on the test rows from the start to the end of a run, relative to the start, as a mean
over the draws; below zero is better. "Significantly below start" is by a paired t-test
over the draws with Holm's correction over the cells. Guards: each judges rounds by a
cross-validation over three parts of the validation rows, or with "one canary" by 30% of
them set apart. "Keep best" returns the round with the lowest loss on such rows, "keep 1
se" asks each round that stays for a fall of that many standard errors below the last that
stayed, and stops at a rise of two; "no rise" compares each round with the one before.
"None" undoes nothing, but the rule still chooses its exponent by those rows; "off" has no
such rows, and the exponent is 1. Draws are fewer for what was tried and not taken."""


def measurements(found: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield all measurements so far after each further draw."""
    keys = list(product(range(SEEDS), SETS, VALIDATION))
    done = set()
    if len(found):
        done = set(zip(found["seed"], found["data"], found["validation"], strict=True))
    work = Parallel(n_jobs=-1, return_as="generator_unordered")
    for rows in work(
        delayed(measure)(name, validation, seed)
        for seed, name, validation in keys
        if (seed, name, validation) not in done
    ):
        found = pd.concat([found, pd.DataFrame(rows)], ignore_index=True)
        yield found


def main() -> None:
    if data_folder() is None:
        raise SystemExit("no real data: set SALUTARY_DATA to the folder with it")
    write_study(
        NAME,
        measurements,
        lambda found: {
            "Rules": RulesCompared(found),
            "Guards, under the default rule": GuardsCompared(found),
        },
        total=len(SETS) * len(VALIDATION) * SEEDS,
        heading=(
            "Which rule, which guard?",
            f"{ROWS} rows of each data set at most, drawn anew {SEEDS} times: "
            f"{N_LABELED} labeled (digits: 100), 100 or 20% to validate, 20% to test, "
            f"the rest as pool; {BUDGET} labels in rounds of {BATCH}; tables one-hot, "
            f"images as 64 principal components, texts as TF-IDF of {WORDS} words. "
            f"{environment()}.\n\n{READING}",
        ),
    )


if __name__ == "__main__":
    main()
