"""``salutary demo``: what its sentence says, and that it runs."""

import re

import pandas as pd
import pytest

from salutary.cli import demo
from salutary.cli.contenders import CONTENDERS
from salutary.cli.main import main

pytestmark = pytest.mark.slow

NAMES = (demo.TRAIN_ONLY, demo.SALUTARY, demo.MARGIN, demo.TRAIN_AND_VALIDATION)


def results(*accuracies: tuple[float, ...]) -> pd.DataFrame:
    """Accuracies of start, salutary, margin and both, in one or more splits."""
    return pd.DataFrame(
        [
            {"contender": name, "seed": seed, "accuracy": accuracy, "log_loss": 1.0}
            for seed, row in enumerate(accuracies)
            for name, accuracy in zip(NAMES, row, strict=True)
        ]
    )


@pytest.mark.parametrize(
    ("margin", "both", "words"),
    [
        (0.95, 0.85, ("better", "worse")),
        (0.85, 0.95, ("worse", "better")),
        (0.90, 0.90, ("just as good", "just as good")),
        (0.9004, 0.8996, ("just as good", "just as good")),  # as good as printed
        (0.901, 0.899, ("better", "worse")),
    ],
)
def test_the_sentence_says_who_is_better(
    margin: float, both: float, words: tuple[str, str]
) -> None:
    sentence = demo.conclusion(results((0.8, 0.9, margin, both)))
    found = re.search(
        r"from 0\.800 to 0\.900; 100 true labels by margin sampling are (.*) \(.*\), "
        r"and simply .* is (.*) \(.*\)\.$",
        sentence,
    )
    assert found is not None, sentence
    assert found.groups() == words
    assert f"({margin:.3f})" in sentence
    assert f"({both:.3f})" in sentence


def test_the_sentence_is_about_means_over_splits() -> None:
    splits = results((0.7, 0.80, 0.99, 0.80), (0.9, 1.00, 0.79, 0.98))
    sentence = demo.conclusion(splits)
    assert "from 0.800 to 0.900" in sentence
    assert "worse (0.890)" in sentence


def test_the_demo_shows_every_contender_and_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "N_SPLITS", 1)
    monkeypatch.setattr(demo, "N_BOUGHT", 20)
    monkeypatch.setenv("COLUMNS", "100")
    main(["demo"])
    out, err = capsys.readouterr()
    assert err == "split 1 of 1\n"
    rows = [line.split("│")[1:-1] for line in out.splitlines() if "│" in line]
    assert [row[0].strip() for row in rows] == list(CONTENDERS)
    for row in rows:
        contender, *_ = cells = [cell.strip() for cell in row]
        assert cells[1] == ("20" if contender.startswith("true labels") else "0")
        accuracy, log_loss = (float(cell.split()[0]) for cell in cells[2:])
        assert 0.8 < accuracy < 1
        assert 0 < log_loss < 2
    assert out.strip().splitlines()[-1].startswith("Without asking anyone")
    assert "20 true labels" in out
