"""Runs of every rule under every guard, for the study of rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from salutary.arrays import FloatArray
from salutary.influence.objectives import row_log_loss
from salutary.labeling import loop
from salutary.labeling.definition import Fold, split_folds
from salutary.labeling.fitting import Snapshot, begin
from salutary.labeling.guard import mean_decrease
from salutary.labeling.loop import State, advance, start
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import RULES, Rule
from salutary.labeling.splits import hold_out
from salutary.pools.arrays import ArrayPool
from salutary_benchmark.data.catalog import find_data_set
from salutary_benchmark.data.loading import Rows, load
from salutary_benchmark.data.splits import make_encoder, split
from salutary_benchmark.strategies.task import best_C
from studies.writing import real_data

PENALTIES = ("0.02", "0.1", "1", "tuned")
SEEDS_OF_OTHERS = 2
"""Number of draws for rules and guards that were tried and not adopted."""

ROWS = 4_000
"""Rows drawn from a data set for each seed; 20% of them are test rows."""
N_LABELED, BUDGET, BATCH = 300, 100, 10
FEW_LABELED = ("digits", "breast_cancer")
"""Data sets too small for 300 labeled rows; they have 100."""

GUARD = "keep best, stop at 1 se"
"""The name of the loop's own guard in this study."""
WORDS = 1_000


@dataclass(frozen=True)
class Drawn:
    """One draw of a data set's rows, as matrices and classes from 0."""

    labeled: LabeledRows
    validation: LabeledRows
    pool: LabeledRows
    test: LabeledRows


@lru_cache(maxsize=1)
def _loaded(name: str) -> Rows:
    return load(find_data_set(name), real_data())


def draw(name: str, validation: float, seed: int) -> Drawn:
    """Labeled, validation, pool and test rows, encoded."""
    rows = _loaded(name)
    chosen = np.arange(len(rows.y))
    if len(chosen) > ROWS:
        chosen, _ = train_test_split(
            chosen, train_size=ROWS, stratify=rows.y, random_state=seed
        )
    parts = split(
        rows.X.iloc[chosen] if hasattr(rows.X, "iloc") else rows.X[chosen],
        rows.y[chosen],
        n_labeled=100 if name in FEW_LABELED else N_LABELED,
        validation=validation,
        seed=seed,
    )
    kind = find_data_set(name).kind
    encoder = _words() if kind == "text" else make_encoder(kind, seed)
    encoder.fit(_stacked(parts.labeled[0], parts.pool[0]))
    classes = np.unique(parts.labeled[1])

    def encoded(part: tuple[Any, Any]) -> LabeledRows:
        known = np.flatnonzero(np.isin(part[1], classes))
        X = encoder.transform(part[0])
        X = sparse.csr_array(X) if sparse.issparse(X) else np.asarray(X, np.float64)
        labels = np.searchsorted(classes, part[1][known])
        return LabeledRows(X[known], labels, np.ones(len(known)))

    return Drawn(
        encoded(parts.labeled),
        encoded(parts.validation),
        encoded(parts.pool),
        encoded(parts.test),
    )


def _words() -> Any:
    joined = FunctionTransformer(lambda texts: texts.agg(" ".join, axis=1))
    words = TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=WORDS)
    return make_pipeline(joined, words)


def _stacked(first: Any, second: Any) -> Any:
    if hasattr(first, "iloc"):
        return pd.concat([first, second], ignore_index=True)
    return np.concatenate([first, second])


def per_gradient(influence: FloatArray, probability: FloatArray) -> FloatArray:
    """Influence divided by the length of the label's gradient at the logits."""
    squares = (probability**2).sum(axis=1, keepdims=True)
    length = np.sqrt(np.maximum(squares + 1 - 2 * probability, 1e-12))
    ratio: FloatArray = influence / length
    return ratio


PLAUSIBLE = RULES["plausible"].variants
OTHERS: dict[str, tuple[Rule, int]] = {
    "p^0.5": (Rule({"p^0.5": lambda influence, p: influence * p**0.5}), BATCH),
    "p^2": (Rule({"p^2": lambda influence, p: influence * p**2}), BATCH),
    "per gradient length": (Rule({"per gradient": per_gradient}), BATCH),
    "plausible, one a round": (Rule(PLAUSIBLE), 1),
}
"""Further rules that were tried, with their rows a round."""


def problem_of(
    drawn: Drawn, C: float, rule: Rule, seed: int, *, guard: bool
) -> Problem:
    """What a run works on."""
    rng = np.random.RandomState(seed)
    return Problem(
        estimator=LogisticRegression(C=C),
        classes=np.unique(drawn.labeled.labels),
        labeled=drawn.labeled,
        validation=drawn.validation,
        folds=split_folds(drawn.validation, guard, rng),
        pool=ArrayPool.of(drawn.pool.X),
        rule=rule,
        hessian="train",
        batch_size=BATCH,
    )


