"""Suites: which strategies meet on which data sets, under what settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from salutary.benchmark.datasets import NINE
from salutary.benchmark.experiment import Experiment
from salutary.benchmark.side_by_side import SIDE_BY_SIDE
from salutary.benchmark.strategies import COMPARED
from salutary.benchmark.task import Setting
from salutary.errors import InputError


@dataclass(frozen=True)
class Suite:
    """Data sets, strategies and settings, every combination of which is measured.

    Parameters
    ----------
    name, description : str
    experiment : Experiment
        What is measured.
    settings : dict of str to setting
        By name, in the order that reports have them; the name is empty where there is
        only one.
    data_sets, strategies : tuples of str
    restricted : dict of str to tuple of str
        The data sets of a setting that not all have.
    """

    name: str
    description: str
    experiment: Experiment
    settings: Mapping[str, Any]
    data_sets: tuple[str, ...] = NINE
    strategies: tuple[str, ...] = tuple(COMPARED)
    restricted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def settings_of(self, data: str) -> list[str]:
        """Names of the settings that a data set has."""
        return [
            name
            for name in self.settings
            if data in self.restricted.get(name, self.data_sets)
        ]


_SUITES = (
    Suite(
        "paper",
        "As the paper's text: 300 labeled rows, 20% validation, 20% test, ten rounds "
        "of ten; C = 0.02, the authors' penalty.",
        SIDE_BY_SIDE,
        {"": Setting()},
        # With a fifth of all rows for validation it only repeats TrainPlusValidation.
        strategies=tuple(name for name in COMPARED if name != "Salutary+Validation"),
    ),
    Suite(
        "fair",
        "The same number of human labels for everyone, 600 in the end, validation rows "
        "counted: 300 to train on and 300 to validate on. Strategies that buy 100 "
        "labels begin with 200 validation rows in training. C tuned in every "
        "round by cross-validation.",
        SIDE_BY_SIDE,
        {"": Setting(validation=300, C=None, equal_labels=True)},
    ),
    Suite(
        "authors-code",
        "As the authors' released code: no intercept, penalty 50, curvature over the "
        "pool; on Bank.",
        SIDE_BY_SIDE,
        {"": Setting(C=0.02, fit_intercept=False, hessian="pool")},
        data_sets=("bank",),
    ),
    Suite(
        "quick",
        "A minute on data that comes with scikit-learn, to see what a run looks like: "
        "100 labeled rows, two rounds of ten, C = 1.",
        SIDE_BY_SIDE,
        {"": Setting(n_labeled=100, budget=20, C=1.0)},
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
