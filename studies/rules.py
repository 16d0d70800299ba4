"""Which rule and which guard: does labeling help, and does it ever harm?

    python -m studies.rules

runs rules and guards on digits, the benchmark's nine data sets and three text sets,
under four penalties and two sizes of the validation set, then on three data sets more
that nothing was chosen by, and writes ``docs/studies/rules``. It resumes from the
measurements it finds.
"""

from __future__ import annotations

import pandas as pd

from salutary_benchmark.data.catalog import NINE
from salutary_benchmark.experiments.experiment import Display
from studies.rules_runs import (
    BATCH,
    BUDGET,
    FEW_LABELED,
    N_LABELED,
    ROWS,
    WORDS,
    measure,
)
from studies.rules_shown import GuardsCompared, RulesCompared
from studies.writing import environment, write_study

TEXTS = ("sst2", "mrpc", "ag_news")
SETS = ("digits", *NINE, *TEXTS)
UNSEEN = ("breast_cancer", "rte", "cola")
"""Data sets measured after the default rule and guard had been chosen."""

VALIDATION = (100, 0.2)
SEEDS = range(10)

READING = """\
A cell is a data set (digits; bank, diabetic, electric, celeba, musk, wine, waveform,
mnist, cifar10; sst2, mrpc, ag_news; afterwards breast_cancer, rte, cola), a size of the
validation set and a C (0.02, 0.1, 1 and tuned). A change is that of the log loss on the
test rows from the start to the end of a run, relative to the start, as a mean over the
draws; below zero is better. A cell is significantly worse by a one-sided paired t-test
of the log loss over the draws with Holm's correction over the cells. Guards: each
judges rounds by a cross-validation over three parts of the validation rows, or with
"one canary" by 30% of them set apart. "Keep best" returns the round with the lowest
loss on such rows, "keep 1 se" asks each round that stays for a fall of that many
standard errors below the last that stayed, and stops at a rise of two; "no rise"
compares each round with the one before. "None" undoes nothing, but the rule still
chooses its exponent by those rows; "off" has no such rows, and the exponent is 1. A
round may label fewer than ten rows, as each pick must still seem to help after those
before it, so there can be more than ten. Rows of 2 draws are of what was tried briefly;
compare them with each other only, as with two draws nothing can be significant. Rule
and guard were chosen by the first two tables; the last two are of data sets measured
afterwards."""


def shown(found: pd.DataFrame) -> dict[str, Display]:
    """Rules and guards on the data sets they were chosen on, and on unseen ones."""
    unseen = found["data"].isin(UNSEEN)
    return {
        "Rules": RulesCompared(found[~unseen]),
        "Guards, under the default rule": GuardsCompared(found[~unseen]),
        f"Rules on {', '.join(UNSEEN)}": RulesCompared(found[unseen]),
        f"Guards on {', '.join(UNSEEN)}": GuardsCompared(found[unseen]),
    }


def main() -> None:
    write_study(
        "rules",
        {"seed": SEEDS, "data": (*SETS, *UNSEEN), "validation": VALIDATION},
        measure,
        shown,
        heading=(
            "Which rule, which guard?",
            f"{ROWS} rows of each data set at most, drawn anew {len(SEEDS)} times: "
            f"{N_LABELED} labeled ({', '.join(FEW_LABELED)}: 100), 100 or 20% to "
            f"validate, 20% to test, the rest as pool; {BUDGET} labels in rounds of "
            f"{BATCH}; tables one-hot, images as 64 principal components, texts as "
            f"TF-IDF of {WORDS} words. "
            f"{environment()}.\n\n{READING}",
        ),
        jobs=-1,
    )


if __name__ == "__main__":
    main()
