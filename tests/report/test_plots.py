"""Pictures have the figures of the frames, and stay small."""

import numpy as np
import pytest

from salutary.report.plots import MOST_BARS, MOST_ROWS, by_class, class_counts, promise
from tests.report.made import frames

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("n_labels", [10, 45, 5_000])
def test_counts_by_class_and_round_add_up(n_labels):
    of = frames(n_labels=n_labels, classes=[f"class {k}" for k in range(9)])
    counts = class_counts(of)
    assert counts.to_numpy().sum() == n_labels
    assert len(counts) <= MOST_BARS
    named = of.labels["label"].value_counts()
    for name in counts.columns[:6]:
        assert counts[name].sum() == named[name]
    if n_labels > 10:
        assert counts.columns[-1] == "3 other classes"


def test_the_figures_of_a_round_are_those_of_the_labels():
    of = frames(n_labels=30, undone=0)
    (row,) = (row for row in by_class(of).rows if row[0] == 2)
    assert sum(row[1:]) == (of.labels["round"] == 2).sum()


def test_of_many_rounds_some_are_drawn():
    drawn = promise(frames(n_labels=10_000))
    assert len(drawn.rows) == MOST_ROWS
    rounds = np.array([row[0] for row in drawn.rows])
    assert (rounds[0], rounds[-1]) == (1, 1000)
    assert len(drawn.svg) < 300_000
