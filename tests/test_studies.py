"""The studies: what they resume, and that they judge as the library does."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.stats import ttest_rel
from sklearn.datasets import make_blobs

from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import RULES
from studies import writing
from studies.advise import Advised, Policies, advised, chosen, followed
from studies.review import Reviews, decisions, looked_at
from studies.rules_runs import (
    GUARD,
    Drawn,
    canary_losses,
    guarded_ends,
    problem_of,
    run,
    trajectory,
)
from studies.rules_shown import GuardsCompared, RulesCompared, harmed, worse_than_start
from studies.writing import write_study

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Shown:
    found: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        return self.found.sort_values(["a", "b"])

    def plot(self) -> Figure:
        return Figure()


def test_a_study_measures_what_is_missing_and_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "STUDIES", tmp_path)
    monkeypatch.setattr(writing, "data_folder", lambda: tmp_path)
    measured = []

    def measure(a: str, b: float) -> Iterator[dict[str, float]]:
        measured.append((a, b))
        if measured == [("x", 1.0), ("x", 0.5), ("y", 1.0)]:
            raise KeyboardInterrupt
        yield {"doubled": 2 * b}
        yield {"doubled": 4 * b}

    def study() -> None:
        grid = {"a": ("x", "y"), "b": (1.0, 0.5)}
        show = lambda found: {"Doubled": Shown(found)}  # noqa: E731
        write_study("doubling", grid, measure, show, heading=("Doubled?", "By two."))

    with pytest.raises(KeyboardInterrupt):
        study()
    folder = tmp_path / "doubling"
    assert [path.name for path in folder.iterdir()] == ["measurements.parquet"]
    study()
    assert measured[3:] == [("y", 1.0), ("y", 0.5)]
    study()
    assert len(measured) == 5
    found = pd.read_parquet(folder / "measurements.parquet")
    assert found["doubled"].tolist() == [2, 4, 1, 2, 2, 4, 1, 2]
    text = (folder / "README.md").read_text()
    assert text.startswith("# Doubled?\n\nBy two.\n")
    assert "| y | 0.5 | 1.0 |\n| y | 0.5 | 2.0 |" in text
    assert (folder / "figure1.png").stat().st_size > 0


def test_without_data_a_study_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "STUDIES", tmp_path)
    monkeypatch.setattr(writing, "data_folder", lambda: None)
    with pytest.raises(SystemExit, match="SALUTARY_DATA"):
        write_study("none", {}, dict, dict, heading=("", ""))
    assert not any(tmp_path.iterdir())


def drawn(seed: int) -> Drawn:
    X, y = make_blobs(
        [130, 130, 130], 5, cluster_std=3.0, random_state=seed, shuffle=True
    )
    rows = [
        LabeledRows(X[part], y[part], np.ones(len(part)))
        for part in np.split(np.arange(390), [30, 80, 280])
    ]
    return Drawn(*rows)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("C", [0.01, 10.0])
def test_the_studys_guard_ends_where_the_loops_does(C: float, seed: int) -> None:
    problem = problem_of(drawn(seed), C, RULES["plausible"], seed, guard=True)
    states = trajectory(problem)
    losses = [canary_losses(problem, state) for state in states]
    state = run(problem)
    assert guarded_ends(losses)[GUARD] == state.best_round
    if C == 10.0:
        assert state.best_round < len(states) - 1


def measurements(ends: dict[str, Any]) -> pd.DataFrame:
    """Start at 1; a data set for each list of final log losses."""
    return pd.DataFrame(
        {
            **{"data": name, "validation": 100.0, "C": "1", "seed": seed},
            **{"rule": rule, "guard": guard, "kept": 1},
            **{"start_log_loss": 1.0, "log_loss": loss},
            **{"start_accuracy": 0.5, "accuracy": 0.5},
        }
        for rule in ("tempered", "paper")
        for guard in (GUARD, "none", "off")
        for name, losses in ends.items()
        for seed, loss in enumerate(losses)
    )


def test_harm_is_a_paired_test_with_holms_correction() -> None:
    ends = {
        "worse": [1.1, 1.12, 1.11, 1.1, 1.13],
        "perhaps": [1.1, 1.0, 1.05, 0.99, 1.1],
        "better": [0.9, 0.8, 0.9, 0.85, 0.9],
        "the same": [1.0, 1.0, 1.0, 1.0, 1.0],
    }
    found = measurements(ends).query("rule == 'paper' and guard == 'off'")
    p = worse_than_start(found).droplevel(["validation", "C"])
    for name in ("worse", "perhaps", "better"):
        expected = ttest_rel(ends[name], np.ones(5), alternative="greater").pvalue
        assert p[name] == pytest.approx(expected)
    assert p["the same"] == 1
    assert p["perhaps"] < 0.1
    assert harmed(found) == 1


def test_what_is_shown_of_rules_and_guards() -> None:
    found = measurements({"a": [0.9, 0.8], "b": [1.2, 1.0]})
    rules = RulesCompared(found).frame().set_index(["rule", "guard"])
    of_paper = rules.loc["paper", "off"]
    assert of_paper["worst cell"] == "10.00%"
    assert of_paper["runs ending worse"] == "25.0%"
    assert of_paper["change, 100 to validate"] == "-2.50%"
    guards = GuardsCompared(found).frame().set_index("guard")
    assert guards.loc[GUARD, "gain kept, 100"] == "100%"
    for shown in (RulesCompared(found), GuardsCompared(found)):
        assert shown.plot().axes


def advised_trials() -> pd.DataFrame:
    """Two trials; cross-fitting has the second option lower by 0.6 and 2.8 errors."""
    rows = []
    for data, seen_behind, behind in (("bank", 0.06, 0.3), ("wine", 0.28, 0.05)):
        for option, ahead in (("train + validation", False), ("salutary", True)):
            rows.append(
                {
                    **{"data": data, "seed": 0, "option": option, "seconds": 1.0},
                    "wrong": 0.0,
                    "seen_log_loss": 0.5 if ahead else 0.5 + seen_behind,
                    "seen_behind": 0.0 if ahead else seen_behind,
                    "seen_se": 0.0 if ahead else 0.1,
                    "behind": 0.0 if ahead else behind,
                    "se": 0.0 if ahead else 0.1,
                    "log_loss": 0.5 if ahead else 0.5 + behind,
                    "accuracy": 0.9,
                }
            )
    return pd.DataFrame(rows)


def test_advice_is_judged_by_the_test_rows_alone() -> None:
    found = advised_trials()
    bank = found[found["data"] == "bank"]
    assert chosen(bank, 0.5) == "salutary"
    assert chosen(bank, 1.0) == "train + validation"
    for decide in (partial(chosen, preference=1.0), advised):
        options = followed(found, decide)["option"].tolist()
        assert options == ["train + validation", "salutary"]
    table = Policies(found).frame().set_index("decided by")["within, 0% wrong"]
    assert table["preference 0.5"] == "100%"
    assert table["preference 1"] == "50%"
    assert table["preference 0"] == "100%"
    assert table["the advice"] == "50%"
    assert table["always train + validation"] == "50%"
    shown = Advised(found).frame().set_index("data")
    assert shown.loc["all", "trials"] == 2
    assert shown.loc["wine", "advised"] == "salutary 1"
    assert shown.loc["wine", "within a standard error of the best"] == "100%"
    for answer in (Advised(found), Policies(found)):
        assert answer.plot().axes


def test_goals_of_fine_tuning_are_paired_over_the_draws() -> None:
    pytest.importorskip("torch", reason="needs salutary[torch]")
    from studies.finetuning import Goals
    from studies.finetuning_runs import IF_WORTH

    accuracies = {
        "labeled only": (0.70, 0.60),
        "+ 100 salutary": (0.76, 0.68),
        "+ 200 salutary": (0.76, 0.68),
        "+ 100 random true": (0.80, 0.70),
        "train + validation": (0.80, 0.80),
        "train + validation + 100 salutary": (0.79, 0.79),
        IF_WORTH: (0.80, 0.80),
    }
    found = pd.DataFrame(
        [
            {"data": "a", "n_val": 100, "seed": seed, "trained_on": name, "accuracy": a}
            for name, pair in accuracies.items()
            for seed, a in enumerate(pair)
        ]
    )
    goals = Goals(found)
    (row,) = goals.frame().to_dict("records")
    assert row == {
        "data": "a",
        "validation rows": 100,
        "gain of 100 salutary": "+0.070 ± 0.010",
        "of 100 random true": "+0.100 ± 0.000",
        "recovered": "70%",
        "of 200 over 100 salutary": "+0.000 ± 0.000",
        "of salutary over train + validation": "-0.010 ± 0.000",
        "the same, if the folds say so": "+0.000 ± 0.000",
    }
    assert isinstance(goals.plot(), Figure)


def test_a_reviewer_who_knows_the_truth_only_decides_against_wrong_labels() -> None:
    labels = pd.DataFrame({"row": [5, 2, 0], "label": ["a", "b", "b"]})
    truth = np.array(["b", "?", "a", "?", "?", "a"])
    order = np.array([2, 0, 1])
    assert looked_at(order, "all", 0).tolist() == [2, 0, 1]
    assert looked_at(np.arange(50), "doubtful", 0).tolist() == list(range(20))
    drawn = looked_at(np.arange(50), "random", 0)
    assert len({*drawn.tolist()}) == 20
    corrected = decisions(labels, order, truth, "change")
    assert [(one.row, one.decision, one.label) for one in corrected] == [
        *((0, "accept", "b"), (5, "accept", "a"), (2, "change", "a")),
    ]
    (rejected,) = decisions(labels, order[2:], truth, "reject")
    assert (rejected.row, rejected.decision, rejected.label) == (2, "reject", None)


def test_a_review_is_compared_with_none_on_the_same_draw() -> None:
    rng = np.random.default_rng(0)
    none, after = rng.normal(size=(2, 6))
    draws = {"data": "x", "seed": range(6), "labels": 10.0}
    found = pd.concat(
        [
            pd.DataFrame({**draws, "review": "none", "log_loss": none}),
            pd.DataFrame({**draws, "review": "some", "log_loss": after}).sample(
                frac=1, random_state=0
            ),
        ]
    ).assign(accuracy=0.5, looked=20, wrong=2)
    row = Reviews(found).changes().iloc[0]
    assert row["draws"] == 6
    expected = ttest_rel(after, none).statistic
    assert row["log_loss"] / row["log_loss_se"] == pytest.approx(expected)
