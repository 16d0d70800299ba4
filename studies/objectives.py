"""Does an objective of one's own bring what it asks for?

    python -m studies.objectives

labels pools under the balanced objective (Bank, Musk), a cost matrix (Bank) and the
worst group (CelebA: smiles by four columns, and blond hair by hair and sex), beside the
same runs under the mean log loss and beside training without a pool. It writes
``docs/studies/objectives`` and resumes from the measurements it finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import ttest_rel
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_sample_weight

from salutary.arrays import FloatArray, IntArray
from salutary.influence.objectives import (
    ExpectedCost,
    Objective,
    WorstGroup,
    balanced_log_loss,
)
from salutary.influence.objectives import log_loss as mean_log_loss
from salutary.labeling.definition import split_folds
from salutary.labeling.fitting import fit_converged
from salutary.labeling.loop import run
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows, join
from salutary.labeling.rules import RULES
from salutary.pools.arrays import ArrayPool
from salutary_benchmark.data.catalog import find_data_set
from salutary_benchmark.data.loading import load
from salutary_benchmark.data.splits import make_encoder
from salutary_benchmark.experiments.experiment import Display
from studies.writing import environment, real_data, write_study

COSTS = np.array([[0.0, 1.0], [10.0, 0.0]])
"""Cost by true class and prediction: a useless call 1, a missed subscriber 10."""

GROUPED_BY = ("Male", "Young", "Eyeglasses", "Wearing_Hat")
"""Columns that divide the faces into two groups; the label is whether a face smiles."""

HAIR = "blond hair by hair and sex, worst group"
"""The usual case for robustness between groups, and where they really differ.

Sagawa et al., Distributionally Robust Neural Networks for Group Shifts, ICLR 2020.
"""

CASES = (
    "bank, balanced",
    "musk, balanced",
    "bank, cost",
    *(f"celeba by {column}, worst group" for column in GROUPED_BY),
    HAIR,
)
PENALTIES = (0.1, 1.0)
SEEDS = range(10)
ROWS, N_LABELED, BUDGET, BATCH = 6_000, 300, 100, 10
ROWS_OF_HAIR = 20_000
"""Enough for about 35 blond men, one face in a hundred, in validation and test rows."""


@dataclass(frozen=True)
class Drawn:
    """One encoded draw; all rows have a group in every case."""

    labeled: LabeledRows
    validation: LabeledRows
    pool: LabeledRows
    test: LabeledRows


def draw(case: str, seed: int) -> Drawn:
    """Draw 20% validation, 20% test and 300 labeled rows; the rest is the pool."""
    X, y, groups = _rows(case)
    n_rows = ROWS_OF_HAIR if case == HAIR else ROWS
    chosen, _ = train_test_split(
        np.arange(len(y)), train_size=n_rows, stratify=y, random_state=seed
    )
    n_held = n_rows // 5
    sizes = {"test": n_held, "validation": n_held, "labeled": N_LABELED}
    parts = {}
    for part, size in sizes.items():
        chosen, parts[part] = train_test_split(
            chosen, test_size=size, stratify=y[chosen], random_state=seed
        )
    parts["pool"] = chosen
    fitted = np.concatenate([parts["labeled"], parts["pool"]])
    encoder = make_encoder("table", seed).fit(X.iloc[fitted])

    def encoded(part: str) -> LabeledRows:
        own = parts[part]
        encoded = np.asarray(encoder.transform(X.iloc[own]), dtype=np.float64)
        return LabeledRows(encoded, y[own], np.ones(len(own)), groups[own])

    return Drawn(*(encoded(part) for part in ("labeled", "validation", "pool", "test")))


def _rows(case: str) -> tuple[pd.DataFrame, IntArray, IntArray]:
    """Features, classes and groups of all rows of a case's data set."""
    if case == HAIR:
        X = load(find_data_set("celeba"), real_data()).X
        blond, male = ((X[name].to_numpy() > 0) for name in ("Blond_Hair", "Male"))
        y = blond.astype(np.intp)
        return X.drop(columns="Blond_Hair"), y, 2 * y + male
    name, _, column = case.split(", ")[0].partition(" by ")
    rows = load(find_data_set(name), real_data())
    y = rows.y.astype(np.intp)
    return (
        rows.X,
        y,
        (rows.X[column].to_numpy() > 0).astype(np.intp) if column else 0 * y,
    )


