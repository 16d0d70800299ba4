"""The ledger, read back with sqlite3 and with itself."""

import json
import sqlite3
from contextlib import closing
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest

from salutary.errors import InputError
from salutary.labeling.standing import Spread, Survey
from salutary.labeling.steps import Coefficients
from salutary.ledgers.record import (
    AssignedLabels,
    RoundDetails,
    RoundEntry,
    RowsAndClasses,
)
from salutary.ledgers.run_ledger import Ledger

FACTS = {"settings": {"C": 1.0, "id": None}, "data": {"train": "ä ✓"}}


def coefficients(rng: np.random.Generator, n_rows: int) -> Coefficients:
    """Such that only the exact bytes give them back."""
    coef = rng.normal(size=(n_rows, 4)) * 10.0 ** rng.integers(-300, 300, (n_rows, 4))
    coef[0, 0], coef[0, 1] = -0.0, np.nextafter(0, 1)
    return coef, rng.normal(size=n_rows)


def entry(
    number: int, n_rows: int = 3, *, verdict: str = "kept", n_folds: int = 2
) -> RoundEntry:
    rng = np.random.default_rng(number)
    start = number == 0
    return RoundEntry(
        round=number,
        n_labeled=20 + number,
        validation_loss=1 / (3 + number),
        validation_accuracy=0.7,
        validation_balanced_accuracy=2 / 3,
        canary_loss=0.1,
        canary_fall=None if start else 1e-17 * number,
        canary_se=None if start else 0.01,
        canary_accuracy=0.6,
        canary_balanced_accuracy=0.1 + 0.2,
        largest_influence=None if start else 1e-9,
        variant=None if start else "p^1",
        verdict=verdict,
        seconds=0.5,
        model=coefficients(rng, n_rows),
        folds=tuple(coefficients(rng, n_rows) for _ in range(n_folds)),
    )


def assigned(number: int, rows: list[int], n_classes: int = 3) -> AssignedLabels:
    rng = np.random.default_rng(number)
    return AssignedLabels(
        rows=np.array(rows, dtype=np.intp),
        rounds=np.full(len(rows), number),
        classes=rng.integers(0, n_classes, len(rows)),
        influence=rng.normal(size=(len(rows), n_classes)),
        probability=rng.dirichlet(np.ones(n_classes), len(rows)),
        influence_se=rng.uniform(size=len(rows)),
        scores=rng.uniform(size=len(rows)),
        rank=rng.permutation(len(rows)) + 1.0,
        distance=rng.uniform(size=len(rows)),
    )


def details(number: int, n_classes: int = 3) -> RoundDetails:
    rng = np.random.default_rng(number)
    losses = rng.uniform(size=(n_classes, 2))
    losses[0, 1] = np.nan
    if number == 0:
        return RoundDetails(losses, {}, Spread.empty())
    survey = Survey()
    survey.add(rng.normal(size=(50, n_classes)).max(axis=1) * 1e-3)
    tried = {"p^1": 0.1, "p^0": np.nextafter(0.1, 1), "p^2": np.nan}
    return RoundDetails(losses, tried, Spread.of_counts(survey.counts))


def names(labels: AssignedLabels) -> list[str]:
    return [f"row {row}" for row in labels.rows]


def of_folds(*rows: list[int]) -> tuple[RowsAndClasses, ...]:
    """What folds have labeled so far, each row as the class of its last digit."""
    arrays = [np.array(each, dtype=np.intp) for each in rows]
    return tuple((each, each % 3) for each in arrays)


def add(
    ledger: Ledger,
    number: int,
    rows: list[int],
    folds: tuple[RowsAndClasses, ...] = (),
    verdict: str = "kept",
) -> None:
    labels = assigned(number, rows)
    found = entry(number, verdict=verdict)
    ledger.commit(found, details(number), labels, names(labels), folds)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with two rounds, of three labels and of two."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        assert ledger.is_empty()
        ledger.begin(FACTS, ["bird", "cat", "dog"], entry(0), details(0))
        add(ledger, 1, [7, 2, 9], of_folds([7, 2, 1], [5]))
        add(ledger, 2, [4, 0], of_folds([7, 2, 1], [5, 8, 4]))
    return path


