"""Why a row gets a label: what a model, its folds and its rows say of the row."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from salutary.arrays import Float64Array, IntArray, Matrix, as_float64
from salutary.labeling.definition import Definition
from salutary.labeling.edits import SwitchLabel
from salutary.labeling.effects import LabelEffects
from salutary.labeling.fitting import Snapshot
from salutary.labeling.neighbors import Neighbors

SURE = 2.0
"""Standard errors from which on an influence is told from nothing."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a row gets a label, or would get it, under a model.

    Influences are those of `salutary.label_influence`: how fast the validation loss
    falls as the row with the label gains weight among the training rows.

    Parameters
    ----------
    label : class
        The label that is explained: the one the row has got, else the one it would get.
    instead_of : class or None
        The label that it would replace, where labels are switched.
    guess : class
        The class that the model holds most probable.
    runner_up : class
        The class with the largest influence besides ``label``.
    classes : DataFrame
        A row for each class: label, influence, influence_se (its standard error over
        the validation rows), probability and logit.
    contributions : DataFrame of shape (n_features, n_classes)
        What each feature, in the index, adds to the logit of each class. They and
        ``intercept`` sum to the logits. Columns of an encoded feature are summed.
    intercept : Series of shape (n_classes,)
    values : tuple
        Value of each feature in the row as the user has it; None where it has no single
        one.
    nearest : DataFrame
        The labeled rows nearest to this one, nearest first: row, label and the
        Euclidean distance in the model's features. Rows that the run labeled are not
        among them.
    farther : float
        Share of the labeled rows that are farther from their nearest one than this row
        is from its own; of a sample, if they are many.
    validation : DataFrame
        A row for each validation row: row, label, probability (the model's, of that
        label) and effect, which is positive if the label helps the row. The effects sum
        to the influence of ``label``.
    folds : DataFrame
        A row for each fold of the guard: influence and influence_se of ``label`` under
        the fold's model, for the validation rows that the fold's influences see, and
        the label that the fold itself has given to the row, or None.
    rank : int or None
        Place of the influence of ``label`` among the largest influences of all rows of
        the pool that could get a label then, 1 for the largest; None if not asked for.
    n_ranked : int
        Number of these rows.
    """

    label: Any
    instead_of: Any
    guess: Any
    runner_up: Any
    classes: pd.DataFrame
    contributions: pd.DataFrame
    intercept: pd.Series[float]
    values: tuple[Any, ...]
    nearest: pd.DataFrame
    farther: float
    validation: pd.DataFrame
    folds: pd.DataFrame
    rank: int | None = None
    n_ranked: int = 0

    def __repr__(self) -> str:
        guessed = self.of(self.guess)["probability"]
        return (
            f"Explanation(label={self.label!r}, influence={self.influence:.3g} ± "
            f"{self.influence_se:.2g}, guess={self.guess!r} ({guessed:.2f}))"
        )

    def of(self, label: Any) -> dict[str, Any]:
        """The figures of a class, by the names of the columns of ``classes``."""
        place = self.classes["label"].tolist().index(label)
        return dict(self.classes.iloc[place])

    @property
    def influence(self) -> float:
        """Influence of the label."""
        return float(self.of(self.label)["influence"])

    @property
    def influence_se(self) -> float:
        """Standard error of the influence of the label; NaN if there is none."""
        return float(self.of(self.label)["influence_se"])

    @property
    def is_sure(self) -> bool:
        """Whether the influence is at least `SURE` of its standard errors."""
        return self.influence >= SURE * self.influence_se

    @property
    def n_agreeing(self) -> int:
        """Number of folds under which the label helps."""
        return int((self.folds["influence"] > 0).sum())

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values that JSON can hold; NaN becomes None."""
        features = []
        added = self.contributions.to_numpy().tolist()
        for name, value, row in zip(
            self.contributions.index, self.values, added, strict=True
        ):
            features.append(
                {"feature": plain(name), "value": plain(value), "adds": row}
            )
        return {
            **{
                name: plain(getattr(self, name))
                for name in ("label", "instead_of", "guess", "runner_up")
            },
            "classes": records(self.classes),
            "features": features,
            "intercept": self.intercept.tolist(),
            "nearest": records(self.nearest),
            "farther": plain(self.farther),
            "rank": self.rank,
            "ranked": self.n_ranked,
            "validation": records(self.validation),
            "folds": records(self.folds),
        }


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as plain values that JSON can hold."""
    columns = {
        str(name): [plain(value) for value in table[name].tolist()] for name in table
    }
    return [
        dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]


def plain(value: Any) -> Any:
    """A value as JSON has it: a text, a number, a boolean or None."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return None if pd.isna(value) else str(value)


