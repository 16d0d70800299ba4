"""The steps of a run that fine-tunes a deep model on labels chosen by influence.

Influence cannot be computed for a deep model. So in each round a logistic regression on
its embeddings, the surrogate, takes its place: a whole run of the loop assigns labels
by the surrogate's influences. Then the deep model is fine-tuned anew on all rows with
a label. `salutary.labeling.loop` runs these steps like those of a logistic regression,
with deep models in the snapshots.

There are two guards. The run of the surrogate is guarded as any run is, by folds of the
validation rows that influence sees. In addition, some validation rows, the canary rows,
are never shown to influence: they stop fine-tuning early, and by their loss the loop
decides which rounds of the deep model are undone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing
from threadpoolctl import threadpool_limits

from salutary.advice.after_run import labels_on_top, nothing, verdict_on
from salutary.advice.verdict import Verdict
from salutary.arrays import FloatArray, IntArray
from salutary.deep.frozen import Frozen
from salutary.deep.lesson import FineTune, Lesson
from salutary.deep.trainer import checked_output
from salutary.influence.objectives import Objective, Truth, log_loss
from salutary.labeling.definition import split_folds
from salutary.labeling.fitting import Snapshot
from salutary.labeling.loop import State, run
from salutary.labeling.outcome import Round
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import Rule
from salutary.labeling.selection import Selection
from salutary.labeling.steps import Coefficients, Proposal, Termination
from salutary.labeling.tuning import best_C_by_validation
from salutary.pools.arrays import ArrayPool
from salutary.progress import Stage, reporting, silent

SURROGATE_BATCH = 10
"""Number of labels in a round of the surrogate's run."""


