"""Suites: which strategies meet on which data sets, and under what setting."""

from __future__ import annotations

from dataclasses import dataclass

from salutary.benchmark.datasets import NINE
from salutary.benchmark.no_labels import CONTROLS, NO_LABELS
from salutary.benchmark.task import Setting, Strategy
from salutary.benchmark.true_labels import TRUE_LABELS
from salutary.errors import InputError

STRATEGIES: dict[str, Strategy] = {**TRUE_LABELS, **NO_LABELS, **CONTROLS}
"""All strategies, by name."""

LARGEST_POOL = 10_000
"""Pool rows above which a sample is taken."""


@dataclass(frozen=True)
class Suite:
    """Data sets and strategies under one setting.

    Parameters
    ----------
    name, description : str
    setting : Setting
    data_sets, strategies : tuples of str
    """

    name: str
    description: str
    setting: Setting
    data_sets: tuple[str, ...] = NINE
    strategies: tuple[str, ...] = tuple(STRATEGIES)


_SUITES = (
    Suite(
        "paper",
        "As the paper's text: 300 labeled rows, 20% validation, 20% test, ten rounds "
        "of ten; C = 0.02, the authors' penalty.",
        Setting(),
        # With a fifth of all rows for validation it only repeats TrainPlusValidation.
        strategies=tuple(name for name in STRATEGIES if name != "Salutary+Validation"),
    ),
    Suite(
        "fair",
        "The same number of human labels for everyone, 600 in the end, validation rows "
        "counted: 300 to train on and 300 to validate on. Strategies that buy 100 "
        "labels begin with 200 validation rows in training. C tuned in every "
        "round by cross-validation.",
        Setting(validation=300, C=None, equal_labels=True),
    ),
    Suite(
        "authors-code",
        "As the authors' released code: no intercept, penalty 50, curvature over the "
        "pool; on Bank.",
        Setting(C=0.02, fit_intercept=False, hessian="pool"),
        data_sets=("bank",),
    ),
    Suite(
        "quick",
        "A minute on data that comes with scikit-learn, to see what a run looks like: "
        "100 labeled rows, two rounds of ten, C = 1.",
        Setting(n_labeled=100, budget=20, C=1.0),
        data_sets=("digits", "breast_cancer"),
        strategies=("Margin", "Salutary-plausible", "TrainPlusValidation"),
    ),
)

SUITES = {suite.name: suite for suite in _SUITES}


def find_suite(name: str) -> Suite:
    """The suite of a name, or an `InputError` that lists the names."""
    if name not in SUITES:
        raise InputError(f"no suite is called {name!r}; there are {', '.join(SUITES)}")
    return SUITES[name]