def explain(
    problem: Definition,
    snapshot: Snapshot,
    folds: Sequence[Snapshot],
    X: Matrix,
    *,
    rows: IntArray | None = None,
    labels: IntArray | None = None,
    columns: Sequence[Hashable] | None = None,
    variant: str | None = None,
    ranked: bool = False,
) -> list[Explanation]:
    """Explain rows under the model of a snapshot.

    Parameters
    ----------
    problem : Definition
    snapshot : Snapshot
        The model, and the pool rows that it was fitted on.
    folds : sequence of Snapshot
        The same for each of the problem's folds; empty without a guard.
    X : matrix of shape (n_rows, n_features)
    rows : ndarray of shape (n_rows,), dtype intp, optional
        Numbers of the rows in the pool. Needed where labels are switched, as a row then
        has a label of its own, and is not its own neighbor.
    labels : ndarray of shape (n_rows,), dtype intp, optional
        Position of the class to explain of each row; by default the one that the rule
        would give.
    columns : sequence, optional
        The feature that each column of ``X`` belongs to; by default columns go by their
        numbers.
    variant : str, optional
        Variant of the rule that would give the labels; by default its first.
    ranked : bool, default=False
        Whether to pass over the pool to find the ranks of the influences.

    Returns
    -------
    list of Explanation
        Features have no values yet, and rows go by their numbers in
        ``problem.labeled`` and ``problem.validation``.

    Warns
    -----
    InfluenceWarning
        If the Hessian is ill-conditioned.

    Notes
    -----
    Costs one factored Hessian, and one for each fold; then, for each row, a solve for
    every class and every fold, and O(n_validation n_classes n_features).
    """
    rows = np.full(X.shape[0], -1, dtype=np.intp) if rows is None else rows
    effects = LabelEffects.of(problem, snapshot, X, rows)
    if labels is None:
        variants = problem.rule.variants
        default = next(iter(variants.values()))
        labels = effects.best_labels(variants.get(variant or "", default))
    ranks, n_ranked = effects.ranks(labels) if ranked else (None, 0)
    errors = [
        effects.errors(np.full(len(rows), label))
        for label in range(len(problem.classes))
    ]
    on_validation = effects.on_validation_rows(labels)
    of_folds = _of_folds(problem, folds, X, rows, labels)
    near, added = Neighbors(problem), _Contributions(effects, columns)
    validation = _validation_table(effects)
    found = []
    for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
        contributions, intercept, logits = added.of(effects.X[[place]])
        influence, chance = effects.influence[place], effects.probability[place]
        others = np.where(np.arange(len(influence)) == label, -np.inf, influence)
        nearest, farther = near.of(effects.X[[place]], int(row))
        found.append(
            Explanation(
                label=_class(problem, label),
                instead_of=_own_label(problem, int(row)),
                guess=_class(problem, chance.argmax()),
                runner_up=_class(problem, others.argmax()),
                classes=pd.DataFrame(
                    {
                        "label": problem.classes,
                        "influence": influence,
                        "influence_se": [error[place] for error in errors],
                        "probability": chance,
                        "logit": logits,
                    }
                ),
                contributions=contributions,
                intercept=intercept,
                values=(None,) * len(contributions),
                nearest=nearest,
                farther=farther,
                validation=validation.assign(effect=on_validation[place]),
                folds=of_folds[place],
                rank=None if ranks is None else int(ranks[place]),
                n_ranked=n_ranked,
            )
        )
    return found


def _class(problem: Definition, position: Any) -> Any:
    """A class as the user has it."""
    return problem.classes[[position]].tolist()[0]


def _own_label(problem: Definition, row: int) -> Any:
    """The class that a row has already, where labels are switched."""
    edit = problem.edit
    if not isinstance(edit, SwitchLabel):
        return None
    return _class(problem, edit.own[row])


def _of_folds(
    problem: Definition,
    folds: Sequence[Snapshot],
    X: Matrix,
    rows: IntArray,
    labels: IntArray,
) -> list[pd.DataFrame]:
    """A table for each row, with a line for each fold."""
    lines: list[list[dict[str, Any]]] = [[] for _ in rows]
    for fold, snapshot in zip(problem.folds, folds, strict=bool(folds)):
        effects = LabelEffects.of(problem.within(fold), snapshot, X, rows)
        influence, error = effects.of_label(labels), effects.errors(labels)
        given = dict(zip(snapshot.rows.tolist(), snapshot.labels, strict=True))
        for place, row in enumerate(rows.tolist()):
            lines[place].append(
                {
                    "influence": float(influence[place]),
                    "influence_se": float(error[place]),
                    "label": _class(problem, given[row]) if row in given else None,
                }
            )
    # Of objects, as pandas would make a number of None.
    types = {"influence": float, "influence_se": float, "label": object}
    return [
        pd.DataFrame(
            {
                name: pd.Series([line[name] for line in each], dtype=dtype)
                for name, dtype in types.items()
            }
        )
        for each in lines
    ]


def _validation_table(effects: LabelEffects) -> pd.DataFrame:
    """The validation rows with their labels and the probabilities of these."""
    seen = effects.problem.validation
    chance = effects.factored.model.probability(as_float64(seen.X))
    return pd.DataFrame(
        {
            "row": np.arange(len(seen)),
            "label": effects.problem.classes[seen.labels],
            "probability": chance[np.arange(len(seen)), seen.labels],
        }
    )


class _Contributions:
    """What features add to the logits of a row."""

    def __init__(
        self, effects: LabelEffects, columns: Sequence[Hashable] | None
    ) -> None:
        self._model = effects.factored.model
        names = range(self._model.n_features) if columns is None else columns
        place: dict[Hashable, int] = {}
        for name in names:
            place.setdefault(name, len(place))
        self._place = np.array([place[name] for name in names], dtype=np.intp)
        self._names = pd.Index([*place], name="feature", tupleize_cols=False)
        self._classes = pd.Index(effects.problem.classes.tolist(), name="class")

    def of(self, row: Matrix) -> tuple[pd.DataFrame, pd.Series[float], Float64Array]:
        """Contributions, intercept and logits of one row."""
        values = row.toarray()[0] if sparse.issparse(row) else row[0]
        added = np.zeros((len(self._names), len(self._classes)))
        np.add.at(added, self._place, (self._model.coef * values).T)
        return (
            pd.DataFrame(added, index=self._names, columns=self._classes),
            pd.Series(self._model.intercept, index=self._classes),
            self._model.logits(row)[0],
        )
