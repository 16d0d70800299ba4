"""Does switching labels by their influence clean them, and does that help?

    python -m studies.relabel

takes clean rows, makes part of the training labels wrong, and compares relabeling with
cleanlab and with training on the clean validation rows. It writes
``docs/studies/relabel`` and resumes from the measurements it finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict

import salutary
from salutary_benchmark.data.catalog import find_data_set
from salutary_benchmark.data.loading import Rows, load
from salutary_benchmark.data.splits import make_encoder
from salutary_benchmark.experiments.experiment import Display
from studies.writing import environment, real_data, write_study

SETS = ("waveform", "electric", "celeba", "mnist")
NOISE = {"symmetric 20%": 0.2, "symmetric 40%": 0.4, "class-dependent 40%": 0.4}
HUMAN = "cifar10, people's labels"
CASES = (*(f"{data}, {noise}" for data in SETS for noise in NOISE), HUMAN)
PENALTIES = (0.1, 1.0)
SEEDS = range(10)
N_TRAIN, N_VALIDATION, N_TEST = 600, 150, 2_000
N_OF_CIFAR = (1_000, 300)

Labels = NDArray[np.intp]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """One draw: matrices, the given labels, and the true labels."""

    X: Matrix
    given: Labels
    true: Labels
    X_val: Matrix
    y_val: Labels
    X_test: Matrix
    y_test: Labels


@lru_cache(maxsize=1)
def _loaded(name: str) -> Rows:
    return load(find_data_set(name), real_data())


def draw(case: str, seed: int) -> Drawn:
    """Rows of a case; validation and test labels are clean."""
    name, noise = case.split(", ")
    human = case == HUMAN
    rows = _loaded(name)
    rng = np.random.default_rng(seed)
    of_people = _peoples_labels(len(rows.y)) if human else None
    # CIFAR-10N has labels for CIFAR-10's training images only.
    order = rng.permutation(10_000 if human else len(rows.y))
    n_train, n_validation = N_OF_CIFAR if human else (N_TRAIN, N_VALIDATION)
    ends = np.cumsum([n_train, n_validation, N_TEST])
    parts = np.split(order, ends)[:3]
    kind = find_data_set(name).kind
    features = [
        rows.X.iloc[part] if hasattr(rows.X, "iloc") else rows.X[part] for part in parts
    ]
    encoder = make_encoder(kind, seed).fit(features[0])
    X, X_val, X_test = (np.asarray(encoder.transform(part), float) for part in features)
    true, y_val, y_test = (rows.y[part].astype(np.intp) for part in parts)
    given = of_people[parts[0]] if of_people is not None else wrong(true, noise, rng)
    return Drawn(X, given, true, X_val, y_val, X_test, y_test)


def _peoples_labels(n_rows: int) -> Labels:
    """CIFAR-10N's "worse" labels, in the order of our rows."""
    folder = real_data()
    with np.load(folder / "cifar10n_labels.npz", allow_pickle=False) as found:
        labels = found["worse_label"][found["subset_index"]]
    given = np.zeros(n_rows, dtype=np.intp)
    given[: len(labels)] = labels
    return given


def wrong(true: Labels, noise: str, rng: np.random.Generator) -> Labels:
    """Make some of the labels wrong.

    Symmetric: each becomes any other class. Class-dependent: those of the upper half of
    the classes become the class below, and the lower half stays.
    """
    n_classes = int(true.max()) + 1
    changed = rng.random(len(true)) < NOISE[noise]
    given = true.copy()
    if noise.startswith("symmetric"):
        shift = rng.integers(1, n_classes, len(true))
        given[changed] = (true + shift)[changed] % n_classes
    else:
        changed &= true >= n_classes / 2
        given[changed] = true[changed] - 1
    return given


def _with_cleanlab(
    drawn: Drawn, model: LogisticRegression, *, with_validation: bool
) -> tuple[NDArray[np.bool_], Labels]:
    """Rows that cleanlab finds to be mislabeled, and each row's likeliest label."""
    X, y = drawn.X, drawn.given
    if with_validation:
        X, y = np.vstack([X, drawn.X_val]), np.append(y, drawn.y_val)
    chance = cross_val_predict(model, X, y, cv=5, method="predict_proba")
    found = find_label_issues(y, chance, n_jobs=1)[: len(drawn.given)]
    return found, chance[: len(drawn.given)].argmax(axis=1)


def labelings(
    drawn: Drawn, C: float, seed: int
) -> Iterator[tuple[str, NDArray[np.bool_], Labels]]:
    """For each way to treat the training labels, the rows it keeps and their labels."""
    every = np.ones(len(drawn.given), dtype=bool)
    model = LogisticRegression(C=C, max_iter=10_000)
    yield "as given", every, drawn.given
    for name, both in (("cleanlab", False), ("cleanlab with validation", True)):
        issues, likeliest = _with_cleanlab(drawn, model, with_validation=both)
        yield f"{name}, pruned", ~issues, drawn.given
        yield f"{name}, corrected", every, np.where(issues, likeliest, drawn.given)
    for name, settings in (
        ("relabel", {}),
        ("relabel, paper's rule", {"rule": "paper"}),
        ("relabel, no guard", {"guard": False}),
    ):
        found = salutary.relabel(
            drawn.X,
            drawn.given,
            drawn.X_val,
            drawn.y_val,
            estimator=model,
            random_state=seed,
            **settings,  # type: ignore[arg-type]
        )
        yield name, every, found.y
    yield "true labels", every, drawn.true


