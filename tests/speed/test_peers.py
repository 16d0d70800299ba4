"""The comparison with other libraries, on a few rows and by tools that are here."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from speed.peers.__main__ import write_page
from speed.peers.comparison import compare, largest_difference
from speed.peers.page import faster, table
from speed.peers.problem import Sizes, make, read
from speed.peers.tools import FITS, INFLUENCES, QUERIES, SALUTARY, SALUTARY_CHOICE, Tool

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

FEW = Sizes(train=60, validation=30, pool=50, features=4, classes=3)
HERE = [replace(tool, pairs=1) for tool in INFLUENCES if not tool.elsewhere]


def test_a_problem_is_read_as_it_was_written(tmp_path: Path) -> None:
    problem = make(FEW)
    problem.write(tmp_path / "problem.npz")
    again = read(tmp_path / "problem.npz")
    for name, value in vars(problem).items():
        np.testing.assert_array_equal(getattr(again, name), value)


def test_torch_and_the_formula_find_what_salutary_finds(tmp_path: Path) -> None:
    make(FEW).write(tmp_path / "problem.npz")
    found = compare(SALUTARY, HERE, tmp_path / "problem.npz", tmp_path)
    assert found.reference.values.shape == (FEW.pool, FEW.classes)
    assert len(found.measured) == 4
    for each in found.measured:
        assert each.found is not None, each.error
        assert each.found.peak > 0
        values, reference = each.found.values, found.reference.values
        assert largest_difference(values, reference) < 1e-10, each.tool


def test_a_tool_that_cannot_be_run_is_named_with_its_error(tmp_path: Path) -> None:
    make(FEW).write(tmp_path / "problem.npz")
    missing = Tool("one that is missing", "influence_missing", "any")
    found = compare(SALUTARY, [missing, HERE[0]], tmp_path / "problem.npz", tmp_path)
    shown = table(found, {})
    assert re.search(r"one that is missing could not be run: `.*No module named", shown)
    assert "| NumPy, one product |" in shown
    assert "one that is missing" not in faster(found)


def test_the_page_has_a_line_for_each_tool(tmp_path: Path) -> None:
    asked = [replace(tool, pairs=1) for tool in (QUERIES[0], FITS[1])]
    write_page(tmp_path / "page.md", FEW, HERE[:1], asked[:1], asked[1:])
    text = (tmp_path / "page.md").read_text("utf-8")
    for tool in (SALUTARY, SALUTARY_CHOICE, HERE[0], *asked):
        assert f"| {tool.name} | " in text
    assert "could not be run" not in text
    assert "50 pool rows of 4 features" in text
    assert max(len(line) for line in text.split("\n") if line[:1] != "|") <= 100
