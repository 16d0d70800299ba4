"""Suites: which strategies are compared on which data sets, under which settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from salutary.errors import InputError
from salutary_benchmark.data.catalog import NINE
from salutary_benchmark.experiments import factors
from salutary_benchmark.experiments.budgets import BUDGETS
from salutary_benchmark.experiments.experiment import Experiment
from salutary_benchmark.experiments.fidelity import FIDELITY, SUBJECT
from salutary_benchmark.experiments.label_truth import LABELS
from salutary_benchmark.experiments.runtime import DATA, Size
from salutary_benchmark.experiments.runtime_report import RUNTIME
from salutary_benchmark.experiments.side_by_side import SIDE_BY_SIDE
from salutary_benchmark.experiments.unshrinking import UNSHRINKING
from salutary_benchmark.strategies.no_labels import WHOLE_POOL
from salutary_benchmark.strategies.registry import COMPARED
from salutary_benchmark.strategies.task import Setting


@dataclass(frozen=True)
class Suite:
    """Data sets, strategies and settings; every combination of them is measured.

    Parameters
    ----------
    name, description : str
    experiment : Experiment
        What is measured.
    settings : dict of str to setting
        Settings by name, in the order of the reports. The name is empty where a suite
        has only one setting.
    data_sets, strategies : tuples of str
        Names of the data sets and of the strategies.
    restricted : dict of str to tuple of str
        The data sets of each setting that is not measured on all of them.
    """

    name: str
    description: str
    experiment: Experiment
    settings: Mapping[str, Any]
    data_sets: tuple[str, ...] = NINE
    strategies: tuple[str, ...] = tuple(COMPARED)
    restricted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def settings_of(self, data: str) -> list[str]:
        """Names of the settings that a data set is measured under."""
        return [
            name
            for name in self.settings
            if data in self.restricted.get(name, self.data_sets)
        ]


FEW = ("digits", "electric", "musk", "waveform")
"""Data sets of suites with many settings: small, and different from each other."""

_FEW_ARE = (
    "digits (ten classes; the published rule harms it under weak penalties), electric "
    "(two classes; the paper's claim holds), musk (two classes and 166 features; the "
    "claim fails) and waveform (three classes; the best possible accuracy is known)"
)

_NOISY = Setting(validation=300, largest_pool=3_000)
"""The setting before any label is made wrong."""
_DRAWN: dict[str, Setting] = {
    f"{kind}={percent}%": replace(_NOISY, noise=kind, noise_rate=percent / 100)
    for kind in ("symmetric", "class-dependent")
    for percent in (10, 30, 50)
}
"""Labels made wrong at random: by which rule, and what percentage of them."""
_BY_PEOPLE: dict[str, Setting] = {
    f"people={kind}": replace(_NOISY, noise=kind)
    for kind in ("aggre", "random1", "worse")
}
"""Wrong labels that people gave."""

_SUITES = (
    Suite(
        "paper",
        "The setting of the paper's text: 300 labeled rows, 20% of all rows for "
        "validation and 20% for testing, ten rounds of ten labels, and C = 0.02, the "
        "authors' penalty.",
        SIDE_BY_SIDE,
        {"": Setting()},
        # With a fifth of all rows for validation, Salutary+Validation only repeats
        # TrainPlusValidation.
        strategies=tuple(name for name in COMPARED if name != "Salutary+Validation"),
    ),
    Suite(
        "fair",
        "Every strategy may use 600 human labels, those of the validation rows "
        "included. All have 300 labeled rows and 300 validation rows; strategies that "
        "buy 100 labels train on 200 of the validation rows from the start. C is tuned "
        "in every round by cross-validation.",
        SIDE_BY_SIDE,
        {"": Setting(validation=300, C=None, equal_labels=True)},
    ),
    Suite(
        "authors-code",
        "The setting of the authors' released code, on Bank: no intercept, penalty 50, "
        "and the curvature of the pool.",
        SIDE_BY_SIDE,
        {"": Setting(C=0.02, fit_intercept=False, hessian="pool")},
        data_sets=("bank",),
    ),
    Suite(
        "quick",
        "A run of a minute on data that comes with scikit-learn: 100 labeled rows, two "
        "rounds of ten labels, C = 1.",
        SIDE_BY_SIDE,
        {"": Setting(n_labeled=100, budget=20, C=1.0)},
        data_sets=("digits", "breast_cancer"),
        strategies=("Margin", *WHOLE_POOL, "Salutary-guarded", "TrainPlusValidation"),
    ),
    Suite(
        "budget",
        "The paper's setting with 1, 10 or 50 labels a round, or 1% of the pool, for "
        "up to 50 rounds. It shows where gains end and where they turn into losses. On "
        f"{_FEW_ARE}. On digits 1% of the pool is ten rows, which b=10 measures "
        "already.",
        BUDGETS,
        {
            "b=1": Setting(budget=50, batch_size=1, n_rounds=50),
            "b=10": Setting(budget=500, batch_size=10, n_rounds=50),
            "b=50": Setting(budget=2500, batch_size=50, n_rounds=50),
            "b=1%": Setting(budget=500, batch_fraction=0.01, n_rounds=50),
        },
        data_sets=FEW,
        strategies=(
            "Margin",
            *WHOLE_POOL,
            "Salutary-paper",
            "Salutary-tempered",
            "Salutary-guarded",
            "TrainOnly",
            "TrainPlusValidation",
        ),
        restricted={"b=1%": ("electric", "musk", "waveform")},
    ),
    Suite(
        "validation-size",
        "1%, 2%, 5%, 10% or 20% of all rows for validation, and C tuned in every "
        "round. Salutary labels are compared with training on the labeled rows alone, "
        "with training on the validation rows too (TrainPlusValidation), and with "
        "margin sampling that trains on both and then buys 100 true labels "
        f"(Margin+Validation). On {_FEW_ARE}.",
        replace(
            SIDE_BY_SIDE,
            show=partial(
                factors.show,
                strategies=("Salutary-paper", "Salutary-guarded"),
                opponents=(
                    "TrainOnly",
                    "TrainPlusValidation",
                    "Margin+Validation",
                ),
            ),
        ),
        {
            f"validation={percent}%": Setting(validation=percent / 100, C=None)
            for percent in (1, 2, 5, 10, 20)
        },
        data_sets=FEW,
        strategies=(
            "Margin+Validation",
            *WHOLE_POOL,
            "Salutary-paper",
            "Salutary-guarded",
            "TrainOnly",
            "TrainPlusValidation",
        ),
    ),
    Suite(
        "regularization",
        "C from 0.01 to 10, or tuned in every round, with 300 validation rows: how "
        "much of the gain only undoes the shrinking of a strong penalty? Every model "
        "is judged as it is, and again with its logits multiplied by the one number "
        "that fits the validation rows best. TrainUnshrunk fits the labeled rows under "
        f"the C with the lowest validation loss. On {_FEW_ARE}.",
        UNSHRINKING,
        {
            **{
                f"C={C:g}": Setting(validation=300, C=C) for C in (0.01, 0.1, 1.0, 10.0)
            },
            "C=tuned": Setting(validation=300, C=None),
        },
        data_sets=FEW,
        strategies=(
            "Margin",
            *WHOLE_POOL,
            "Salutary-paper",
            "Salutary-guarded",
            "TrainOnly",
            "TrainPlusValidation",
            "TrainUnshrunk",
        ),
    ),
    Suite(
        "noise",
        "Up to half of the 300 training labels are wrong. Symmetric noise turns a "
        "label into any other class; class-dependent noise turns it into the next "
        f"class, and more often the lower the class. Both on {_FEW_ARE}. On cifar10n "
        "the labels are those that people gave CIFAR-10 (CIFAR-10N), of which 9%, 17% "
        "or 40% are wrong. The labels of the 300 validation rows and all bought labels "
        "are right. C = 0.02.",
        replace(
            SIDE_BY_SIDE,
            show=partial(
                factors.show,
                strategies=("Salutary-paper", "Salutary-guarded"),
                opponents=("TrainPlusValidation", "ValidationOnly", "Margin"),
            ),
        ),
        {"clean": _NOISY, **_DRAWN, **_BY_PEOPLE},
        data_sets=(*FEW, "cifar10n"),
        strategies=(
            "Margin",
            *WHOLE_POOL,
            "Salutary-paper",
            "Salutary-guarded",
            "TrainOnly",
            "ValidationOnly",
            "TrainPlusValidation",
        ),
        restricted={
            **dict.fromkeys(_DRAWN, FEW),
            **dict.fromkeys(_BY_PEOPLE, ("cifar10n",)),
        },
    ),
    Suite(
        "fidelity",
        "First-order and Newton estimates of what adding a row does, compared with "
        "refits, for random pool rows under every class: correlation, error, and "
        "overlap of the ten best, by C and number of labeled rows. 300 validation "
        f"rows. On {_FEW_ARE}.",
        FIDELITY,
        {
            f"labeled={n},C={C:g}": Setting(n_labeled=n, validation=300, C=C)
            for n in (50, 300)
            for C in (0.02, 0.1, 1.0, 10.0)
        },
        data_sets=FEW,
        strategies=(SUBJECT,),
    ),
    Suite(
        "runtime",
        "Seconds and peak memory of every strategy in two rounds of ten labels, with "
        "300 labeled and 300 validation rows and C = 0.1, on synthetic rows "
        "(make_classification). The pool has 10,000 rows, 20 features and 4 classes, "
        "of which one is varied at a time: 1,000 to 1,000,000 rows, 5 to 500 features, "
        "2 to 30 classes. Each cell runs in a process of its own and is stopped after "
        "10 seconds or at 8 GiB.",
        RUNTIME,
        {
            **{f"pool={n}": Size(n_pool=n) for n in (10**3, 10**4, 10**5, 10**6)},
            **{f"features={n}": Size(n_features=n) for n in (5, 100, 500)},
            **{f"classes={n}": Size(n_classes=n) for n in (2, 10, 30)},
        },
        data_sets=(DATA,),
    ),
    Suite(
        "labels",
        "How often salutary labels differ from the truth, by round, class and rule, "
        "and what happens when the labels that differ are removed or corrected. Ten "
        "rounds of ten labels, 20% of all rows for validation, C = 0.02, 0.1 or 1. On "
        f"{_FEW_ARE}.",
        LABELS,
        {f"C={C:g}": Setting(C=C) for C in (0.02, 0.1, 1.0)},
        data_sets=FEW,
        strategies=(
            "Salutary-paper",
            "Salutary-plausible",
            "Salutary-tempered",
            "Salutary-guarded",
        ),
    ),
)

SUITES = {suite.name: suite for suite in _SUITES}


def find_suite(name: str) -> Suite:
    """The suite with a name, or an `InputError` that lists all names."""
    if name not in SUITES:
        raise InputError(
            f"no suite is called {name!r}; the suites are {', '.join(SUITES)}"
        )
    return SUITES[name]
