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
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss

from salutary import advise
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import RULES
from salutary_benchmark.data.loading import Rows
from studies import worth_data, worth_trials, writing
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
from studies.worth import heading, trials
from studies.worth import shown as shown_of_worth
from studies.worth_data import draw_rows, parted
from studies.worth_goals import goals
from studies.worth_rules import by_set, half_and_half, lowest_by
from studies.worth_rules import followed as decided
from studies.worth_trials import EVERYTHING
from studies.worth_trials import measure as worth_of
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
        heading = "Doubled?", lambda found: f"By two, {len(found)} times."
        write_study("doubling", grid, measure, show, heading=heading)

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
    assert text.startswith("# Doubled?\n\nBy two, 8 times.\n")
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


def test_parts_of_a_trial_are_disjoint_and_alike_for_every_size() -> None:
    y = np.repeat(np.arange(5), [900, 500, 300, 200, 100])
    parts = {size: parted(y, size, seed=3) for size in (50, 400)}
    for size, part in parts.items():
        rows = np.concatenate(list(part.values()))
        assert len(np.unique(rows)) == len(rows)
        assert len(part["train"]) == len(part["validation"]) == size / 2
        for name in part:
            share = np.bincount(y[part[name]], minlength=5) / len(part[name])
            np.testing.assert_allclose(share, np.bincount(y) / len(y), atol=0.05)
    for name in ("pool", "test"):
        np.testing.assert_array_equal(parts[50][name], parts[400][name])
    labeled = [
        np.concatenate([parts[size]["train"], parts[size]["validation"]])
        for size in parts
    ]
    assert np.isin(*labeled).all()


def test_trials_begin_with_those_that_goals_are_about() -> None:
    cells = trials(2, (50, 100, 400))
    named = [(*cell["wrong"], *cell["size"], *cell["draw"]) for cell in cells]
    n_sets = len(worth_data.DATA)
    assert named[::n_sets][:6] == [
        *((0.0, 100, 0), (0.0, 400, 0), (0.0, 100, 1), (0.0, 400, 1)),
        *((0.0, 50, 0), (0.0, 50, 1)),
    ]
    assert len({tuple(map(tuple, cell.values())) for cell in cells}) == len(cells)
    assert len(cells) == 2 * 3 * 3 * n_sets