def objective_of(case: str) -> Objective:
    """The objective of a case."""
    if case.endswith("balanced"):
        return balanced_log_loss
    return ExpectedCost(COSTS) if case.endswith("cost") else WorstGroup()


def models(
    drawn: Drawn, objective: Objective, C: float, seed: int
) -> Iterator[tuple[str, LogisticRegression]]:
    """Models with and without a pool, under the objective and under log loss."""
    classes = np.unique(drawn.labeled.labels)
    plain = LogisticRegression(C=C)
    groups = np.concatenate([drawn.labeled.groups, drawn.validation.groups])
    both = replace(join(drawn.labeled, drawn.validation), groups=groups)
    for name, rows in (("train only", drawn.labeled), ("train + validation", both)):
        yield name, fit_converged(plain, rows, classes)
        kinds = {"class": rows.labels, "group": rows.groups}
        for kind, number in kinds.items():
            if np.ptp(number):
                weight = compute_sample_weight("balanced", number)
                balanced = replace(rows, weight=weight)
                yield f"{name}, {kind} weights", fit_converged(plain, balanced, classes)
    problem = Problem(
        estimator=plain,
        classes=classes,
        labeled=drawn.labeled,
        validation=drawn.validation,
        folds=split_folds(drawn.validation, True, np.random.RandomState(seed)),
        pool=ArrayPool.of(drawn.pool.X),
        rule=RULES["tempered"],
        hessian="train",
        batch_size=BATCH,
    )
    for name, aim in (("log loss", mean_log_loss), ("objective", objective)):
        state, _ = run(replace(problem, objective=aim), BUDGET)
        yield f"salutary, {name}", state.best.model


def measure(case: str, seed: int) -> Iterator[dict[str, Any]]:
    """All models of a case's draw, under every penalty."""
    drawn, objective = draw(case, seed), objective_of(case)
    for C in PENALTIES:
        for name, model in models(drawn, objective, C, seed):
            value, _ = objective(drawn.test.logits(model), drawn.test.truth)
            yield {"C": C, "model": name, "objective": value, **judged(model, drawn)}


def judged(model: LogisticRegression, drawn: Drawn) -> dict[str, float]:
    """Measures of a model on the test rows."""
    test, chance = drawn.test, model.predict_proba(drawn.test.X)
    found = chance.argmax(axis=1)
    cheapest = (chance @ COSTS).argmin(axis=1)
    accuracy, loss = [], []
    for group in np.unique(test.groups):
        own = np.flatnonzero(test.groups == group)
        accuracy.append(np.mean(found[own] == test.labels[own]))
        loss.append(log_loss(test.labels[own], chance[own], labels=model.classes_))
    return {
        "accuracy": float(np.mean(found == test.labels)),
        "balanced accuracy": balanced_accuracy_score(test.labels, found),
        "cost": _cost(test.labels, found),
        "cost, cheapest class": _cost(test.labels, cheapest),
        "worst group's accuracy": float(min(accuracy)),
        "worst group's log loss": float(max(loss)),
    }


def _cost(true: IntArray, found: IntArray) -> float:
    costs: FloatArray = COSTS[true, found]
    return float(costs.mean())


MEASURES = {
    "balanced": ("balanced accuracy", "accuracy"),
    "cost": ("cost", "cost, cheapest class"),
    "worst group": ("worst group's log loss", "worst group's accuracy"),
}


