"""The closed names: the library takes them, and the command line offers them."""

import re
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import salutary
from salutary import names
from salutary.cli.main import main
from salutary.influence.objectives import BY_TABLE, OBJECTIVES
from salutary.labeling.rules import RULES
from salutary.tables.sources import Sources, Texts

RULE = get_args(names.RuleName)
OBJECTIVE = get_args(names.ObjectiveName)
ESTIMATE = get_args(names.EstimateName)
HESSIAN = get_args(names.HessianRows)
POOLING = get_args(names.Pooling)
ENGINE = get_args(names.EngineName)

X = np.array([[-2.0], [-1.0], [-0.5], [0.5], [1.0], [2.0]])
Y = np.array([0, 0, 1, 0, 1, 1])
MODEL = LogisticRegression(tol=1e-10).fit(X, Y)
ROWS = {"X_train": X, "X_val": X[::2], "y_val": Y[::2]}


def test_the_registries_hold_the_names_in_their_order() -> None:
    assert tuple(RULES) == RULE
    assert tuple(OBJECTIVES) == OBJECTIVE


def test_the_library_asks_for_the_names() -> None:
    hints = [
        (get_type_hints(salutary.add_one_in)["estimate"], ESTIMATE),
        (get_type_hints(salutary.label_influence)["hessian"], HESSIAN),
        (get_type_hints(Texts)["pooling"], POOLING),
        (get_type_hints(Sources)["engine"], ENGINE),
    ]
    for hint, expected in hints:
        assert get_args(hint) == expected


def test_each_estimate_is_another_and_no_further_one_is_taken() -> None:
    def effect(estimate: Any) -> float:
        return float(
            salutary.add_one_in(MODEL, [[1.5]], y_train=Y, estimate=estimate, **ROWS)[
                0, 0
            ]
        )

    effects = {name: effect(name) for name in ESTIMATE}
    assert effects["newton"] == pytest.approx(effects["refit"], rel=1e-3)
    assert effects["first_order"] != pytest.approx(effects["refit"], rel=1e-3)
    with pytest.raises(ValueError, match="estimate"):
        effect("second_order")


def test_each_hessian_is_another_and_no_further_one_is_taken() -> None:
    def influence(hessian: Any) -> float:
        pool = [[1.5], [0.1]]
        return float(
            salutary.label_influence(MODEL, pool, hessian=hessian, **ROWS)[0, 0]
        )

    assert len({influence(name) for name in HESSIAN}) == len(HESSIAN)
    with pytest.raises(ValueError, match="hessian"):
        influence("validation")


CHOICES: dict[str, dict[str, tuple[str, ...]]] = {
    "label": {
        "--rule": RULE,
        "--objective": (*OBJECTIVE, BY_TABLE),
        "--estimate": ESTIMATE,
        "--engine": ENGINE,
        "--pooling": POOLING,
    },
    "relabel": {
        "--rule": RULE,
        "--objective": (*OBJECTIVE, BY_TABLE),
        "--pooling": POOLING,
    },
    "finetune": {"--rule": RULE, "--pooling": POOLING},
    "advise": {"--pooling": POOLING},
    "predict": {},
    "demo": {},
}


@pytest.mark.parametrize("command", CHOICES)
def test_a_command_offers_the_names(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main([command, "--help"])
    offered = re.findall(r"^  (--\S+) <(\w+(?:\|\w+)+)>", capsys.readouterr().out, re.M)
    assert {option: tuple(words.split("|")) for option, words in offered} == CHOICES[
        command
    ]
