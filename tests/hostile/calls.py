"""The Python functions that are tried, and what must hold of their results."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

LABEL_CONTAINERS = ["list", "array", "array of objects", "series", "arrow", "polars"]


@dataclass
class Case:
    """The arguments of one call."""

    name: str
    rows: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, Any] = field(default_factory=dict)
    weight: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    label_containers: list[str] = field(default_factory=lambda: [*LABEL_CONTAINERS])
    told: list[str] = field(default_factory=list)
    same_rows: bool = True
    must_be_refused: bool = False

    @property
    def marks_rows(self) -> bool:
        """Whether rows without a label may be among the training rows."""
        return self.name in ("classifier", "fine-tuner")

    @property
    def needs(self) -> tuple[str, ...]:
        """Tables that the function takes."""
        if self.marks_rows or self.name == "relabel":
            return ("train", "val")
        return ("train", "val", "pool")


def given_labels(labels: Any) -> list[Any]:
    """The labels of a container as Python values, as the container itself has them."""
    if isinstance(labels, pd.DataFrame):
        labels = labels.squeeze("columns")
    for to_list in ("to_pylist", "to_list", "tolist"):
        if hasattr(labels, to_list):
            labels = getattr(labels, to_list)()
            break
    found = [*labels]
    if all(isinstance(label, list | tuple) and len(label) == 1 for label in found):
        found = [label for (label,) in found]  # one column of an array
    if any(isinstance(label, list | dict | set) for label in found):
        raise AssertionError("worked with labels in a container of several columns")
    return found


def is_same(given: Any, found: Any) -> bool:
    """Whether a label is what was given: equal, and of the same kind."""
    given = given.item() if isinstance(given, np.generic) else given
    found = found.item() if isinstance(found, np.generic) else found
    kinds = [
        "boolean" if isinstance(v, bool) else "text" if isinstance(v, str) else "number"
        for v in (given, found)
    ]
    return kinds[0] == kinds[1] and bool(given == found)


def is_mark(label: Any) -> bool:
    """Whether a label marks a row without one."""
    if label is None or label is pd.NA or label is pd.NaT:
        return True
    return not isinstance(label, str | bool) and bool(label != label or label == -1)


def check_rows(given: Any, found: Any, classes: Any, changed: Any) -> str:
    """What is wrong with the labels of rows after a run; nothing where all is right."""
    labels = given_labels(given)
    if len(labels) != len(found):
        return f"{len(labels)} labels became {len(found)}"
    for row, (label, new) in enumerate(zip(labels, found, strict=True)):
        if changed[row]:
            if not any(is_same(known, new) for known in labels):
                return f"row {row} has the label {new!r}, which was never given"
        elif not is_mark(label) and not is_same(label, new):
            return f"row {row}: the label {label!r} became {new!r}"
    for known in np.asarray(classes).tolist():
        if not any(is_same(label, known) for label in labels):
            return f"the class {known!r} was never given"
    return ""


def classifier(case: Case) -> str:
    """`SalutaryClassifier`: labels stay, whatever holds the rows."""
    from salutary import SalutaryClassifier

    def fitted(X: Any, X_val: Any) -> Any:
        settings = {"budget": 4, "batch_size": 2, "random_state": 0, **case.options}
        return SalutaryClassifier(**settings).fit(
            X, case.labels["train"], X_val, case.labels["val"], case.weight
        )

    model = fitted(case.rows["train"], case.rows["val"])
    model.predict_proba(case.rows["val"])
    wrong = check_rows(
        case.labels["train"],
        np.asarray(model.transduction_, dtype=object),
        model.classes_,
        model.labeled_iter_ > 0,
    )
    if not wrong and case.same_rows and "random_state" not in case.options:
        plain = fitted(
            np.array(case.rows["train"], dtype=float),
            np.array(case.rows["val"], dtype=float),
        )
        if model.labeled_iter_.tolist() != plain.labeled_iter_.tolist():
            wrong = "other rows are labeled than of the same rows in an array"
    return wrong


def relabeling(case: Case) -> str:
    """`relabel`: labels that are not switched stay."""
    from salutary import relabel

    settings = {"budget": 4, "batch_size": 2, "random_state": 0, **case.options}
    found = relabel(
        case.rows["train"],
        case.labels["train"],
        case.rows["val"],
        case.labels["val"],
        sample_weight=case.weight,
        **settings,
    )
    switched = np.zeros(len(found.y), dtype=bool)
    switched[found.switches["row"]] = True
    if found.switches["old_label"].tolist() != [
        np.asarray(given_labels(case.labels["train"]), dtype=object)[row]
        for row in found.switches["row"]
    ]:
        return "a switch is from another label than the row had"
    return check_rows(
        case.labels["train"],
        np.asarray(found.y, dtype=object),
        np.unique(found.y),
        switched,
    )


def advising(case: Case) -> str:
    """`advise`: losses are numbers."""
    from salutary import advise

    settings = {"budget": 4, "n_splits": 2, "n_repeats": 1, "random_state": 0}
    found = advise(
        case.rows["train"],
        case.labels["train"],
        case.rows["val"],
        case.labels["val"],
        case.rows["pool"],
        sample_weight=case.weight,
        **{**settings, **case.options},
    )
    given_labels(case.labels["train"])
    losses = found.table["log_loss"].to_numpy(dtype=float)
    return "" if np.isfinite(losses).all() else f"losses {losses}"


def _fitted(case: Case) -> LogisticRegression:
    """A model of the training rows, which scikit-learn may refuse as well."""
    model = LogisticRegression(tol=1e-10, max_iter=5000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return model.fit(case.rows["train"], case.labels["train"], case.weight)
        except Exception:
            raise ValueError("scikit-learn refuses") from None


def influence(case: Case) -> str:
    """`label_influence`: a finite number for each row and class."""
    from salutary import label_influence

    model = _fitted(case)
    found = label_influence(
        model,
        case.rows["pool"],
        X_train=case.rows["train"],
        y_train=case.labels["train"],
        X_val=case.rows["val"],
        y_val=case.labels["val"],
        sample_weight=case.weight,
        **case.options,
    )
    return _of_matrix(found, model, case)


def adding(case: Case) -> str:
    """`add_one_in`: a finite number for each row and class."""
    from salutary import add_one_in

    model = _fitted(case)
    found = add_one_in(
        model,
        case.rows["pool"],
        X_train=case.rows["train"],
        y_train=case.labels["train"],
        X_val=case.rows["val"],
        y_val=case.labels["val"],
        sample_weight=case.weight,
        **case.options,
    )
    return _of_matrix(found, model, case)


def _of_matrix(found: Any, model: LogisticRegression, case: Case) -> str:
    if found.shape[1] != len(model.classes_):
        return f"is of shape {found.shape}"
    return "" if np.isfinite(found).all() else "not all are finite"


class Mean:
    """A trainer that is quick: rows as vectors, and a logistic regression of them."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """No parameters."""
        return {}

    def set_params(self) -> Mean:
        """Nothing to set."""
        return self

    def fit(self, X: Any, y: Any, X_val: Any = None, y_val: Any = None) -> Mean:
        """Fit the last layer."""
        if np.ndim(X) != 2:  # what a trainer says of rows is passed on as it is
            raise ValueError("rows must have two dimensions")
        self.model_ = LogisticRegression().fit(np.asarray(X, dtype=float), y)
        self.classes_ = self.model_.classes_
        return self

    def embed(self, X: Any) -> Any:
        """Rows as they are."""
        with np.errstate(over="ignore"):
            return np.asarray(X, dtype=np.float32)

    def predict_proba(self, X: Any) -> Any:
        """Of the last layer."""
        return self.model_.predict_proba(np.asarray(X, dtype=float))

    def predict(self, X: Any) -> Any:
        """Of the last layer."""
        return self.model_.predict(np.asarray(X, dtype=float))


def fine_tuner(case: Case) -> str:
    """`SalutaryFineTuner`: labels stay."""
    from salutary import SalutaryFineTuner

    settings = {"budget": 4, "batch_size": 2, "random_state": 0, **case.options}
    model = SalutaryFineTuner(Mean(), **settings).fit(
        case.rows["train"], case.labels["train"], case.rows["val"], case.labels["val"]
    )
    return check_rows(
        case.labels["train"],
        np.asarray(model.transduction_, dtype=object),
        model.classes_,
        model.labeled_iter_ > 0,
    )


@dataclass(frozen=True)
class Call:
    """A function, and values that its options may be given."""

    check: Callable[[Case], str]
    options: dict[str, list[Any]]


def nonsense(logits: Any, truth: Any) -> Any:
    """An objective that gives anything."""
    return "a", None


LIMITS: dict[str, list[Any]] = {
    "budget": [0, -1, 1, 10**30, 1.5, "3", None, float("nan"), True],
    "batch_size": [0, 1, 10**30, 2.0, "3", float("inf")],
    "random_state": [None, -1, 2**32, "seed", 1.5, np.random.RandomState(0)],
}
RUN: dict[str, list[Any]] = {
    **LIMITS,
    "rule": ["paper", "plausible", "other", None, 3, lambda *scores: 0],
    "guard": [True, False, None, "yes", 2],
    "objective": ["balanced", "worst_group", "other", None, nonsense],
    "min_influence_z": [1, -1, float("nan"), float("inf"), "2", None],
}
INFLUENCE: dict[str, list[Any]] = {
    "objective": ["balanced", "worst_group", "other", None, nonsense],
    "groups_val": [["a"] * 18, [None] * 18, list(range(18)), ["a"], "a", [(1,)] * 18],
}

CALLS = {
    "classifier": Call(
        classifier,
        {
            **RUN,
            "estimate": ["newton", "refit", "other", None],
            "hessian": ["pool", "both", "other", None],
            "refit_on_validation": [True, False, "auto", "other", None],
            "estimator": ["other", 3, LogisticRegression(C=1e-9), LogisticRegression],
        },
    ),
    "relabel": Call(relabeling, RUN),
    "advise": Call(
        advising,
        {**LIMITS, "n_splits": [0, 1, 2, 99, "2", None], "n_repeats": [0, 1.5]},
    ),
    "label_influence": Call(
        influence, {**INFLUENCE, "hessian": ["pool", "both", "other", None]}
    ),
    "add_one_in": Call(
        adding, {**INFLUENCE, "estimate": ["newton", "refit", "other", None]}
    ),
    "fine-tuner": Call(
        fine_tuner,
        {name: RUN[name] for name in RUN if name in ("rule", "guard", *LIMITS)},
    ),
}
