"""The data of the table, and what stands there without a script."""

import json
import re

import pytest

from salutary.report.doubts import find_doubts
from salutary.report.label_table import first_rows, script_safe, table_data
from tests.report.made import HOSTILE, frames


def test_no_text_ends_the_script_element():
    text = script_safe(HOSTILE)
    assert json.loads(text) == HOSTILE
    assert not re.search("[<>&\u2028\u2029]", text)


def test_cells_are_the_figures():
    of = frames()
    data = table_data(of.labels, of.classes, find_doubts(of.labels, None))
    rows = first_rows(data)
    assert len(rows) == 40
    for cells, label in zip(rows, of.labels.itertuples(), strict=True):
        assert (cells[1], cells[2], cells[7]) == (label.id, label.label, label.guess)
        # Both are rounded to two digits of the error.
        close = 0.051 * label.influence_se
        assert float(cells[4]) == pytest.approx(label.influence, abs=close)
        assert float(cells[5]) == pytest.approx(label.influence_se, abs=close)
        assert len(cells[4].partition(".")[2]) == len(cells[5].partition(".")[2])
        assert ("undone" in cells[-1]) == label.undone


def test_figures_that_are_not_known_are_dashes():
    of = frames(n_labels=1, undone=0)
    of.labels["influence_se"], of.labels["distance"] = float("nan"), float("inf")
    data = table_data(of.labels, of.classes, find_doubts(of.labels, None))
    (cells,) = first_rows(data)
    assert cells[5] == cells[9] == "\u2013"
    assert "NaN" not in script_safe(data)
