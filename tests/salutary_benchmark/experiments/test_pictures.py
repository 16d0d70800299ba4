"""Pictures of the benchmark, which look as those of a run do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from salutary.displays import curves, style
from salutary_benchmark.experiments.pictures import LearningCurves, styles_of
from salutary_benchmark.strategies.registry import STRATEGIES


@pytest.fixture
def results() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rounds = {"Entropy": 4, "Salutary-guarded": 4, "TrainOnly": 1, "FullPool": 1}
    rows = [
        (name, seed, round, rng.uniform())
        for name, number in rounds.items()
        for seed in range(5)
        for round in range(number)
    ]
    columns = ["strategy", "seed", "round", "accuracy"]
    return pd.DataFrame(rows, columns=columns).assign(dataset="iris")


def test_curves_have_the_band_and_the_baselines_of_a_run(results: pd.DataFrame) -> None:
    panel = LearningCurves(results).plot().axes[0]
    lines = {str(line.get_label()): line for line in panel.lines}
    by_round = results.groupby(["strategy", "round"])["accuracy"]
    mean, error = by_round.mean(), by_round.std() / np.sqrt(5)
    for name in ("Entropy", "Salutary-guarded"):
        assert_allclose(lines[name].get_ydata(), mean[name])
    (band,) = panel.collections
    ours = "Salutary-guarded"
    corners = band.get_paths()[0].vertices
    for sign in (-1, 1):
        ends = np.column_stack([range(4), mean[ours] + sign * error[ours]])
        for end in ends:
            assert np.abs(corners - end).sum(axis=1).min() < 1e-12
    for name in ("TrainOnly", "FullPool"):
        level = mean[name, 0]
        assert_allclose(lines[name].get_ydata(), [level, level])
        assert_array_equal(lines[name].get_xdata(), [0, 1])  # the whole panel's width
        assert lines[name].get_color() == style.ink()
    own = curves.baseline(panel, 0.5, "train only")
    assert lines["TrainOnly"]._dash_pattern == own._dash_pattern  # type: ignore[attr-defined]
    assert lines["FullPool"].get_linestyle() == "-"


def test_no_two_strategies_look_alike_and_colors_are_those_of_the_displays() -> None:
    styles = styles_of([*STRATEGIES])
    looks = [(look["color"], look["marker"]) for look in styles.values()]
    assert len({*looks}) == len(STRATEGIES)
    assert {color for color, _ in looks} <= {*style.LIGHT.values(), style.ink()}