def measure(case: str, seed: int) -> Iterator[dict[str, Any]]:
    """Every way to treat the labels, under every penalty."""
    drawn = draw(case, seed)
    for C in PENALTIES:
        model = LogisticRegression(C=C, max_iter=10_000)
        alone = model.fit(drawn.X_val, drawn.y_val)
        yield {"C": C, "labels": "validation only", **judged(alone, drawn)}
        for name, kept, labels in labelings(drawn, C, seed):
            rows = drawn.X[kept], labels[kept]
            both = np.vstack([rows[0], drawn.X_val]), np.append(rows[1], drawn.y_val)
            left = {
                "noise": np.mean(labels[kept] != drawn.true[kept]),
                "changed": np.mean(~kept | (labels != drawn.given)),
            }
            for suffix, (X, y) in (("", rows), (" + validation", both)):
                figures = judged(model.fit(X, y), drawn)
                yield {"C": C, "labels": name + suffix, **left, **figures}


def judged(model: LogisticRegression, drawn: Drawn) -> dict[str, float]:
    """Accuracy and log loss of a model on the test rows."""
    known = np.isin(drawn.y_test, model.classes_)
    chance = model.predict_proba(drawn.X_test[known])
    return {
        "accuracy": float(np.mean(model.predict(drawn.X_test) == drawn.y_test)),
        "log_loss": log_loss(drawn.y_test[known], chance, labels=model.classes_),
    }


@dataclass(frozen=True)
class Compared:
    """A measure of every way to treat the labels, case by case.

    Parameters
    ----------
    found : DataFrame
        Measurements under one penalty.
    measure : {"accuracy", "log_loss", "noise"}
    """

    found: pd.DataFrame
    measure: str

    def _means(self) -> pd.DataFrame:
        measured = self.found.dropna(subset=[self.measure])
        if self.measure == "noise":
            measured = measured[~measured["labels"].str.contains(" + v", regex=False)]
        keys = ["labels", "case"]
        grouped = measured.groupby(keys, sort=False)[self.measure]
        return grouped.agg(["mean", "sem"]).unstack("case")

    def frame(self) -> pd.DataFrame:
        """Means and standard errors over the draws."""
        means = self._means()
        columns: dict[str, Any] = {"training labels": means.index}
        for case in means["mean"]:
            pairs = zip(means["mean"][case], means["sem"][case], strict=True)
            columns[case] = [f"{mean:.3f} ± {error:.3f}" for mean, error in pairs]
        return pd.DataFrame(columns)

    def plot(self) -> Figure:
        """Bars for the ways of `SHOWN`."""
        means = self._means()["mean"]
        shown = [name for name in means.index if name in SHOWN]
        figure = Figure(figsize=(11, 4.5), layout="constrained")
        axes = figure.subplots()
        width = 0.8 / len(shown)
        for number, name in enumerate(shown):
            places = np.arange(means.shape[1]) + number * width
            axes.bar(places, means.loc[name], width, label=name)
        axes.set_xticks(
            np.arange(means.shape[1]) + 0.4,
            [case.replace(", ", "\n") for case in means.columns],
            fontsize=7,
        )
        axes.set_ylabel(self.measure.replace("_", " "))
        low = means.loc[shown].min().min()
        axes.set_ylim(max(0, low - 0.1) if self.measure == "accuracy" else 0)
        axes.legend(fontsize=7, ncols=3)
        return figure


SHOWN = (
    "validation only",
    "as given",
    "as given + validation",
    "cleanlab with validation, corrected",
    "cleanlab with validation, pruned + validation",
    "relabel",
    "relabel + validation",
    "true labels",
)
"""Ways that the pictures show."""


def shown(found: pd.DataFrame) -> dict[str, Display]:
    """Wrong labels left, accuracy and log loss, with a table for each penalty."""
    displays: dict[str, Display] = {}
    for C in PENALTIES:
        of_penalty = found[found["C"] == C]
        for measure, title in (
            ("noise", "Wrong labels among those trained on"),
            ("accuracy", "Accuracy"),
            ("log_loss", "Log loss"),
        ):
            displays[f"{title}, C = {C:g}"] = Compared(of_penalty, measure)
    return displays


READING = f"""\
{N_TRAIN} training rows with wrong labels, {N_VALIDATION} clean rows to validate,
{N_TEST} to test, drawn anew {len(SEEDS)} times. Symmetric noise turns a label into any
other; class-dependent noise turns those of the upper half of the classes into the class
below. Of CIFAR-10, {N_OF_CIFAR[0]} and {N_OF_CIFAR[1]} rows, 64 principal components,
and the labels people gave (CIFAR-10N, the worst of three). "+ validation" trains on the
validation rows too. cleanlab finds wrong labels by fivefold cross-validation, of the
training rows or of those and the validation rows; found rows are pruned, or corrected
to the likeliest class. relabel is the default: tempered rule, guard. The "true labels"
are a bound that nobody has."""


def main() -> None:
    write_study(
        "relabel",
        {"seed": SEEDS, "case": CASES},
        measure,
        shown,
        heading=(
            "Does relabeling clean labels, and does it help?",
            f"{environment()}, cleanlab {version('cleanlab')}.\n\n{READING}",
        ),
        jobs=1,
    )


if __name__ == "__main__":
    main()