@dataclass(frozen=True)
class FineTuning:
    """What stays the same during a run, and its `Steps`.

    Parameters
    ----------
    fine_tune : callable
        Makes the deep model of a round, which has ``embed`` and ``predict_proba``.
    X : sequence of rows
        All rows: labeled rows, the pool, and validation rows.
    codes : ndarray of shape (n_rows,), dtype intp
        Position of each row's class; any number for rows of the pool.
    labeled : ndarray of row numbers, dtype intp
        The labeled rows, at least one of each class.
    pool : ndarray of row numbers, dtype intp
    own_rows, canary_rows : ndarrays of row numbers, dtype intp
        The validation rows that influence sees, and the canary rows, which it does not
        see. There are no canary rows without a guard.
    classes : ndarray of shape (n_classes,), sorted
    rule : Rule
    batch_size : int
        Number of labels in a round.
    seed : int
        Seed of the surrogate's runs.
    stage : callable
        Displays which step is running.
    embed_frozen : callable, optional
        Vectors of rows under the deep model as it comes, if it has any.
    distills : bool, default=False
        Whether a deep model is wanted that learns soft labels too. There is an
        ``embed_frozen`` then.
    epochs : int, optional
        The deep model's number of epochs, if it can be set.
    """

    fine_tune: FineTune
    X: Any
    codes: IntArray
    labeled: IntArray
    pool: IntArray
    own_rows: IntArray
    canary_rows: IntArray
    classes: NDArray[np.generic]
    rule: Rule
    batch_size: int
    seed: int
    stage: Stage = silent
    embed_frozen: Callable[[Any], Any] | None = None
    distills: bool = False
    epochs: int | None = None

    @property
    def objective(self) -> Objective:
        """The mean log loss."""
        return log_loss

    @property
    def seen(self) -> Truth:
        """The validation rows that influence sees."""
        return Truth(self.codes[self.own_rows], np.ones(len(self.own_rows)))

    @property
    def canary(self) -> Truth:
        """The canary rows; empty without a guard."""
        return Truth(self.codes[self.canary_rows], np.ones(len(self.canary_rows)))

    def first(self) -> tuple[Snapshot, tuple[Snapshot, ...]]:
        """The deep model of the labeled rows alone; there are no folds."""
        return self.fine_tuned(0, self.pool[:0], self.pool[:0]), ()

    def n_available(self, latest: Snapshot) -> int:
        """Number of pool rows without a label."""
        return len(self.pool) - len(latest)

    def n_trained_on(self, snapshot: Snapshot) -> int:
        """Number of rows that a snapshot's model was fine-tuned on."""
        return len(self.labeled) + len(snapshot)

    def propose(
        self, number: int, latest: Snapshot, folds: tuple[Snapshot, ...], size: int
    ) -> Proposal | Termination:
        """Choose labels by the latest model's surrogate, and fine-tune with them."""
        selection, kept, ending = self._assigned(latest, size)
        if len(selection) == 0:
            return ending
        variants = sorted({str(record.variant) for record in kept})
        snapshot = self.fine_tuned(
            number,
            np.concatenate([latest.rows, selection.rows]),
            np.concatenate([latest.labels, selection.labels]),
        )
        # Of the pool as it was before any of these labels.
        return Proposal(selection, ", ".join(variants), snapshot, spread=kept[0].spread)

    def canary_logits(
        self, latest: Snapshot, folds: tuple[Snapshot, ...] = ()
    ) -> FloatArray:
        """Logits of the canary rows, on whose labels the model was not trained."""
        return self.logits(latest, self.canary_rows)

    def seen_logits(self, latest: Snapshot) -> FloatArray:
        """Logits of the validation rows that influence sees."""
        return self.logits(latest, self.own_rows)

    def restored(
        self,
        number: int,
        rows: IntArray,
        labels: IntArray,
        coefficients: Coefficients,
        fold: int | None = None,
    ) -> Snapshot:
        """The snapshot of a round; ``fine_tune`` may have kept its model."""
        return self.fine_tuned(number, rows, labels)

    def fine_tuned(self, number: int, rows: IntArray, labels: IntArray) -> Snapshot:
        """Fine-tune the deep model on the labeled rows and the given pool rows."""
        snapshot = Snapshot(None, rows, labels)
        trained, codes = self._trained_on(snapshot)
        held = self.with_labels(self.canary_rows)
        if not len(self.canary_rows):
            held = None, None
        lesson = Lesson(str(number), self.rows(trained), self.classes[codes], *held)
        model = self.fine_tune(lesson)
        return replace(snapshot, model=model)

    def worth_adding(self, first: Snapshot, best: Snapshot) -> Snapshot:
        """Decide whether a run's labels help a model that trains on validation rows.

        Labels are chosen for their effect on the validation rows, so they may add
        nothing for a model that is trained on these rows.

        Parameters
        ----------
        first : Snapshot
            The deep model of the labeled rows alone.
        best : Snapshot
            The deep model of the best round.

        Returns
        -------
        Snapshot
            ``best`` if labels help, else ``first``, which has no labels of the run.
            This is judged by surrogates on the embeddings of ``first``, fold by fold,
            each fold with its own labels. Without a guard the result is ``best``.
        """
        if not len(best):
            return best
        problem, _ = self.surrogate(first)
        state, records = run_surrogate(problem, len(best))
        if not state.best_round:
            return first
        found = labels_on_top(problem, records[state.best_round - 1].folds)
        return best if found is None or found[0] > 0 else first

    def verdict(self, first: Snapshot, budget: int) -> Verdict | None:
        """The verdict on labels of the first deep model's surrogate.

        Later deep models have been fine-tuned on labels that all rows for influence
        chose, so that no fold would judge rows that its labels have not seen.

        Parameters
        ----------
        first : Snapshot
            The deep model of the labeled rows alone.
        budget : int
            Number of labels of the run; a round's at most are judged.

        Returns
        -------
        Verdict or None
            See `verdict_on`. None without a guard, and if there is no pool.
        """
        if not len(self.canary_rows) or not len(self.pool):
            return None
        problem, _ = self.surrogate(first)
        state, _ = run_surrogate(problem, min(self.batch_size, budget))
        # Which rows a fold has depends on their labels alone, so they are the same.
        return verdict_on(
            problem, state, beside=self.frozen.in_fold if self.frozen else nothing
        )

    def baselines(self) -> dict[str, dict[str, float]]:
        """Figures of the model as it comes on the canary rows, see `Frozen.figures`.

        Empty without a guard, and if the model has no vectors before it is fitted.
        """
        if not len(self.canary_rows) or self.frozen is None:
            return {}
        return self.frozen.figures()

    @cached_property
    def frozen(self) -> Frozen | None:
        """All rows under the deep model as it comes, if it has vectors then."""
        if self.embed_frozen is None:
            return None
        vectors = self._standardized(self.embed_frozen, " by the model as it comes")
        start = Snapshot(None, self.pool[:0], self.pool[:0])
        return Frozen(
            self._problem(vectors, start, self.pool),
            self._labeled_rows(vectors, self.canary_rows),
            self.seed,
        )

    def surrogate(self, snapshot: Snapshot) -> tuple[Problem, IntArray]:
        """Make a convex problem of a deep model's embeddings.

        Returns
        -------
        problem : Problem
            Logistic regression on the standardized embeddings. C is tuned by the
            validation rows. The deep model was trained on the labeled rows, so that
            cross-validation on these would choose hardly any penalty.
        pool : ndarray of row numbers, dtype intp
            The row number, in this run, of each row in the problem's pool.
        """
        pool = np.setdiff1d(self.pool, snapshot.rows)
        vectors = self._standardized(snapshot.model.embed)
        return self._problem(vectors, snapshot, pool), pool

    def _problem(
        self, vectors: NDArray[Any], snapshot: Snapshot, pool: IntArray
    ) -> Problem:
        """The logistic regression on certain vectors of a snapshot's rows."""
        trained, codes = self._trained_on(snapshot)
        labeled = LabeledRows(vectors[trained], codes, np.ones(len(codes)))
        own = self._labeled_rows(vectors, self.own_rows)
        C = best_C_by_validation(labeled, own, self.classes)
        rng = np.random.RandomState(self.seed)
        return Problem(
            estimator=LogisticRegression(C=C),
            classes=self.classes,
            labeled=labeled,
            validation=own,
            folds=split_folds(own, len(self.canary_rows) > 0, rng),
            pool=ArrayPool.of(vectors[pool]),
            rule=self.rule,
            hessian="train",
            batch_size=SURROGATE_BATCH,
        )

    def logits(self, snapshot: Snapshot, rows: IntArray) -> FloatArray:
        """Logits of rows under a deep model, shape (n_rows, n_classes)."""
        if not len(rows):
            return np.zeros((0, len(self.classes)))
        found = snapshot.model.predict_proba(self.rows(rows))
        found = checked_output(found, len(rows), "predict_proba", len(self.classes))
        logits: FloatArray = np.log(np.clip(found, np.finfo(np.float64).tiny, None))
        return logits

    def _assigned(
        self, latest: Snapshot, size: int
    ) -> tuple[Selection, list[Round], Termination]:
        """Labels by a run of the surrogate, its rounds, and why it ended.

        A label's score, rank and distance are those of its round in that run.
        """
        problem, pool = self.surrogate(latest)
        state, records = run_surrogate(problem, size)
        selection = Selection.empty(len(self.classes))
        kept = records[: state.best_round]
        for record in kept:
            selection = selection.followed_by(record.selection)
        assert state.ending is not None  # it is set once a run has ended
        selection = replace(selection, rows=pool[selection.rows])
        return selection, kept, state.ending

    def _standardized(self, embed: Callable[[Any], Any], by: str = "") -> NDArray[Any]:
        """Embeddings of all rows; each column has mean 0 and variance 1."""
        n_rows = len(self.codes)
        with self.stage(f"embedding {n_rows} rows{by}") as report, reporting(report):
            vectors = embed(self.X)
        vectors = checked_output(vectors, n_rows, "embed")
        return np.asarray(StandardScaler().fit_transform(vectors))

    def _labeled_rows(self, vectors: NDArray[Any], rows: IntArray) -> LabeledRows:
        return LabeledRows(vectors[rows], self.codes[rows], np.ones(len(rows)))

    def _trained_on(self, snapshot: Snapshot) -> tuple[IntArray, IntArray]:
        """Rows that a deep model is fine-tuned on, and their classes."""
        return (
            np.concatenate([self.labeled, snapshot.rows]),
            np.concatenate([self.codes[self.labeled], snapshot.labels]),
        )

    def with_labels(self, rows: IntArray) -> tuple[Any, Any]:
        """Rows that a person has labeled, and these labels."""
        return self.rows(rows), self.classes[self.codes[rows]]

    def rows(self, rows: IntArray) -> Any:
        """The rows of these numbers."""
        return _safe_indexing(self.X, rows)


def run_surrogate(problem: Problem, size: int) -> tuple[State, list[Round]]:
    """Label at most ``size`` rows of a surrogate's pool."""
    with threadpool_limits(limits=1, user_api="blas"):
        return run(problem, size)
