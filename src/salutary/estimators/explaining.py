"""What a fitted estimator keeps of its run, and explanations of rows by it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from salutary.arrays import IntArray
from salutary.deep.rows import as_pandas
from salutary.influence.inputs import column_names
from salutary.labeling.explanation import Explanation, explain
from salutary.labeling.fitting import Snapshot, with_rows_of
from salutary.labeling.loop import State
from salutary.labeling.problem import Problem
from salutary.labeling.rules import RULES, find_rule


@dataclass(frozen=True)
class RunToExplain:
    """What explanations need of a run: its end, without the pool.

    Parameters
    ----------
    problem : Problem
        Its pool has the labeled rows alone, unless the Hessian needs all of it. Its
        rule is to be found anew, as one that a user wrote cannot be pickled here.
    snapshot : Snapshot
        After the best round.
    folds : tuple of Snapshot
    labeled, validation : ndarrays of row numbers, dtype intp
        What the labeled and the validation rows are called.
    """

    problem: Problem
    snapshot: Snapshot
    folds: tuple[Snapshot, ...]
    labeled: IntArray
    validation: IntArray

    @classmethod
    def of(
        cls, problem: Problem, state: State, labeled: IntArray, validation: IntArray
    ) -> RunToExplain:
        """What to keep of a run that has ended.

        Parameters
        ----------
        problem : Problem
        state : State
        labeled, validation : ndarrays of row numbers, dtype intp
            ``validation`` is empty if the validation rows are no rows of ``X``.
        """
        snapshots = [state.best, *state.fold_history[state.best_round]]
        if problem.hessian == "train":
            problem, snapshots = with_rows_of(problem, snapshots)
        best, *folds = snapshots
        if not len(validation):
            validation = np.arange(len(problem.validation))
        nothing = np.zeros(0, dtype=np.intp)
        return cls(
            problem=replace(
                problem,
                rule=RULES["paper"],
                # The guard's own rows are judged no more.
                folds=tuple(
                    replace(fold, canary=fold.canary.take(nothing))
                    for fold in problem.folds
                ),
            ),
            snapshot=best,
            folds=tuple(folds),
            labeled=labeled,
            validation=validation,
        )


class ExplainingMixin:
    """Explanations of rows, by what `RunToExplain` has kept.

    The estimator that uses it sets ``_to_explain`` in its ``fit``.
    """

    rule: Any
    _to_explain: RunToExplain | None
    _transformer: Any
    _matrix: Any

    def explain(self, X: Any) -> list[Explanation]:
        """Say of each row which label would help, how surely, and why.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Any rows, with the columns of those passed to ``fit``.

        Returns
        -------
        list of Explanation
            One for each row, under the model as the run has left it: fitted on the
            labeled rows and those labeled in the run, but not on the validation rows,
            whatever ``refit_on_validation`` says. An explanation has

            - label: the one that the rule would give; guess: the class that the model
              holds most probable; runner_up: the class with the next largest influence;
            - classes: influence, its standard error, probability and logit of each;
            - contributions and intercept, which sum to the logits. Of a pipeline they
              are summed for each column of ``X``, unless a step mixes columns;
            - nearest: the nearest labeled rows by their numbers in the ``X`` of
              ``fit``, with their distances in the model's features;
            - validation: the effect of the label on each validation row, by its number
              in ``X_val``, or in ``X`` if it was split off. The effects sum to the
              influence;
            - folds: the influence of the label under the model of each fold of the
              guard;
            - to_dict(): all of it as plain values.

        Raises
        ------
        ValueError
            For rows that ``predict`` refuses too; and if ``fit`` found no unlabeled
            row, so that there was no run.

        Notes
        -----
        For this the estimator keeps the rows it was fitted on and the validation rows,
        but the pool only if ``hessian`` is not "train". A row costs a solve for every
        class and every fold, and O(n_validation n_classes n_features), so explain a few
        rows and not a whole pool; for influences alone use `salutary.label_influence`.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_iris
        >>> from salutary import SalutaryClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> marked = np.where(np.arange(150) % 3 == 0, y, -1)
        >>> model = SalutaryClassifier(budget=20, random_state=0).fit(X, marked)
        >>> (why,) = model.explain(X[[100]])
        >>> why.label, why.is_sure, why.n_agreeing  # of the guard's three runs
        (2, True, 3)
        >>> bool(np.isclose(why.validation["effect"].sum(), why.influence))
        True
        """
        check_is_fitted(self)
        run = self._to_explain
        if run is None:
            raise ValueError(
                "fit found no unlabeled row, so there was no run to explain; mark rows "
                "without a label with -1"
            )
        matrix = self._matrix(X, "X")
        X = as_pandas(X, "X") if hasattr(X, "columns") else X
        X = X if hasattr(X, "shape") else np.asarray(X)
        if sparse.issparse(X):
            X = X.tocsr()  # others have no rows to take
        if sparse.issparse(matrix) and not sparse.issparse(run.problem.labeled.X):
            matrix = matrix.toarray()
        problem = replace(run.problem, rule=find_rule(self.rule))
        with threadpool_limits(limits=1, user_api="blas"):
            found = explain(
                problem,
                run.snapshot,
                run.folds,
                matrix,
                columns=self._columns(X, matrix.shape[1]),
            )
        return [
            _named(each, run, _values(each, X, row)) for row, each in enumerate(found)
        ]

    def _columns(self, X: Any, n_features: int) -> list[Hashable]:
        """The column of ``X`` that each feature of the model comes from."""
        # Imported here: it takes long, and whoever only fits needs none of it.
        from salutary.tables.original_columns import original_columns

        names = column_names(X)
        if names is None:
            names = range(X.shape[1]) if np.ndim(X) == 2 else []
        return original_columns(self._transformer, [*names], n_features)


def _named(
    found: Explanation, run: RunToExplain, values: tuple[Any, ...]
) -> Explanation:
    """The explanation with rows by their numbers in what ``fit`` was given."""
    return replace(
        found,
        nearest=found.nearest.assign(row=run.labeled[found.nearest["row"]]),
        validation=found.validation.assign(row=run.validation),
        values=values,
    )


def _values(found: Explanation, X: Any, row: int) -> tuple[Any, ...]:
    """The row's value in each column that is a feature, None for other features."""
    names = found.contributions.index.tolist()
    if isinstance(X, pd.DataFrame):
        known = {name for name in names if name in X.columns}
        return tuple(
            X[name].iloc[[row]].tolist()[0] if name in known else None for name in names
        )
    known = {name for name in names if isinstance(name, int)}
    return tuple(X[row, name] if name in known else None for name in names)
