"""Curves against a factor and turning points, on figures by hand."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from salutary_benchmark.experiments import budgets, factors
from salutary_benchmark.experiments.budgets import TurningPoints
from salutary_benchmark.experiments.experiment import Picture, Shown
from salutary_benchmark.experiments.factors import (
    FactorCurves,
    differences,
    levels,
    verdict,
)

Curves = Mapping[tuple[str, str, str], Sequence[Sequence[float]]]
"""(data set, setting, strategy) -> for each seed, log loss round by round."""


def made(curves: Curves, settings: Sequence[str]) -> pd.DataFrame:
    """Results with these log losses, and one minus them as accuracy."""
    rows = [
        {
            "dataset": data,
            "strategy": strategy,
            "setting": setting,
            "seed": seed,
            "round": number,
            "log_loss": value,
            "accuracy": 1 - value,
        }
        for (data, setting, strategy), runs in curves.items()
        for seed, run in enumerate(runs)
        for number, value in enumerate(run)
    ]
    order = pd.CategoricalDtype(list(settings), ordered=True)
    return pd.DataFrame(rows).astype({"setting": order})


def ended(figures: Mapping[tuple[str, str, str], Sequence[float]]) -> Curves:
    """Curves of two rounds, of which only the last is as told."""
    return {key: [[9.0, value] for value in each] for key, each in figures.items()}


def drawn(shown: Shown) -> list[str]:
    """Titles of all panels of all pictures, drawn."""
    return [
        panel.get_title()
        for part in shown.sections
        if isinstance(part, Picture)
        for panel in part.display.plot().axes
        if panel.get_title()
    ]


def test_a_setting_without_a_factor_is_a_level_of_each() -> None:
    assert levels(["clean", "a=1%", "b=x", "a=2%"]) == {
        "a": ["clean", "a=1%", "a=2%"],
        "b": ["clean", "b=x"],
    }


def test_curves_are_of_last_rounds_in_the_order_of_the_suite() -> None:
    settings = ["C=10", "C=9"]
    figures = {
        ("a", "C=9", "Margin"): [0.2, 0.4],
        ("a", "C=10", "Margin"): [0.5, 0.7],
    }
    table = FactorCurves(made(ended(figures), settings), "log_loss").frame()
    assert table["setting"].tolist() == settings
    assert table["mean"].tolist() == pytest.approx([0.6, 0.3])
    assert table["sem"].tolist() == pytest.approx([0.1, 0.1])
    panel = FactorCurves(made(ended(figures), settings)).plot().axes[0]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["10", "9"]
    (bars,) = panel.containers
    assert list(bars.lines[0].get_ydata()) == pytest.approx([0.4, 0.7])


def test_a_panel_has_the_levels_of_its_own_data_set() -> None:
    settings = ["clean", "x=1", "y=1"]
    figures = {
        ("a", "clean", "Margin"): [0.1],
        ("a", "x=1", "Margin"): [0.2],
        ("b", "clean", "Margin"): [0.3],
        ("b", "y=1", "Margin"): [0.4],
    }
    results = made(ended(figures), settings)
    figure = FactorCurves(results).plot()
    found = {
        panel.get_title(): [label.get_text() for label in panel.get_xticklabels()]
        for panel in figure.axes
    }
    assert found == {"a: x": ["clean", "1"], "b: y": ["clean", "1"]}
    tables = [part for part in factors.sections(results) if hasattr(part, "rows")]
    assert [(table.header, table.rows) for table in tables[:2]] == [
        (["strategy", "clean", "x=1"], [["Margin", "0.9000", "0.8000"]]),
        (["strategy", "clean", "y=1"], [["Margin", "0.7000", "0.6000"]]),
    ]


def test_differences_are_paired_and_positive_where_better() -> None:
    figures = {
        ("a", "x=1", "mine"): [0.1, 0.5, 0.9],
        ("a", "x=1", "other"): [0.2, 0.7, 0.95, 7.0],
    }
    results = made(ended(figures), ["x=1"])
    for measure in ("log_loss", "accuracy"):
        found = differences(results, "mine", "other", measure).loc[("a", "x=1")]
        gains = [0.1, 0.2, 0.05]
        assert found["mean"] == pytest.approx(np.mean(gains))
        assert found["sem"] == pytest.approx(np.std(gains, ddof=1) / 3**0.5)


def test_the_verdict_counts_pairs_beyond_two_standard_errors() -> None:
    figures = {
        # Differences of .1 with a standard error of .04, .06 and .01.
        ("a", "x=1", "mine"): [0.10, 0.10],
        ("a", "x=1", "other"): [0.16, 0.24],
        ("a", "x=2", "mine"): [0.10, 0.10],
        ("a", "x=2", "other"): [0.14, 0.26],
        ("b", "x=1", "mine"): [0.20, 0.20],
        ("b", "x=1", "other"): [0.11, 0.09],
    }
    told = verdict(made(ended(figures), ["x=1", "x=2"]), ["mine"], ["other", "none"])
    assert "mine ends above other in 1 and below it in 1 of 3" in told
    assert "none" not in told
    assert verdict(made(ended(figures), ["x=1", "x=2"]), ["absent"], ["other"]) == ""


def test_a_turning_point_is_where_the_mean_loss_is_lowest() -> None:
    curves = {
        # Lowest in round 1; the second run ended with it.
        ("a", "b=1", "Salutary-paper"): [[0.9, 0.4, 0.6], [0.7, 0.5]],
        ("a", "b=10", "Salutary-paper"): [[0.9, 0.4, 0.60], [0.7, 0.5, 0.72]],
        ("a", "b=1", "TrainOnly"): [[0.9], [0.7]],
    }
    results = made(curves, ["b=1", "b=10"])
    table = TurningPoints(results).frame().set_index("setting")
    assert set(table["strategy"]) == {"Salutary-paper"}
    first, second = table.loc["b=1"], table.loc["b=10"]
    assert (first["best_round"], second["best_round"]) == (1, 1)
    assert first[["start", "best", "end"]].tolist() == pytest.approx([0.8, 0.45, 0.55])
    # Rises of .2 and none: .1, within two of its standard errors.
    assert (first["rise"], first["sem"]) == pytest.approx((0.1, 0.1))
    assert not first["turned"]
    # Rises of .2 and .22: beyond.
    assert (second["rise"], second["sem"]) == pytest.approx((0.21, 0.01))
    assert second["turned"]
    shown = budgets.show(results)
    assert (
        "standard errors before the last round: Salutary-paper in 1 of 2"
        in shown.verdict
    )
    assert drawn(shown) == ["a: b", "a: b", "a b=1", "a b=10"]
    rows = shown.sections[-1].rows
    assert [row[-1] for row in rows] == ["no", "yes"]
    assert rows[1][4] == "1"