@dataclass(frozen=True)
class Objectives:
    """Models of the cases that are about one objective.

    Parameters
    ----------
    found : DataFrame
        Measurements of these cases.
    measures : tuple of str
        What the objective asks for, and what else to look at.
    """

    found: pd.DataFrame
    measures: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """Means and standard errors over the draws.

        A star where the paired t-test of salutary under the objective against under log
        loss has p < 0.05.
        """
        rows = []
        for (case, C, model), own in self.found.groupby(
            ["case", "C", "model"], sort=False
        ):
            row = {"case": case, "C": C, "model": model}
            for name in ("objective", *self.measures):
                star = ""
                if model == "salutary, objective":
                    star = " *" if self._p_value(case, C, name) < 0.05 else ""
                values = own[name]
                row[name] = f"{values.mean():.4f} ± {values.sem():.4f}{star}"
            rows.append(row)
        return pd.DataFrame(rows)

    def _p_value(self, case: str, C: float, name: str) -> float:
        cell = self.found.query("case == @case and C == @C")
        wide = cell.pivot(index="seed", columns="model", values=name)
        pair = wide["salutary, objective"], wide["salutary, log loss"]
        return float(ttest_rel(*pair).pvalue) if not pair[0].equals(pair[1]) else 1.0

    def plot(self) -> Figure:
        """The first measure under log loss and under the objective, draw by draw."""
        name = self.measures[0]
        cells = list(self.found.groupby(["case", "C"], sort=False))
        figure = Figure(figsize=(10, 0.5 + 0.42 * len(cells) + 1), layout="constrained")
        axes = figure.subplots()
        for place, (_, cell) in enumerate(cells):
            wide = cell.pivot(index="seed", columns="model", values=name)
            for model, color in COLORS.items():
                if model not in wide:
                    continue
                mean, error = wide[model].mean(), wide[model].sem()
                axes.errorbar(mean, place, xerr=error, fmt="o", color=color)
        axes.set_yticks(
            range(len(cells)), [f"{case}, C = {C:g}" for (case, C), _ in cells]
        )
        axes.invert_yaxis()
        axes.set_xlabel(name)
        shown = [name for name in COLORS if (self.found["model"] == name).any()]
        dots = [Line2D([], [], marker="o", ls="", color=COLORS[name]) for name in shown]
        axes.legend(dots, shown, fontsize=8)
        return figure


COLORS = {
    "train only": "0.6",
    "train + validation": "0.2",
    "train + validation, class weights": "tab:blue",
    "train + validation, group weights": "tab:cyan",
    "salutary, log loss": "tab:orange",
    "salutary, objective": "tab:red",
}


def shown(found: pd.DataFrame) -> dict[str, Display]:
    """A table and a picture for each objective."""
    return {
        f"Objective: {name}": Objectives(
            found[found["case"].str.endswith(name)], measures
        )
        for name, measures in MEASURES.items()
    }


READING = f"""\
{ROWS} rows of each data set, drawn anew {len(SEEDS)} times: {N_LABELED} labeled, 20% to
validate, 20% to test, the rest as pool; {BUDGET} labels in rounds of {BATCH}, tempered
rule, guard. "salutary, log loss" and "salutary, objective" are the same run but for
what labels are to lower. Cost: {COSTS[1, 0]:g} for a subscriber who is not called,
{COSTS[0, 1]:g} for a call that sells nothing; by the likeliest class, and by the class
that is cheapest in expectation under the model's probabilities, which needs no other
model. Groups: whether a face has the attribute, and the label is whether it smiles; and
the four of blond or not and man or woman, where the label is blond hair and one face in
a hundred is a blond man ({ROWS_OF_HAIR} rows). "class weights" and "group weights" give
every class or group the same weight in all, as scikit-learn's "balanced" does. A star
marks a paired t-test against "salutary, log loss" with p < 0.05, without correction."""


def main() -> None:
    write_study(
        "objectives",
        {"seed": SEEDS, "case": CASES},
        measure,
        shown,
        heading=(
            "Does an objective of one's own bring what it asks for?",
            f"{environment()}.\n\n{READING}",
        ),
        jobs=2,
    )


if __name__ == "__main__":
    main()
