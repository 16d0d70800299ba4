"""A small dose of hostile inputs and kills, and what the verdict on one sees.

More of them: make hostile N=1000 SEED=7.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.trials import Trial, trial
from tests.hostile.verdict import Ended, faults, files

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "dose", "end"),
    [
        ("tests.hostile", "40", ", 0 faulty\n"),
        ("tests.hostile.kills", "6", ": 0 ended otherwise\n"),
    ],
)
def test_a_small_dose_does_no_harm(module: str, dose: str, end: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, dose, "0"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(end)


@pytest.mark.slow
def test_a_trial_follows_from_its_number(tmp_path: Path) -> None:
    for number in range(20):
        one, other = trial(number, "run"), trial(number, "run")
        assert one.words == other.words
        for made, name in ((one, "one"), (other, "other")):
            (tmp_path / name / str(number)).mkdir(parents=True)
            made.write(tmp_path / name / str(number))
    assert files(tmp_path / "one") == files(tmp_path / "other")


REFUSAL = "salutary: train.csv: has no rows; pass a table with some\n"


@pytest.mark.parametrize(
    ("code", "err", "fault"),
    [
        (2, REFUSAL, ""),
        (2, "reading\n" + REFUSAL, ""),
        (0, "", ""),
        (None, "", "did not end"),
        (1, "Traceback (most recent call last):\n", "traceback"),
        (-9, "", "ended with -9"),
        (2, "", "one last line"),
        (2, REFUSAL + REFUSAL, "one last line"),
        (2, REFUSAL + "more\n", "one last line"),
        (2, f"salutary: {'x' * 5000}\n", "at length"),
        (2, "salutary: \x1b[31m\n", "control characters"),
    ],
)
def test_the_verdict_sees(
    code: int | None, err: str, fault: str, tmp_path: Path
) -> None:
    (tmp_path / "train.csv").write_text("a\n")
    ended = Ended(code, "", err, files(tmp_path), tmp_path)
    found = faults(Trial([], {}, {}), ended)
    assert fault in "; ".join(found)
    assert bool(found) == bool(fault)


@pytest.mark.parametrize("written", ["train.csv", "new.csv"])
def test_the_verdict_sees_a_file_written_on_refusal(
    written: str, tmp_path: Path
) -> None:
    (tmp_path / "train.csv").write_text("a\n")
    before = files(tmp_path)
    (tmp_path / written).write_text("b\n")
    found = faults(Trial([], {}, {}), Ended(2, "", REFUSAL, before, tmp_path))
    assert [written in fault for fault in found] == [True]
