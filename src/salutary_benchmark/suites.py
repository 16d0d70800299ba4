"""Suites: which strategies meet on which data sets, under what settings."""

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
from salutary_benchmark.strategies.registry import COMPARED
from salutary_benchmark.strategies.task import Setting


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


FEW = ("digits", "electric", "musk", "waveform")
"""Where a factor is varied: small enough for many settings, and far apart."""

_FEW_ARE = (
    "digits (ten classes, and the published rule harms it under weak penalties), "
    "electric (two classes, the paper's claim holds), musk (two classes, 166 features, "
    "it does not) and waveform (three classes, the best accuracy there can be is known)"
)

_NOISY = Setting(validation=300, largest_pool=3_000)
"""Before labels are made wrong."""
_DRAWN: dict[str, Setting] = {
    f"{kind}={percent}%": replace(_NOISY, noise=kind, noise_rate=percent / 100)
    for kind in ("symmetric", "class-dependent")
    for percent in (10, 30, 50)
}
"""By what rule, and what percent of the labels."""
_BY_PEOPLE: dict[str, Setting] = {
    f"people={kind}": replace(_NOISY, noise=kind)
    for kind in ("aggre", "random1", "worse")
}

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
    Suite(
        "budget",
        "The paper's setting with 1, 10, 50 labels a round and 1% of the pool, for "
        f"up to 50 rounds: where gains end and where they turn. On {_FEW_ARE}; on "
        "digits 1% of the pool is ten rows, so it has no cells of its own.",
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
        "1%, 2%, 5%, 10% and 20% of all rows for validation, C tuned in every round: "
        "salutary labels against strategies that train on these rows too, and margin "
        f"sampling that then buys 100 true labels (+Validation). On {_FEW_ARE}.",
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
            "Salutary-paper",
            "Salutary-guarded",
            "TrainOnly",
            "TrainPlusValidation",
        ),
    ),
    Suite(
        "regularization",
        "C from 0.01 to 10, and tuned in every round; what of the gain is "
        "un-shrinking. Every model is judged as it is and with its logits multiplied "
        "by the one number that suits the validation rows; TrainUnshrunk fits the "
        f"start rows under the C that does; 300 validation rows. On {_FEW_ARE}.",
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
            "Salutary-paper",
            "Salutary-guarded",
            "TrainOnly",
            "TrainPlusValidation",
            "TrainUnshrunk",
        ),
    ),
    Suite(
        "noise",
        "Up to half of the 300 training labels wrong: symmetric (any other class) and "
        "class-dependent (the next class, and the likelier the lower the class) on "
        f"{_FEW_ARE}; as people labeled CIFAR-10 on cifar10n (CIFAR-10N: 9%, 17% and "
        "40% wrong). The 300 validation rows and bought labels are right. C = 0.02.",
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
        "First order and Newton against refits of random pool rows under every class: "
        "correlation, error and overlap of the best ten, by C and labeled rows; 300 "
        f"validation rows. On {_FEW_ARE}.",
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
        "Seconds and peak memory of every strategy in two rounds of ten, C = 0.1, 300 "
        "labeled and 300 validation rows, on synthetic rows (make_classification): "
        "pools of 1,000 to 1,000,000 rows, 5 to 500 features, 2 to 30 classes, from "
        "10,000 rows, 20 features and 4 classes. A cell runs in a process of its own "
        "and is stopped after 10 seconds or at 8 GiB.",
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
        "and what removing or correcting those does: ten rounds of ten, 20% "
        f"validation, at C = 0.02, 0.1 and 1. On {_FEW_ARE}.",
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
    """The suite of a name, or an `InputError` that lists the names."""
    if name not in SUITES:
        raise InputError(f"no suite is called {name!r}; there are {', '.join(SUITES)}")
    return SUITES[name]
