"""What results say, on results made by hand."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy.stats import friedmanchisquare, wilcoxon

from salutary_benchmark.experiments.statistics import (
    claim,
    compared,
    final,
    friedman,
    means,
    ranks,
)

Figures = Mapping[tuple[str, str], Sequence[float]]
"""(data set, strategy) -> a figure for each seed."""


def made(figures: Figures, measure: str = "accuracy") -> pd.DataFrame:
    """Results whose last rounds have these figures; the first have none of worth."""
    rows = [
        {
            "dataset": data,
            "strategy": strategy,
            "seed": seed,
            "round": number,
            measure: value if number else -100.0,
        }
        for (data, strategy), values in figures.items()
        for seed, value in enumerate(values)
        for number in (0, 1)
    ]
    return pd.DataFrame(rows)


def with_differences(
    differences: Mapping[tuple[str, str], Sequence[float]], measure: str = "accuracy"
) -> pd.DataFrame:
    """Results in which "mine" is by so much above an opponent on a data set."""
    mine = {(data, "mine"): [0.5] * len(d) for (data, _), d in differences.items()}
    others = {key: [0.5 - by for by in d] for key, d in differences.items()}
    return made({**mine, **others}, measure)


def test_the_final_round_is_each_cells_own() -> None:
    results = pd.DataFrame(
        {
            "dataset": ["a"] * 6 + ["b"],
            "strategy": ["x", "x", "x", "y", "x", "x", "x"],
            "seed": [0, 0, 0, 0, 1, 1, 0],
            "round": [0, 2, 1, 0, 1, 0, 3],
            "accuracy": [0.0, 0.2, 0.1, 0.3, 0.5, 0.4, 0.6],
        }
    )
    last = final(results)
    assert last["accuracy"].tolist() == [0.2, 0.3, 0.5, 0.6]
    assert last["round"].tolist() == [2, 0, 1, 3]
    assert list(last.columns) == list(results.columns)
    shuffled = final(results.sample(frac=1, random_state=0))
    assert sorted(shuffled["accuracy"]) == [0.2, 0.3, 0.5, 0.6]


def test_means_and_standard_errors_are_those_of_last_rounds() -> None:
    results = made({("a", "x"): [1, 2, 6], ("b", "x"): [4, 8], ("a", "y"): [5, 5, 5]})
    table = means(results, "accuracy")
    # Deviations of -2, -1 and 3 from 3: variance 14 / 2, over three seeds.
    assert table.loc["x", ("a", "mean")] == 3
    assert table.loc["x", ("a", "sem")] == pytest.approx(np.sqrt(7 / 3))
    assert table.loc["x", ("b", "mean")] == 6
    assert table.loc["x", ("b", "sem")] == pytest.approx(2)
    assert table.loc["y", ("a", "sem")] == 0
    assert np.isnan(table.loc["y", ("b", "mean")])


UP = [0.01 * step for step in range(1, 11)]
DOWN = [-by for by in UP]
MIXED = [0.01 * step * (-1) ** step for step in range(1, 11)]


def test_wins_ties_and_losses_are_counted_over_data_sets() -> None:
    results = with_differences(
        {
            ("a", "worse"): UP,
            ("b", "worse"): UP,
            ("c", "worse"): MIXED,
            ("a", "better"): DOWN,
            ("b", "better"): UP,
            ("c", "better"): DOWN,
            ("a", "equal"): [0.0] * 10,
            ("b", "equal"): MIXED,
            ("c", "equal"): [0.0] * 10,
        }
    )
    table = compared(results, "mine", "accuracy")
    assert list(table.columns) == ["wins", "ties", "losses"]
    assert table.loc["worse"].tolist() == [2, 1, 0]
    assert table.loc["better"].tolist() == [1, 0, 2]
    assert table.loc["equal"].tolist() == [0, 3, 0]


@pytest.mark.slow
def test_less_log_loss_is_more() -> None:
    results = with_differences({("a", "other"): UP}, "log_loss")
    assert compared(results, "mine", "log_loss").loc["other"].tolist() == [0, 0, 1]
    results = with_differences({("a", "other"): DOWN}, "log_loss")
    assert compared(results, "mine", "log_loss").loc["other"].tolist() == [1, 0, 0]


def step_down(p: Sequence[float]) -> list[bool]:
    """Holm: the smallest must be below 5% over all, the next over one less, ..."""
    rejected = [False] * len(p)
    for place, test in enumerate(np.argsort(p)):
        if p[test] > 0.05 / (len(p) - place):
            break
        rejected[test] = True
    return rejected


@pytest.mark.parametrize("n_tests", [2, 4, 5, 8, 12])
def test_holms_correction_is_over_the_whole_table(n_tests: int) -> None:
    # The more of the ten are negative, the larger is p, from 1 / 512 on.
    sets = [f"set {number:02}" for number in range(n_tests)]
    differences = {}
    for number, name in enumerate(sets):
        signs = np.ones(10)
        signs[: number % 5] = -1
        differences[(name, "a" if number % 2 else "b")] = list(signs * UP)
    results = with_differences(differences)
    p = [float(wilcoxon(values).pvalue) for values in differences.values()]
    # A pair that never met counts as a test that tells nothing.
    expected = step_down([*p, *[1.0] * n_tests])[:n_tests]
    table = compared(results, "mine", "accuracy")
    assert table["wins"].sum() == sum(expected)
    assert table.to_numpy().sum() == 2 * n_tests


@pytest.mark.slow
def test_holms_correction_relents_after_each_test_that_is_rejected() -> None:
    # p = 2 / 512 is above 5% / 13, but not above 5% / 12.
    among = {("strong", "other"): UP, ("next", "other"): [-UP[0], *UP[1:]]}
    among |= {(f"tied {number}", "other"): MIXED for number in range(11)}
    table = compared(with_differences(among), "mine", "accuracy")
    assert table.loc["other"].tolist() == [2, 11, 0]
    # Without the smaller p before it, it is not rejected.
    among["strong", "other"] = MIXED
    table = compared(with_differences(among), "mine", "accuracy")
    assert table.loc["other"].tolist() == [0, 13, 0]


@pytest.mark.slow
def test_a_difference_that_correction_drowns_is_a_tie() -> None:
    alone = with_differences({("a", "other"): UP})
    assert compared(alone, "mine", "accuracy").loc["other", "wins"] == 1
    # Its p = 1 / 512 is below 5% / 25 but not below 5% / 26.
    for n_others, wins in ((24, 1), (25, 0)):
        among = {("a", "other"): UP}
        among |= {("a", f"tied {number}"): MIXED for number in range(n_others)}
        table = compared(with_differences(among), "mine", "accuracy")
        assert table["wins"].sum() == wins


def test_equal_results_are_ties_without_a_warning() -> None:
    results = with_differences({("a", "x"): [0.0] * 10, ("b", "x"): [0.0] * 3})
    assert compared(results, "mine", "accuracy").loc["x"].tolist() == [0, 2, 0]


def test_few_seeds_and_ties_among_them_do_not_warn() -> None:
    results = with_differences({("a", "x"): [0.1], ("b", "x"): [0.1, 0.1, 0.0, -0.1]})
    assert compared(results, "mine", "accuracy").loc["x"].tolist() == [0, 2, 0]


@pytest.mark.slow
def test_only_seeds_that_both_have_done_are_compared() -> None:
    results = with_differences({("a", "x"): [*UP, -9.0, -9.0]})
    missing = (results["strategy"] == "x") & (results["seed"] >= 10)
    assert compared(results[~missing], "mine", "accuracy").loc["x", "wins"] == 1
    assert compared(results, "mine", "accuracy").loc["x", "wins"] == 0


def test_a_data_set_that_one_of_two_lacks_is_a_tie() -> None:
    results = with_differences({("a", "x"): UP, ("b", "y"): UP})
    table = compared(results, "mine", "accuracy")
    assert table.loc["x"].tolist() == [1, 1, 0]
    assert table.loc["y"].tolist() == [1, 1, 0]


def test_ranks_are_of_means_and_the_least_log_loss_is_first() -> None:
    figures = {
        ("a", "x"): [0.9, 0.1],
        ("a", "y"): [0.6, 0.6],
        ("a", "z"): [0.7, 0.7],
        ("b", "x"): [0.8, 0.8],
        ("b", "y"): [0.8, 0.8],
        ("b", "z"): [0.1, 0.1],
    }
    best = ranks(made(figures), "accuracy")
    assert best.loc["a"].to_dict() == {"x": 3, "y": 2, "z": 1}
    assert best.loc["b"].to_dict() == {"x": 1.5, "y": 1.5, "z": 3}
    least = ranks(made(figures, "log_loss"), "log_loss")
    assert least.loc["a"].to_dict() == {"x": 1, "y": 2, "z": 3}
    assert least.loc["b"].to_dict() == {"x": 2.5, "y": 2.5, "z": 1}


def test_ranks_leave_out_a_strategy_that_a_data_set_lacks() -> None:
    figures = {("a", "x"): [1.0], ("a", "y"): [2.0], ("a", "z"): [3.0]}
    figures |= {("b", "x"): [1.0], ("b", "z"): [3.0]}
    found = ranks(made(figures), "accuracy")
    assert found.loc["a"].to_dict() == {"x": 2, "z": 1}
    assert found.loc["b"].to_dict() == {"x": 2, "z": 1}


def test_friedman_is_scipys_on_the_figures_themselves() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 4)) + np.arange(4) / 2
    figures = {
        (f"set {row}", f"strategy {column}"): [values[row, column]]
        for row in range(6)
        for column in range(4)
    }
    expected = friedmanchisquare(*values.T).pvalue
    for measure in ("accuracy", "log_loss"):
        ranked = ranks(made(figures, measure), measure)
        assert friedman(ranked) == pytest.approx(expected)


@pytest.mark.parametrize(("n_sets", "n_strategies"), [(1, 5), (5, 2), (0, 0)])
def test_friedman_says_nothing_of_too_few(n_sets: int, n_strategies: int) -> None:
    ranked = pd.DataFrame(np.tile(np.arange(n_strategies), (n_sets, 1)))
    assert np.isnan(friedman(ranked))


def test_the_claim_lists_where_it_holds_and_by_how_much_it_fails() -> None:
    results = made(
        {
            ("a", "Salutary-paper"): [0.8, 0.9],
            ("a", "Margin"): [0.9, 0.7],
            ("a", "Random"): [0.5, 0.5],
            ("a", "FullPool"): [1.0, 1.0],  # does not buy: no opponent
            ("b", "Salutary-paper"): [0.7, 0.7],
            ("b", "Margin"): [0.8, 0.8],
            ("b", "Random"): [0.9, 0.8],
            ("c", "Salutary-paper"): [0.5, 0.75],
            ("c", "Margin"): [0.75, 0.5],
            ("c", "Random"): [0.5, 0.5],
        }
    )
    found = claim(results)
    assert found.holds == ["a"]
    assert set(found.fails) == {"b", "c"}
    assert found.fails["b"] == ("Random", pytest.approx(0.15))
    # A tie is not above.
    assert found.fails["c"] == ("Margin", 0.0)


def test_the_claim_can_be_checked_of_another_strategy() -> None:
    results = made(
        {
            ("a", "Salutary-paper"): [0.1],
            ("a", "Salutary-plausible"): [0.9],
            ("a", "ISAL"): [0.5],
        }
    )
    assert claim(results, "Salutary-plausible").holds == ["a"]
    assert claim(results).fails == {"a": ("ISAL", pytest.approx(0.4))}


def test_the_direction_of_a_significant_difference_is_that_of_the_test() -> None:
    nearly_all = [0.01 + i * 1e-4 for i in range(18)] + [-5, -5.1]
    found = compared(with_differences({("a", "x"): nearly_all}), "mine", "accuracy")
    assert found.loc["x"].tolist() == [1, 0, 0]


def test_a_data_set_where_nothing_can_be_compared_is_in_no_list() -> None:
    table = made(
        {
            ("a", "Salutary-paper"): [0.9, 0.9],
            ("a", "Margin"): [0.8, 0.8],
            ("b", "Margin"): [0.8, 0.8],
            ("c", "Salutary-paper"): [0.9, 0.9],
        }
    )
    found = claim(table)
    assert (found.holds, found.fails) == (["a"], {})
