"""The steps of a run that labels rows for a logistic regression."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from salutary.arrays import FloatArray, IntArray, as_float64
from salutary.labeling.batch import available, look, pick_batches, with_errors
from salutary.labeling.definition import Definition
from salutary.labeling.fitting import (
    REFIT_TOLERANCE,
    Snapshot,
    begin,
    extend,
    jobs_for_fits,
    training_rows,
    trial,
)
from salutary.labeling.loop import canary_loss
from salutary.labeling.scoring import ScoredPool, View, score_pool
from salutary.labeling.selection import Selection
from salutary.labeling.steps import Coefficients, Proposal, Termination


@dataclass(frozen=True)
class Problem(Definition):
    """A `Definition` with the `Steps` that `salutary.labeling.loop` runs.

    Besides the model of the run, each fold has a model of its own, fitted with labels
    that the fold's influences chose. These never saw the canary rows of the fold, so
    the canary loss is an honest estimate.

    Parameters
    ----------
    n_jobs : int, optional
        Number of threads that work on the run and its folds at once, as in joblib. It
        changes no result.
    """

    n_jobs: int | None = None

    def first(self) -> tuple[Snapshot, tuple[Snapshot, ...]]:
        """The models of the labeled rows; a fold may have a C of its own."""
        snapshot = begin(self)
        return snapshot, tuple(
            snapshot if fold.C is None else begin(self.within(fold))
            for fold in self.folds
        )

    def n_available(self, latest: Snapshot) -> int:
        """Number of pool rows that can still be labeled."""
        return int(available(self, latest).sum())

    def n_trained_on(self, snapshot: Snapshot) -> int:
        """Number of rows that a snapshot's model was fitted on."""
        return len(training_rows(self, snapshot.rows, snapshot.labels))

    def propose(
        self, number: int, latest: Snapshot, folds: tuple[Snapshot, ...], size: int
    ) -> Proposal | Termination:
        """Choose batches for the run and for every fold, by one variant, and refit."""
        looks = self._at_once(
            delayed(look)(view, view.validation, snapshot, size, surveyed=place == 0)
            for place, (view, snapshot) in enumerate(
                zip(self._views, [latest, *folds], strict=True)
            )
        )
        scored = score_pool(looks, self.n_jobs)
        batches, *of_folds = self._at_once(
            delayed(pick_batches)(own, shortlists)
            for own, shortlists in zip(looks, scored.shortlists, strict=True)
        )
        batches = {name: found for name, found in batches.items() if len(found)}
        if not batches:
            return "no_positive_influence"
        tried = self._canary_losses(list(batches), looks[1:], of_folds)
        variant = min(tried, key=tried.__getitem__) if tried else next(iter(batches))
        chosen = [found[variant] for found in (batches, *of_folds)]
        snapshot, *extended = self._extended(
            self._views, [latest, *folds], chosen, REFIT_TOLERANCE
        )
        examined = self._examined(with_errors(looks[0], chosen[0]), scored, variant)
        spread = scored.spread()
        return Proposal(examined, variant, snapshot, tuple(extended), tried, spread)

    def _examined(
        self, chosen: Selection, scored: ScoredPool, variant: str
    ) -> Selection:
        """A batch with its ranks and distances.

        Estimates other than first order exist for a shortlist only. Where they are
        asked for, the rank is that of the row's largest influence.
        """
        shortlist = scored.shortlists[0][variant]
        by_row = np.argsort(shortlist.rows)
        places = by_row[np.searchsorted(shortlist.rows, chosen.rows, sorter=by_row)]
        largest: FloatArray = shortlist.influence[places].max(axis=1)
        influence: FloatArray = chosen.assigned_influence
        if self.estimate != "first_order":
            influence = largest
        return replace(
            chosen,
            rank=scored.ranks(influence, largest).astype(np.float64),
            distance=self.edit.distances(self.labeled, self.pool, chosen.rows),
        )

    def canary_logits(self, latest: Snapshot, folds: Sequence[Snapshot]) -> FloatArray:
        """Logits of each fold's canary rows under its model, fold after fold."""
        return self._fold_logits(folds)

    def _fold_logits(self, folds: Sequence[Snapshot]) -> FloatArray:
        if not folds:
            return np.zeros((0, len(self.classes)))
        return np.concatenate(
            [
                fold.canary.logits(snapshot.model)
                for fold, snapshot in zip(self.folds, folds, strict=True)
            ]
        )

    def seen_logits(self, latest: Snapshot) -> FloatArray:
        """Logits of all validation rows."""
        return self.validation.logits(latest.model)

    def restored(
        self,
        number: int,
        rows: IntArray,
        labels: IntArray,
        coefficients: Coefficients,
        fold: int | None = None,
    ) -> Snapshot:
        """Make a snapshot from its rows and coefficients, without refitting."""
        own = self if fold is None else self.within(self.folds[fold])
        return Snapshot(restored_model(own, *coefficients), rows, labels)

    def _canary_losses(
        self,
        names: list[str],
        looks: list[View],
        of_folds: list[dict[str, Selection]],
    ) -> dict[str, float]:
        """The canary loss of each variant; empty if there is nothing to choose.

        The folds are nearly refitted with their batches under each variant.
        """
        if len(names) == 1:
            return {}
        models = self._at_once(
            delayed(trial)(
                own.problem,
                own.snapshot,
                own.factored,
                batches[name].rows,
                batches[name].labels,
            )
            for name in names
            for own, batches in zip(looks, of_folds, strict=True)
        )
        losses = {}
        for number, name in enumerate(names):
            of_name = models[number * len(looks) : (number + 1) * len(looks)]
            logits = [
                model.logits(as_float64(fold.canary.X))
                for fold, model in zip(self.folds, of_name, strict=True)
            ]
            losses[name] = canary_loss(self, np.concatenate(logits))
        return losses

    @property
    def _views(self) -> list[Definition]:
        """The run as it sees itself, then as each of its folds does."""
        return [self, *(self.within(fold) for fold in self.folds)]

    def _extended(
        self,
        views: Sequence[Definition],
        snapshots: Sequence[Snapshot],
        batches: Sequence[Selection],
        tolerance: float,
    ) -> list[Snapshot]:
        """Each snapshot, refitted with a batch of its own."""
        return self._at_once(
            delayed(extend)(view, snapshot, batch.rows, batch.labels, tolerance)
            for view, snapshot, batch in zip(views, snapshots, batches, strict=True)
        )

    def _at_once(self, calls: Iterable[Any]) -> list[Any]:
        """Results of calls that need nothing of each other, in their order."""
        # Threads share the pool and the one thread that BLAS is limited to. Processes
        # take longer than no parallelism at all (`speed/jobs.py`).
        n_jobs = jobs_for_fits(self.n_jobs, self.labeled)
        return list(Parallel(n_jobs=n_jobs, require="sharedmem")(calls))


def restored_model(
    problem: Definition, coef: FloatArray, intercept: FloatArray
) -> LogisticRegression:
    """Make a fitted model from its coefficients, without refitting.

    Raises
    ------
    ValueError
        If the coefficients have another shape than those of the problem's model.
    """
    n_features, n_classes = problem.labeled.X.shape[1], len(problem.classes)
    expected = 1 if n_classes == 2 else n_classes, n_features
    if (coef.shape, len(intercept)) != (expected, expected[0]):
        raise ValueError(f"coefficients of shape {coef.shape}, not {expected}")
    model = clone(problem.estimator)
    model.classes_ = problem.classes
    model.coef_, model.intercept_ = coef, intercept
    model.n_features_in_ = coef.shape[1]
    model.n_iter_ = np.zeros(1, dtype=np.int32)
    return model
