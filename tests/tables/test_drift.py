"""Drift against tables whose difference is known in closed form."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, norm

from salutary.tables.drift import RARE, differences, drift

RNG = np.random.default_rng(0)


def test_the_figure_is_the_area_of_the_best_linear_rule() -> None:
    # Two normal tables a distance d apart: the area is Phi(d / sqrt(2)).
    for distance in (0.5, 1.0, 2.0):
        train, other = RNG.normal(size=(2, 3000, 5))
        other[:, 2] += distance
        area, _ = drift(train, other, 0)
        assert area == pytest.approx(norm.cdf(distance / np.sqrt(2)), abs=0.02)


def test_tables_of_one_population_stay_within_the_error_of_chance() -> None:
    found = [
        drift(*(RNG.normal(size=(n, 8)) for n in (150, 400)), seed)
        for seed in range(40)
    ]
    areas, errors = np.array(found).T
    assert errors[0] == pytest.approx(np.sqrt(551 / (12 * 150 * 400)))
    assert np.mean(areas <= 0.5 + 3 * errors) > 0.95


def test_rows_of_one_table_in_the_other_are_no_drift() -> None:
    rows = RNG.normal(size=(300, 5))
    assert drift(rows, rows, 0)[0] == 0.5


def test_the_same_seed_gives_the_same_figure_and_few_rows_none() -> None:
    train, other = RNG.normal(size=(2, 2000, 3))
    assert drift(train, other, 3) == drift(train, other, 3)
    assert drift(train, other[:9], 0) is None
    assert drift(train[:9], other, 0) is None


def test_the_columns_that_differ_most_come_first() -> None:
    n = 400
    train, other = (
        pd.DataFrame(
            {
                "same": RNG.normal(size=n),
                "color": RNG.choice(["red", "blue"], n, p=[share, 1 - share]),
                "gaps": np.where(RNG.random(n) < gaps, np.nan, 1.0),
                "day": pd.Timestamp("2024-01-01")
                + pd.to_timedelta(RNG.integers(late, late + 100, n), "D"),
                "note": ["x"] * n,
            }
        )
        for share, gaps, late in ((0.5, 0.0, 0), (0.8, 0.5, 95))
    )
    kinds = {
        **{"same": "number", "color": "category", "gaps": "number"},
        **{"day": "date", "note": "text"},
    }
    found = differences(train, other, kinds)
    # Two samples of one population are not named.
    assert list(found) == ["day", "gaps", "color"]
    assert found["gaps"] == pytest.approx(other["gaps"].isna().mean())
    shares = [(table["color"] == "red").mean() for table in (train, other)]
    assert found["color"] == pytest.approx(abs(shares[0] - shares[1]))


def test_a_column_that_one_table_lacks_values_of_differs_wholly() -> None:
    gaps, words = [None] * 40, [f"word {k}" for k in range(40)]
    for train, other in ((gaps, words), (words, gaps)):
        frames = (
            pd.DataFrame({"a": pd.Series(c, dtype=object)}) for c in (train, other)
        )
        assert differences(*frames, {"a": "category"}) == {"a": pytest.approx(1.0)}
    same = (pd.DataFrame({"a": pd.Series(gaps, dtype=object)}) for _ in range(2))
    assert differences(*same, {"a": "category"}) == {}


def test_the_chance_of_shares_is_that_of_the_chi_squared_test() -> None:
    train = pd.DataFrame({"a": ["x"] * 30 + ["y"] * 30})
    for n_x, named in ((36, False), (55, True)):
        other = pd.DataFrame({"a": ["x"] * n_x + ["y"] * (60 - n_x)})
        chance = chi2_contingency([[30, n_x], [30, 60 - n_x]]).pvalue
        assert (chance < RARE) == named
        assert bool(differences(train, other, {"a": "category"})) == named
