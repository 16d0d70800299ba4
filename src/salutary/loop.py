"""One round as pure steps over an explicit state: fit, direction, score, select, guard.

A run is `start` and then `advance` until the state's ``termination`` is set. The caller
keeps what each round decided (the classifier in ``history_``, the command line in its
ledger), so a run resumes from `restore` exactly where it stopped.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from salutary.fitting import fit, training_of
from salutary.influence.direction import influence_direction
from salutary.influence.label_influence import curvature_of
from salutary.influence.scores import InfluenceScorer
from salutary.influence.solvers import factor
from salutary.influence.uncertainty import influence_errors
from salutary.labeling.guard import harms
from salutary.labeling.selection import Selection, keep_best
from salutary.labeling.stopping import Termination, before_round
from salutary.objective import FloatArray, IntArray
from salutary.problem import Problem
from salutary.refine import refine

SHORTLIST = 5
"""Rows looked at more closely for each that is labeled."""


@dataclass(frozen=True)
class State:
    """Where a run stands.

    Parameters
    ----------
    model : LogisticRegression
        Fitted on the labeled rows and the pool rows labeled so far.
    rounds : int
        Rounds run, a refused one included.
    rows, labels : ndarrays of shape (n_assigned,), dtype intp
        Pool rows in the order they were labeled, and their classes' positions.
    termination : str or None
        Why the run has ended, if it has.
    """

    model: LogisticRegression
    rounds: int
    rows: IntArray
    labels: IntArray
    termination: Termination | None = None


@dataclass(frozen=True)
class Round:
    """What a round decided and what came of it.

    Parameters
    ----------
    number : int
        From 1.
    selection : Selection
        The rows it labeled, with every class's influence and probability.
    model : LogisticRegression
        Fitted with these labels.
    n_labeled : int
        Rows it was fitted on.
    validation_loss, canary_loss : float
        Mean log loss after the round; ``canary_loss`` is NaN without a guard.
    refused : bool
        Whether the guard undid it.
    seconds : float
    """

    number: int
    selection: Selection
    model: LogisticRegression
    n_labeled: int
    validation_loss: float
    canary_loss: float
    refused: bool
    seconds: float

    def summary(self) -> dict[str, float | int | bool]:
        """The round as a row of ``history_``."""
        return {
            "round": self.number,
            "n_labeled": self.n_labeled,
            "validation_loss": self.validation_loss,
            "canary_loss": self.canary_loss,
            "largest_influence": float(self.selection.assigned_influence.max()),
            "refused": self.refused,
            "seconds": self.seconds,
        }


def start(problem: Problem) -> State:
    """Fit the model on the labeled rows: the state before the first round."""
    nothing = np.zeros(0, dtype=np.intp)
    return State(fit(problem, nothing, nothing, None), 0, nothing, nothing)


def restore(
    problem: Problem,
    coef: FloatArray,
    intercept: FloatArray,
    rounds: int,
    rows: IntArray,
    labels: IntArray,
    termination: Termination | None = None,
) -> State:
    """Rebuild a state from what was kept of it, without refitting."""
    model = clone(problem.estimator)
    model.classes_ = problem.classes
    model.coef_, model.intercept_ = coef, intercept
    model.n_features_in_ = coef.shape[1]
    model.n_iter_ = np.zeros(1, dtype=np.int32)
    return State(model, rounds, rows, labels, termination)


def advance(problem: Problem, state: State, budget: int) -> tuple[State, Round | None]:
    """Run one round, or find that none can be run.

    Parameters
    ----------
    problem : Problem
    state : State
        Not terminated.
    budget : int
        Labels to assign in all.

    Returns
    -------
    state : State
    round : Round or None
        None when the run ended without a round. After a refused round the state has
        the old model and rows, and the termination "guard".
    """
    began = time.perf_counter()
    n_available = int(_available(problem, state).sum())
    reason = before_round(len(state.rows), n_available, budget)
    if reason is not None:
        return replace(state, termination=reason), None
    size = min(problem.batch_size, budget - len(state.rows))
    if problem.estimate == "first_order":
        looked_at = SHORTLIST * size if problem.min_influence_z else size
        shortlist = select(problem, state, looked_at)
        selection = shortlist.clearing(problem.min_influence_z).take(slice(size))
    else:
        shortlist = select(problem, state, SHORTLIST * size)
        selection = refine(
            problem, state.model, state.rows, state.labels, shortlist, size
        )
    if len(selection) == 0:
        return replace(state, termination="no_positive_influence"), None

    rows = np.concatenate([state.rows, selection.rows])
    labels = np.concatenate([state.labels, selection.labels])
    model = fit(problem, rows, labels, state.model)
    refused, canary_loss = _guard(problem, state.model, model)
    number = state.rounds + 1
    record = Round(
        number=number,
        selection=selection,
        model=model,
        n_labeled=len(problem.labeled) + len(rows),
        validation_loss=problem.validation.mean_loss(model),
        canary_loss=canary_loss,
        refused=refused,
        seconds=time.perf_counter() - began,
    )
    if refused:
        return replace(state, rounds=number, termination="guard"), record
    return State(model, number, rows, labels), record


def _available(problem: Problem, state: State) -> NDArray[np.bool_]:
    """Pool rows that can still be labeled; a row of weight zero could not help."""
    available = problem.pool.unlabeled & (problem.pool.weight > 0)
    available[state.rows] = False
    return available


def describe(record: Round) -> str:
    """One line about a round, for people."""
    line = (
        f"round {record.number}: {record.n_labeled} labeled rows, "
        f"validation loss {record.validation_loss:.4f}"
    )
    if not np.isnan(record.canary_loss):
        line += f", canary loss {record.canary_loss:.4f}"
    return line + (", refused by the guard" if record.refused else "")


def select(problem: Problem, state: State, size: int) -> Selection:
    """Score the available pool rows for every class and keep the best.

    Parameters
    ----------
    problem : Problem
    state : State
    size : int
        Rows to keep, at most.

    Returns
    -------
    Selection
        Of rows whose best score is positive, with standard errors. Costs O(n_pool
        n_features n_classes) besides one solve, and `influence_errors` of the rows
        kept; extra memory is a block and one byte a pool row.
    """
    available = _available(problem, state)
    pool = problem.pool
    training, factors = training_of(problem, state.model, state.rows, state.labels)
    model = training.model
    blocks = (lambda: (X for _, X in pool.blocks(available)), int(available.sum()))
    hessian = curvature_of(model, training.X, training.weight, blocks, problem.hessian)
    solver, validation = factor(hessian), problem.validation
    direction = influence_direction(
        model, hessian, solver, validation.X, problem.objective
    )
    scorer = InfluenceScorer(model, direction, pool.X.dtype, factors)
    best = Selection.empty(model.n_classes)
    for rows, X in pool.blocks(available):
        influence, probability = scorer(X)
        scores = problem.rule(influence, probability)
        # A row of weight two moves the model twice as far.
        scores = scores * pool.weight[rows, None].astype(scores.dtype)
        best = keep_best(best, rows, scores, influence, probability, size)
    errors = influence_errors(
        model,
        hessian,
        solver,
        pool.X[best.rows],
        best.labels,
        validation.X,
        problem.objective,
        factors,
    )
    return replace(best, influence_se=errors)


def _guard(
    problem: Problem, before: LogisticRegression, after: LogisticRegression
) -> tuple[bool, float]:
    """Whether the canary refuses the new model, and its mean loss under it."""
    if problem.canary is None:
        return False, float("nan")
    loss = problem.canary.loss(after)
    refused = harms(problem.canary.loss(before), loss, problem.canary.weight)
    return refused, float(np.average(loss, weights=problem.canary.weight))