def test_a_trial_judges_what_advise_advises(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = make_blobs(700, 4, centers=3, cluster_std=4.0, random_state=1)
    loaded = Rows(pd.DataFrame(X).add_prefix("x"), y, "")
    monkeypatch.setattr(worth_data, "_loaded", lambda data: loaded)
    for name, value in (("SPLITS", 2), ("REPEATS", 1), ("BUDGET", 10)):
        monkeypatch.setattr(worth_trials, name, value)
    found = pd.DataFrame(worth_of(0.2, 5, 50, "wine")).set_index("option")
    rows = draw_rows("wine", 50, 0.2, 5)
    assert (rows.train.labels != rows.corrected.labels).sum() == 5
    advice = advise(
        *(rows.train.X, rows.train.labels),
        *(rows.validation.X, rows.validation.labels, rows.pool.X),
        estimator=LogisticRegression(),
        **{"splits": 2, "repeats": 1, "budget": 10, "random_state": 5},
    )
    table = advice.table.set_index("option")
    for column, own in (("loss", "seen_log_loss"), ("upper", "seen_upper")):
        np.testing.assert_array_equal(found.loc[table.index, own], table[column])
    (option,) = found.index[found["advised"]]
    assert option == advice.option
    chance = advice.model_.predict_proba(rows.test.X)
    for measure, expected in (
        ("log_loss", log_loss(rows.test.labels, chance)),
        ("accuracy", accuracy_score(rows.test.labels, chance.argmax(axis=1))),
    ):
        assert found.loc[option, measure] == pytest.approx(expected)
    seen = found.loc[table.index, "seen_losses"].map(np.mean)
    np.testing.assert_allclose(seen, table["loss"], rtol=1e-5)
    assert found.loc[EVERYTHING, "seen_losses"] is None


def trials_of_worth(differences: dict[str, list[float]]) -> pd.DataFrame:
    """For each data set, a difference of the whole pool for each draw.

    The folds have it lower by 0.1, with a standard error of 0.0485, which is just sure.
    """
    spread = np.sqrt(50) * 0.0485 * np.sqrt(49 / 50)
    losses = {
        "train + validation": np.ones(50),
        "whole pool": 0.9 + spread * np.tile([-1.0, 1.0], 25),
        "salutary": np.full(50, 0.95),
    }
    rows = []
    for data, draws in differences.items():
        for draw, mean in enumerate(draws):
            tests = dict(zip(losses, (0.0, mean, 0.2), strict=True))
            tests[EVERYTHING] = -0.4
            for option, test in tests.items():
                rows.append(
                    {
                        **{"wrong": 0.0, "size": 100, "data": data, "draw": draw},
                        **{"option": option, "log_loss": 1 + test},
                        **{"difference": test, "accuracy": 0.8 - test / 2},
                        "behind": test - min(mean, 0.0),
                        "behind_se": 0.01,
                        "advised": option == "whole pool",
                        "seen_losses": losses.get(option),
                        "taking_part": float(option == "whole pool"),
                        **{"seconds": 60.0, "cpu_seconds": 30.0},
                    }
                )
    return pd.DataFrame(rows)


def test_ways_to_decide_read_the_folds_alone() -> None:
    found = trials_of_worth({"waveform": [-0.1, -0.2]})
    options = found[(found["draw"] == 0) & (found["option"] != EVERYTHING)]
    assert lowest_by(options, 1.9) == "whole pool"
    assert lowest_by(options, 0.0, ["salutary"]) == "salutary"
    assert lowest_by(options, 2.1) == "train + validation"
    certain = options.copy()
    certain["seen_losses"] = [
        [0.001 if name == "whole pool" else 0.02] * 50 for name in options["option"]
    ]
    assert lowest_by(certain, 0.0) == "whole pool"
    assert lowest_by(certain, 0.0, wrong=1) == "train + validation"
    taken = decided(found, partial(lowest_by, errors=1.0))
    assert taken["difference"].tolist() == [-0.1, -0.2]


def test_differences_are_paired_over_draws_with_holms_correction() -> None:
    differences = {
        "waveform": [-0.1, -0.11, -0.12, -0.1],
        "digits": [-0.1, 0.3, -0.2, 0.1],
        "mnist": [0.05, 0.06, 0.05, 0.07],
        "wine": [-0.1],
    }
    found = trials_of_worth(differences)
    sets = by_set(decided(found))
    for name, own in differences.items():
        assert sets.loc[name, "mean"] == pytest.approx(np.mean(own))
        if len(own) > 1:
            expected = ttest_rel(own, np.zeros(4)).pvalue
            assert sets.loc[name, "p"] == pytest.approx(expected)
    assert sets["is_sure"].to_dict() == {
        **{"waveform": True, "mnist": True, "digits": False, "wine": False}
    }
    assert sets.loc["mnist", "relative"] == pytest.approx(0.0575)
    table = half_and_half(found).set_index("way")
    row = table.loc["the present rule"]
    halves = ["chosen", "checked"]
    assert sum(row[f"{half}_better"] for half in halves) == 1
    assert sum(row[f"{half}_worse"] for half in halves) == 1
    assert table.loc["always train + validation", "chosen_mean"] == 0


def test_goals_that_are_missed_are_said_first() -> None:
    found = trials_of_worth({name: [-0.3, -0.31] for name in worth_data.CLUSTERED})
    judged = dict(goals(found))
    closed = [met for text, met in judged.items() if text.startswith("half of the gap")]
    assert closed == [True]
    points = [met for text, met in judged.items() if text.startswith("3 points")]
    assert points == [True, False]
    text = heading(found)
    assert text.startswith(
        "**Measured: 8 of 3120 trials**: 8 of 260 (of 4 of 13 data sets)"
    )
    assert text.index("**Missed:**") < text.index("**Met so far:**")
    for answer in shown_of_worth(found).values():
        assert len(answer.frame())
        assert answer.plot().axes
