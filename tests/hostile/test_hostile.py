"""A small dose of everything hostile, and what the verdict on one trial sees.

More of it: make hostile N=1000 SEED=7.
"""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.hostile.__main__ import SORTS, sort_of
from tests.hostile.arrays import Arrays, case
from tests.hostile.command_lines import trial
from tests.hostile.tables import FORMATS, write
from tests.hostile.trials import Ready, Trial
from tests.hostile.twins import twins
from tests.hostile.values import check_assigned, check_labels, is_same
from tests.hostile.verdict import Ended, faults, files

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

ROOT = Path(__file__).parents[2]
DOSE = 32


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["tests.hostile", str(DOSE), "0"],
        ["tests.hostile.kills", "6", "0"],
        ["tests.hostile.run_files", "label"],
        ["tests.hostile.surroundings", "label"],
    ],
    ids=lambda words: words[0],
)
def test_a_small_dose_does_no_harm(words: list[str]) -> None:
    pytest.importorskip("peft", reason="needs salutary[text]")
    done = subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.endswith((", 0 faulty", " 0 ended otherwise"))


def test_the_trials_of_a_hundred_numbers_are_of_every_sort() -> None:
    sorts = [sort_of(number) for number in range(700, 800)]
    assert {sort: sorts.count(sort) for sort in SORTS} == SORTS
    assert {sort_of(number) for number in range(DOSE)} == {*SORTS}


@pytest.mark.slow
def test_a_trial_follows_from_its_number(tmp_path: Path) -> None:
    ready = Ready("run", "model")
    for number in range(20):
        for place, make in enumerate(
            (lambda n: trial(n, ready, "label"), lambda n: twins(n))
        ):
            one, other = make(number), make(number)
            assert one.words == other.words
            for made, name in ((one, "one"), (other, "other")):
                folder = tmp_path / name / f"{number}-{place}"
                folder.mkdir(parents=True)
                made.write(folder)
        assert repr(case(number).told) == repr(case(number).told)
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
    found = faults(Ended(code, "", err, files(tmp_path), tmp_path))
    assert fault in "; ".join(found)
    assert bool(found) == bool(fault)


@pytest.mark.parametrize("written", ["train.csv", "new.csv"])
def test_the_verdict_sees_a_file_written_on_refusal(
    written: str, tmp_path: Path
) -> None:
    (tmp_path / "train.csv").write_text("a\n")
    before = files(tmp_path)
    (tmp_path / written).write_text("b\n")
    found = faults(Ended(2, "", REFUSAL, before, tmp_path))
    assert [written in fault for fault in found] == [True]


@pytest.mark.parametrize(
    ("must", "code", "fault"),
    [
        ([], 0, ""),
        ([], 2, "without a reason"),
        ([None], 0, ""),
        ([None], 2, ""),
        (["has no rows"], 2, ""),
        (["has no rows"], 0, "had to be refused"),
        (["one class"], 2, "in other words"),
        (["one class", None], 0, ""),
    ],
)
def test_the_verdict_knows_what_must_be_refused(
    must: list[str | None], code: int, fault: str, tmp_path: Path
) -> None:
    made = Trial([], {}, {}, must=must)
    found = made.faults(Ended(code, "", REFUSAL * (code == 2), {}, tmp_path))
    assert fault in "; ".join(found)
    assert bool(found) == bool(fault)


@pytest.mark.parametrize(
    ("ids", "labels", "words"),
    [
        (["p0", "p1"], [1, 0], ""),
        (["p0", "p2"], [1, 0], "rows that the pool has not"),
        (["p0", "p1"], [1, 2], "has the class"),
        (["p0", "p1"], ["1", "nan"], "has the class 'nan'"),
    ],
)
def test_labels_that_were_not_put_in_are_seen(
    ids: list[str], labels: list[object], words: str
) -> None:
    found = pd.DataFrame({"id": ids, "label": labels})
    pool = pd.DataFrame({"id": ["p0", "p1"]})
    with pytest.raises(AssertionError, match=words) if words else nullcontext():
        check_assigned(found, pool, [0, 1])


MOMENT = pd.Timestamp("2021-03-01 12:00")


@pytest.mark.parametrize(
    ("given", "found", "kind", "same"),
    [
        (0.1, 0.1, "number", True),
        (0.1, 0.2, "number", False),
        ("0.1 ", 0.1, "number", True),
        (2**60 + 1, 2.0**60, "number", True),
        (None, np.nan, "number", True),
        ("?", np.nan, "number", True),
        (0.5, np.nan, "number", False),
        (np.nan, 1.0, "boolean", False),
        (True, 1.0, "boolean", True),
        (7, 1.0, "boolean", False),
        ("01", "01", "category", True),
        ("01", "1", "category", False),
        (np.nan, "nan", "category", False),
        (True, "true", "text", True),
        (7.0, "7", "text", True),
        (np.float32(2.1362808), "2.1362808", "text", True),
        (2.5, "2.6", "text", False),
        (MOMENT, MOMENT, "date", True),
        (MOMENT.tz_localize("Asia/Kolkata"), MOMENT, "date", False),
        ("01/03/2021", pd.Timestamp("2021-03-01"), "date:%d/%m/%Y", True),
        ("01/03/2021", pd.Timestamp("2021-01-03"), "date:%d/%m/%Y", False),
        (MOMENT, pd.NaT, "date", False),
        (pd.Timedelta("6h"), 21600.0, "duration", True),
        (pd.Timedelta("6h"), 21600.0 * 10**6, "duration", False),
    ],
)
def test_a_value_that_changed_is_seen(
    given: object, found: object, kind: str, same: bool
) -> None:
    assert is_same(given, found, kind) is same


@pytest.mark.parametrize(
    ("classes", "validation", "right"),
    [
        ([0, 1], [1, 0], True),
        (["0", "1"], [1, 0], True),
        ([0, 1], [1, None], False),
        ([0, 1], [1, 7], False),
        ([0, 1, 7], [1, 0], False),
    ],
)
def test_a_label_that_changed_is_seen(
    classes: list[object], validation: list[object], right: bool
) -> None:
    train = pd.Series([0, 1, 1], dtype=object)
    try:
        check_labels(classes, train, pd.Series(validation, dtype=object))
    except AssertionError:
        assert not right
    else:
        assert right


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_table_is_written_exactly(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1 / 3, np.nan], "n": [2**53 + 1, -1], "t": ["a", None]})
    write(frame, tmp_path / f"table.{suffix}")
    from salutary.tables.formats import read_table

    read = read_table(tmp_path / f"table.{suffix}").to_pylist()
    assert float(read[0]["x"]) == 1 / 3
    assert int(read[0]["n"]) == 2**53 + 1
    assert read[1]["x"] is None or np.isnan(read[1]["x"])
    assert read[1]["t"] is None


def test_trials_of_python_that_were_not_reached_are_faulty(tmp_path: Path) -> None:
    made = Arrays([1, 2, 3, 4])
    ended = Ended(-11, "1\n worked\n2\n faulty: x\n3\n", "", {}, tmp_path)
    assert made.ends(ended) == {"worked": 1, "faulty": 3}
    assert made.faults(ended) == ["2: x", "ended within 3"]
