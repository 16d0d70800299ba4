"""What does it bring to look at a shortlist again, and to pick one by one?

    python -m studies.shortlist

labels by the plausible rule in four ways: by first order or by Newton's estimate, and
the best of a batch together or one by one, each knowing those before it; and writes
``docs/studies/shortlist``. It resumes from the measurements it finds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from salutary.arrays import as_float64
from salutary.influence.add_one_in import estimate_decreases
from salutary.labeling.batch import choose_batches, look
from salutary.labeling.fitting import Snapshot, begin, extend, weighted_training_rows
from salutary.labeling.problem import Problem
from salutary.labeling.rules import RULES, Rule
from salutary.labeling.scoring import SHORTLIST, score_pool
from salutary.labeling.selection import Selection, keep_best
from salutary.pools.arrays import ArrayPool
from studies.rules_runs import draw, problem_of
from studies.writing import environment, write_study

SETS = ("digits", "waveform", "electric")
PENALTIES = (0.1, 1.0)
SEEDS = range(5)
BUDGET, BATCH, COPIES = 50, 10, 10
PLAUSIBLE = RULES["plausible"]

Way = Callable[[Problem, Snapshot], Selection]


def first_order_together(problem: Problem, snapshot: Snapshot) -> Selection:
    """The best rows by first-order influence, all at once."""
    return choose_batches(problem, problem.validation, snapshot, BATCH)["p^1"]


def first_order_greedily(problem: Problem, snapshot: Snapshot) -> Selection:
    """First-order picks, each after the model has moved with the picks before it."""
    greedy = Rule(PLAUSIBLE.variants, greedy=True)
    return first_order_together(replace(problem, rule=greedy), snapshot)


def newton_greedily(problem: Problem, snapshot: Snapshot) -> Selection:
    """Picks by Newton's estimate, each after a refit with the picks before it."""
    return first_order_together(replace(problem, estimate="newton"), snapshot)


def newton_together(problem: Problem, snapshot: Snapshot) -> Selection:
    """The best of a shortlist by Newton's estimate, all at once."""
    validation = problem.validation
    view = look(problem, validation, snapshot, SHORTLIST * BATCH)
    found = score_pool([view]).shortlists[0]["p^1"]
    training, _ = weighted_training_rows(problem, snapshot)
    X = as_float64(problem.pool.X[found.rows])
    decreases = estimate_decreases(
        snapshot.model,
        training,
        X,
        np.ones((len(found), len(problem.classes))),
        as_float64(validation.X),
        problem.objective_of(validation),
        "newton",
    )
    probability = view.factored.model.probability(X)
    scores = PLAUSIBLE.variants["p^1"](decreases, probability)
    nothing = Selection.empty(len(problem.classes))
    return keep_best(nothing, found.rows, scores, decreases, probability, BATCH)


WAYS: dict[str, Way] = {
    "first order, together": first_order_together,
    "first order, one by one": first_order_greedily,
    "newton, together": newton_together,
    "newton, one by one": newton_greedily,
}


def copied(problem: Problem) -> Problem:
    """The problem with a hundredth of its pool, each row ten times."""
    rows = np.repeat(np.arange(0, problem.pool.X.shape[0], 100), COPIES)
    free, ones = np.ones(len(rows), dtype=bool), np.ones(len(rows))
    return replace(problem, pool=ArrayPool(problem.pool.X[rows], free, ones))


def measure(data: str, C: float, seed: int) -> Iterator[dict[str, Any]]:
    """All ways on one draw."""
    drawn = draw(data, 0.2, seed)
    problem = problem_of(drawn, C, PLAUSIBLE, seed, guard=False)
    before = begin(problem)
    for way, batch in WAYS.items():
        began, snapshot = time.perf_counter(), before
        while len(snapshot) < BUDGET:
            chosen = batch(problem, snapshot)
            if not len(chosen):
                break  # no row is found to help
            snapshot = extend(problem, snapshot, chosen.rows, chosen.labels)
        seconds = time.perf_counter() - began
        of_copies = batch(copied(problem), before)
        yield {
            "way": way,
            "start_log_loss": drawn.test.mean_loss(before.model),
            "log_loss": drawn.test.mean_loss(snapshot.model),
            "validation_loss": problem.validation.mean_loss(snapshot.model),
            "distinct": len(np.unique(of_copies.rows // COPIES)),
            "seconds": seconds,
        }


@dataclass(frozen=True)
class WaysCompared:
    """What each way does to the log loss, and what it costs.

    Parameters
    ----------
    found : DataFrame
        All measurements.
    """

    found: pd.DataFrame

    def means(self) -> pd.DataFrame:
        """Means over the draws, ways in their order."""
        grouped = self.found.groupby(["data", "C", "way"]).mean(numeric_only=True)
        return grouped.reindex(list(WAYS), level="way")

    def frame(self) -> pd.DataFrame:
        """A row for each data set, penalty and way."""
        means = self.means()
        return pd.DataFrame(
            {
                "log loss at the start": means["start_log_loss"].round(4),
                "log loss": means["log_loss"].round(4),
                "validation loss": means["validation_loss"].round(4),
                f"distinct of {BATCH} in a pool of copies": means["distinct"].round(1),
                "seconds": means["seconds"].round(2),
            }
        ).reset_index()

    def plot(self) -> Figure:
        """Decrease of the log loss by each way."""
        means = self.means()
        fall = (means["start_log_loss"] - means["log_loss"]).unstack("way")[list(WAYS)]
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        panel = figure.subplots()
        places = np.arange(len(fall))
        for number, way in enumerate(WAYS):
            panel.bar(places + 0.2 * number - 0.3, fall[way], 0.2, label=way)
        names = [f"{name}, C {C:g}" for name, C in fall.index]
        panel.set_xticks(places, names, fontsize=8)
        panel.set_ylabel("fall of the log loss")
        panel.legend(fontsize=7, loc="upper center")
        return figure


def main() -> None:
    write_study(
        "shortlist",
        {"data": SETS, "C": PENALTIES, "seed": SEEDS},
        measure,
        lambda found: {"Four ways to choose a batch": WaysCompared(found)},
        heading=(
            "What does it bring to look at a shortlist again, and to pick one by one?",
            f"Plausible rule, no guard, 20% to validate, {BUDGET} labels in rounds of "
            f"{BATCH}, means over {len(SEEDS)} draws as in the study of rules. The "
            f"pool of copies has a hundredth of the pool's rows, each {COPIES} times. "
            f"{environment()}.",
        ),
    )


if __name__ == "__main__":
    main()