def query(path: Path, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def dump(path: Path) -> list[str]:
    """Everything in the file, as SQL."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_rounds_come_back_to_the_bit(path: Path) -> None:
    with Ledger(path) as ledger:
        found = ledger.read().entries
    assert len(found) == 3
    for number, round in enumerate(found):
        expected = entry(number)
        assert astuple(round)[:-2] == astuple(expected)[:-2]
        assert len(round.folds) == 2
        pairs = zip(
            (round.model, *round.folds), (expected.model, *expected.folds), strict=True
        )
        for model, other in pairs:
            for found_part, part in zip(model, other, strict=True):
                assert found_part.tobytes() == part.tobytes()
                assert found_part.shape == part.shape
                assert found_part.flags.writeable


def test_without_a_guard_no_fold_comes_back(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        start = replace(entry(0, n_folds=0), canary_loss=None)
        ledger.begin(FACTS, ["a", "b", "c"], start, details(0))
        assert ledger.read().entries[0].folds == ()
        assert ledger.read().entries[0].canary_loss is None
        assert ledger.read().fold_labels == ()


def test_what_folds_labeled_comes_back_in_order_with_its_rounds(path: Path) -> None:
    with Ledger(path) as ledger:
        first, second = (np.array(each).tolist() for each in ledger.read().fold_labels)
    assert first == [[7, 2, 1], [1, 2, 1], [1, 1, 1]]  # rows, classes, rounds
    assert second == [[5, 8, 4], [2, 2, 1], [1, 2, 2]]


def test_the_coefficients_of_two_classes_come_back_as_one_row(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.begin(FACTS, ["no", "yes"], entry(0, n_rows=1), details(0, 2))
        assert ledger.read().entries[0].model[0].shape == (1, 4)
        assert ledger.read().entries[0].folds[1][0].shape == (1, 4)
        assert ledger.read().labels.influence.shape == (0, 2)


def test_labels_come_back_in_the_order_of_assignment(path: Path) -> None:
    with Ledger(path) as ledger:
        found = ledger.read().labels
    assert found.rows.tolist() == [7, 2, 9, 4, 0]
    assert found.rounds.tolist() == [1, 1, 1, 2, 2]
    parts = [assigned(1, [7, 2, 9]), assigned(2, [4, 0])]
    figures = ("influence_se", "scores", "rank", "distance")
    for name in ("classes", "influence", "probability", *figures):
        expected = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(getattr(found, name), expected)


def test_an_error_that_cannot_be_known_is_null_and_comes_back_as_nan(
    path: Path,
) -> None:
    labels = replace(assigned(3, [1, 3]), influence_se=np.array([np.nan, 0.5]))
    with Ledger(path) as ledger:
        ledger.commit(entry(3), details(3), labels, names(labels), ())
        np.testing.assert_array_equal(
            ledger.read().labels.influence_se[-2:], [np.nan, 0.5]
        )
    found = query(path, "SELECT influence_se FROM assigned WHERE round = 3")
    assert found == [(None,), (0.5,)]


def test_of_label_takes_each_rows_own_class() -> None:
    labels = replace(assigned(1, [5, 6]), classes=np.array([2, 0]))
    expected = [labels.influence[0, 2], labels.influence[1, 0]]
    assert labels.of_label(labels.influence).tolist() == expected


def test_sqlite_alone_says_who_was_labeled_what_and_why(path: Path) -> None:
    rows = query(path, "SELECT * FROM assigned")
    parts = [assigned(1, [7, 2, 9]), assigned(2, [4, 0])]
    expected = [
        (
            *(position, row, f"row {row}", number),
            ["bird", "cat", "dog"][code],
            part.influence[place, code],
            part.influence_se[place],
            part.probability[place, code],
        )
        for position, (number, part, place) in enumerate(
            (number, part, place)
            for number, part in enumerate(parts, 1)
            for place in range(len(part.rows))
        )
        for row, code in [(part.rows[place], part.classes[place])]
    ]
    assert rows == expected
    assert query(path, "SELECT count(*) FROM class_scores") == [(15,)]
    assert query(path, "PRAGMA foreign_key_check") == []
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize(
    ("verdicts", "shown"),
    [
        (["waiting", "waiting"], 2),
        (["waiting", "harmful"], 2),
        (["waiting", "kept"], 4),
        (["kept", "harmful"], 3),
    ],
    ids=str,
)
def test_the_view_ends_with_the_last_round_kept_and_the_table_goes_on(
    verdicts: list[str], shown: int, path: Path
) -> None:
    with Ledger(path) as ledger:
        for number, (row, verdict) in enumerate(zip([1, 3], verdicts, strict=True), 3):
            add(ledger, number, [row], verdict=verdict)
        assert [round.verdict for round in ledger.read().entries][3:] == verdicts
        assert ledger.read().labels.rows.tolist() == [7, 2, 9, 4, 0, 1, 3]
    found = query(path, "SELECT DISTINCT round FROM assigned")
    assert found == [(number,) for number in range(1, shown + 1)]


def test_the_view_is_empty_where_no_round_was_kept(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.begin(FACTS, ["bird", "cat", "dog"], entry(0), details(0))
        add(ledger, 1, [7, 2], verdict="waiting")
    assert query(tmp_path / "ledger.sqlite", "SELECT * FROM assigned") == []


def test_a_forgotten_round_leaves_no_trace(path: Path) -> None:
    before = dump(path)
    with Ledger(path) as ledger:
        add(ledger, 3, [1, 3], of_folds([7, 2, 1, 6], [5, 8, 4, 6]), "waiting")
    added = dump(path)
    further = 3 + 3 + len(details(3).spread.n_rows)
    assert len(added) == len(before) + 1 + 2 + 2 + 2 + 6 + further
    with Ledger(path) as ledger:
        ledger.forget(3)
    assert dump(path) == before


def test_the_first_labels_are_the_first_of_every_column() -> None:
    labels = assigned(1, [5, 6, 7])
    first = labels.first(2)
    for name, column in vars(labels).items():
        np.testing.assert_array_equal(getattr(first, name), column[:2])


@pytest.mark.parametrize(
    ("number", "rows", "code", "influence"),
    [
        (3, [1, 7], 0, 0.0),  # row 7 has a label already
        (3, [1, 1], 0, 0.0),  # the same row twice
        (3, [1, 3], 5, 0.0),  # no such class
        (2, [1, 3], 0, 0.0),  # the round is there already
        (3, [1, 3], 0, np.nan),  # no number
    ],
)
def test_a_round_that_cannot_be_written_leaves_no_trace(
    number: int, rows: list[int], code: int, influence: float, path: Path
) -> None:
    labels = replace(
        assigned(number, rows),
        classes=np.array([0, code]),
        influence=np.full((2, 3), influence),
    )
    before = dump(path)
    with Ledger(path) as ledger:
        with pytest.raises(sqlite3.IntegrityError):
            ledger.commit(
                entry(number), details(3), labels, names(labels), of_folds([7], [5])
            )
        assert len(ledger.read().entries) == 3
        # It goes on as if nothing had happened.
        add(ledger, 3, [1])
    assert len(dump(path)) > len(before)
    assert query(path, "SELECT row FROM labels WHERE round = 3") == [(1,)]


def test_what_is_shown_of_a_round_is_kept_to_the_bit(path: Path) -> None:
    for number in range(3):
        expected = details(number)
        losses = query(
            path,
            "SELECT validation_loss, canary_loss FROM class_losses "
            f"WHERE round = {number} ORDER BY class",
        )
        np.testing.assert_array_equal(
            np.array(losses, dtype=float), expected.class_losses
        )
        tried = query(
            path, f"SELECT variant, canary_loss FROM variants WHERE round = {number}"
        )
        known = {name: None if np.isnan(v) else v for name, v in expected.tried.items()}
        assert dict(tried) == known
        held = query(
            path, f"SELECT lower, upper, n_rows FROM influences WHERE round = {number}"
        )
        spread = expected.spread
        bins = zip(spread.lower, spread.upper, spread.n_rows, strict=True)
        assert held == list(bins)


EDITS = (
    "UPDATE rounds SET validation_accuracy = 0.71 WHERE round = 2",
    "UPDATE rounds SET canary_balanced_accuracy = 0.3 WHERE round = 0",
    "UPDATE class_losses SET canary_loss = 0.5 WHERE round = 0 AND class = 0",
    "DELETE FROM class_losses WHERE round = 2 AND class = 1",
    "UPDATE variants SET canary_loss = 0.1 WHERE round = 1 AND variant = 'p^0'",
    "UPDATE variants SET variant = 'p^3' WHERE round = 2 AND variant = 'p^2'",
    "UPDATE influences SET n_rows = n_rows + 1 WHERE round = 1",
    "INSERT INTO influences VALUES (0, 0.1, 0.2, 3)",
    "UPDATE labels SET score = score * 2 WHERE position = 4",
    "UPDATE labels SET rank = 1 WHERE position = 0",
    "UPDATE labels SET distance = NULL WHERE position = 3",
)


@pytest.mark.parametrize("statement", EDITS)
def test_every_edit_of_what_is_shown_is_found(statement: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
        connection.execute(statement)
        connection.commit()
        assert list(connection.iterdump()) != before
    with Ledger(path) as ledger:
        assert not ledger.is_sound()


def test_facts_are_json_and_are_replaced_together(path: Path) -> None:
    with Ledger(path) as ledger:
        assert ledger.read().facts["settings"] == FACTS["settings"]
        assert "report" not in ledger.read().facts
        ledger.set_facts(settings={"C": 2}, report={"labels": 5})
        assert ledger.read().facts["settings"] == {"C": 2}
        with pytest.raises(TypeError):
            ledger.set_facts(settings={"C": 3}, report=object())
        assert ledger.read().facts["settings"] == {"C": 2}
    facts = dict(query(path, "SELECT * FROM run"))
    assert json.loads(facts["data"]) == FACTS["data"]


def test_a_run_that_cannot_begin_leaves_an_empty_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        with pytest.raises(TypeError):
            ledger.begin({"settings": object()}, ["a", "b"], entry(0), details(0, 2))
        assert ledger.is_empty()
        ledger.begin(FACTS, ["a", "b"], entry(0), details(0, 2))
        assert not ledger.is_empty()


def test_two_runs_cannot_begin_in_one_ledger(path: Path) -> None:
    before = dump(path)
    with Ledger(path) as ledger, pytest.raises(sqlite3.OperationalError):
        ledger.begin(FACTS, ["a", "b"], entry(0), details(0, 2))
    assert dump(path) == before


def test_readers_see_whole_rounds_only(path: Path) -> None:
    # A label of this round cannot be written, but only after others could.
    labels = assigned(3, [1, 3, 7])
    seen = []
    with Ledger(path) as ledger:
        insert = ledger._insert_round

        def look(round: RoundEntry) -> None:
            insert(round)
            seen.append(query(path, "SELECT max(round) FROM rounds"))

        ledger._insert_round = look
        with pytest.raises(sqlite3.IntegrityError):
            ledger.commit(entry(3), details(3), labels, names(labels), ())
    assert seen == [[(2,)]]


@pytest.mark.parametrize(
    "content", [b"PNG" * 999, b"SQLite format 3\0" + b"\xff" * 999]
)
def test_another_file_is_refused_and_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(InputError, match="ledger"):
        Ledger(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("version", [0, 1, 99])
def test_a_ledger_of_another_format_is_refused_and_left_alone(
    version: int, path: Path
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    with pytest.raises(InputError, match="is of another version of salutary"):
        Ledger(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE accounts (balance REAL)")
    with pytest.raises(InputError, match="not a ledger"):
        Ledger(path)