def single_canary(problem: Problem, seed: int) -> Problem:
    """30% of the validation rows for the guard, 70% for influence."""
    validation = problem.validation
    kept, held = hold_out(validation.labels, 0.3, np.random.RandomState(seed))
    own = validation.take(kept)
    return replace(problem, validation=own, folds=(Fold(own, validation.take(held)),))


def run(problem: Problem) -> State:
    """The final state of a run of the loop."""
    return loop.run(problem, BUDGET)[0]


def trajectory(problem: Problem) -> list[State]:
    """The states of a run that spends its whole budget, whatever the guard says."""
    states = [start(problem)]
    while states[-1].termination in (None, "guard"):
        state = replace(states[-1], termination=None)
        state, record = advance(problem, state, BUDGET)
        if record is None:
            break
        states.append(state)
    return states


def canary_losses(problem: Problem, state: State) -> FloatArray:
    """Log loss of each canary row under the fold that never saw it."""
    logits = problem.canary_logits(state.latest, state.folds)
    return row_log_loss(logits, problem.canary.labels)


def last_kept(losses: list[FloatArray], keeping: float, stopping: float) -> int:
    """The final round under a guard that compares each round with the last one kept."""
    kept = 0
    for number in range(1, len(losses)):
        ones = np.ones(len(losses[0]))
        fall, error = mean_decrease(losses[kept], losses[number], ones)
        if fall > keeping * error:
            kept = number
        elif -fall > stopping * error:
            break
    return kept


def before_a_rise(losses: list[FloatArray], level: float) -> int:
    """The final round under a guard that compares each round with the one before."""
    for number in range(1, len(losses)):
        ones = np.ones(len(losses[0]))
        fall, error = mean_decrease(losses[number - 1], losses[number], ones)
        if -fall > level * error:
            return number - 1
    return len(losses) - 1


def guarded_ends(losses: list[FloatArray]) -> dict[str, int]:
    """The final round under each guard, from the canary rows' losses by round."""
    never = np.inf
    return {
        "none": len(losses) - 1,
        GUARD: last_kept(losses, 0.0, 1.0),
        "keep best": last_kept(losses, 0.0, never),
        "keep 0.5 se": last_kept(losses, 0.5, 2.0),
        "keep 1 se": last_kept(losses, 1.0, 2.0),
        "keep 1.65 se": last_kept(losses, 1.65, 2.0),
        "no rise of 1 se": before_a_rise(losses, 1.0),
        "no rise": before_a_rise(losses, 0.0),
    }


def judged(
    rule: str,
    guard: str,
    test: LabeledRows,
    first: Snapshot,
    kept: Snapshot,
    number: int,
) -> dict[str, Any]:
    """Measures on the test rows of the model after a round, and of the first model."""
    row: dict[str, Any] = {"rule": rule, "guard": guard, "kept": number}
    for name, snapshot in (("start_", first), ("", kept)):
        row[f"{name}log_loss"] = round(test.mean_loss(snapshot.model), 6)
        right = snapshot.model.predict(test.X) == test.labels
        row[f"{name}accuracy"] = round(float(right.mean()), 6)
    return row


def compare(drawn: Drawn, C: float, seed: int) -> list[dict[str, Any]]:
    """All rules and guards on one draw under one penalty."""
    rows = []
    problem = problem_of(drawn, C, RULES["tempered"], seed, guard=True)
    first = begin(problem)
    kinds = {"": problem}
    if seed < SEEDS_OF_OTHERS:
        kinds["one canary: "] = single_canary(problem, seed)
    for kind, guarded in kinds.items():
        states = trajectory(guarded)
        losses = [canary_losses(guarded, state) for state in states]
        for guard, number in guarded_ends(losses).items():
            kept = states[number].latest
            row = judged("tempered", kind + guard, drawn.test, first, kept, number)
            rows.append(row)
    end = run(problem_of(drawn, C, RULES["paper"], seed, guard=True))
    rows.append(judged("paper", GUARD, drawn.test, first, end.best, end.best_round))
    unguarded = {name: (RULES[name], BATCH) for name in RULES}
    if seed < SEEDS_OF_OTHERS:
        unguarded |= OTHERS
    for name, (rule, batch_size) in unguarded.items():
        free = problem_of(drawn, C, rule, seed, guard=False)
        end = run(replace(free, batch_size=batch_size))
        rows.append(judged(name, "off", drawn.test, first, end.best, end.best_round))
    return rows


def measure(data: str, validation: float, seed: int) -> Iterator[dict[str, Any]]:
    """All penalties on one draw; a tuned C that equals a fixed one is not run again."""
    drawn = draw(data, validation, seed)
    chosen = best_C((drawn.labeled.X, drawn.labeled.labels))
    penalties = {C: chosen if C == "tuned" else float(C) for C in PENALTIES}
    found = {C: compare(drawn, C, seed) for C in set(penalties.values())}
    for C, value in penalties.items():
        for row in found[value]:
            yield {"C": C, **row}
