"""Decisions in a ledger: what holds, what is refused, and that edits are seen."""

import multiprocessing
import os
import signal
import sqlite3
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

import pytest

from salutary.errors import InputError
from salutary.ledgers.decisions import (
    DecidedMeanwhileError,
    NewDecision,
    current_decisions,
    last_positions,
)
from salutary.ledgers.run_ledger import Ledger
from tests.ledgers.test_run_ledger import FACTS, add, details, dump, entry, query

CLASSES = ["bird", "cat", "dog"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of a round, which gave labels to rows 7, 2 and 9."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.begin(FACTS, CLASSES, entry(0), details(0))
        add(ledger, 1, [7, 2, 9])
    return path


def assigned(path: Path, row: int) -> str:
    found = "SELECT classes.label FROM labels JOIN classes USING (class) WHERE row = "
    return query(path, f"{found}{row}")[0][0]


def test_decisions_come_back_and_the_last_that_was_not_undone_holds(path: Path) -> None:
    with Ledger(path) as ledger:
        (first,) = ledger.decide([NewDecision(7, "accept")], "review")
        assert first.label == assigned(path, 7)
        assert (first.id, first.source) == ("row 7", "review")
        ledger.decide(
            [NewDecision(2, "reject"), NewDecision(7, "change", "dog", 0)], "a.csv"
        )
        assert ledger.is_sound()
    with Ledger(path) as ledger:
        made = ledger.read().decisions
        assert [one.position for one in made] == [0, 1, 2]
        assert made == tuple(ledger.decisions())
        assert last_positions(made) == {7: 2, 2: 1}
        holds = current_decisions(made)
        assert {row: (one.decision, one.label) for row, one in holds.items()} == {
            7: ("change", "dog"),
            2: ("reject", None),
        }
        ledger.decide([NewDecision(7, "undo", expected=2)], "review")
        assert current_decisions(ledger.decisions())[7] == first
        ledger.decide([NewDecision(7, "undo", expected=3)], "review")
        assert 7 not in current_decisions(ledger.decisions())
        assert [one.position for one in ledger.decisions(7)] == [0, 2, 3, 4]
        assert ledger.is_sound()
    stored = query(path, "SELECT * FROM decisions")
    assert [row[:-1] for row in stored[:1]] == [astuple(first)]


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (NewDecision(5, "accept"), "row 5: has no label of this run"),
        (NewDecision(7, "change", "fish"), "'fish' is none of the run's classes"),
        (NewDecision(7, "change"), "None is none of the run's classes"),
        (NewDecision(7, "undo"), "row 7: has no decision to undo"),
        (NewDecision(7, "perhaps"), "'perhaps' is no decision"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_decided_is_refused_and_none_of_it_is_stored(
    new: NewDecision, said: str, path: Path
) -> None:
    before = dump(path)
    with Ledger(path) as ledger:
        with pytest.raises(InputError, match=said):
            ledger.decide([NewDecision(2, "accept"), new], "review")
        assert ledger.decisions() == []
    assert dump(path) == before


def test_a_ledger_in_which_nothing_is_decided_is_as_it_was(path: Path) -> None:
    before = dump(path)
    with Ledger(path) as ledger:
        assert ledger.decide([], "review") == []
    assert dump(path) == before


def test_who_has_not_seen_the_last_decision_is_refused(path: Path) -> None:
    with Ledger(path) as one, Ledger(path) as other:
        (made,) = one.decide([NewDecision(7, "reject")], "review")
        with pytest.raises(DecidedMeanwhileError) as refused:
            other.decide([NewDecision(7, "accept")], "review")
        assert (refused.value.row, refused.value.last) == (7, made)
        # An undo leaves nothing that holds, but it too was seen or was not.
        one.decide([NewDecision(7, "undo", expected=0)], "review")
        for expected in (None, 0):
            with pytest.raises(DecidedMeanwhileError):
                other.decide([NewDecision(7, "accept", expected=expected)], "review")
        other.decide([NewDecision(7, "accept", expected=1)], "review")
        # Nobody waits for what was decided about another row.
        one.decide([NewDecision(2, "accept")], "review")
        assert len(one.decisions()) == 4


EDITS = (
    "UPDATE decisions SET label = 'cat' WHERE position = 1",
    "UPDATE decisions SET decision = 'reject' WHERE position = 0",
    "UPDATE decisions SET row = 9 WHERE position = 2",
    "UPDATE decisions SET time = '2000' WHERE position = 2",
    "UPDATE decisions SET source = 'x' WHERE position = 0",
    "DELETE FROM decisions WHERE position = 0",
    "DELETE FROM decisions WHERE position = 2",
    "DELETE FROM decisions",
    "INSERT INTO decisions SELECT 3, row, id, decision, label, source, time, digest "
    "FROM decisions WHERE position = 2",
    "DELETE FROM run WHERE key = 'decisions'",
)


@pytest.mark.parametrize("statement", EDITS)
def test_every_edit_of_a_decision_is_found(statement: str, path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.decide([NewDecision(7, "accept")], "review")
        ledger.decide([NewDecision(7, "change", "dog", 0)], "review")
        ledger.decide([NewDecision(2, "reject")], "review")
        assert ledger.is_sound()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    with Ledger(path) as ledger:
        assert not ledger.is_sound()


def _decide_and_die(path: str) -> None:
    with Ledger(Path(path)) as ledger:
        ledger.decide([NewDecision(7, "reject")], "review")
        set_facts = ledger._set_facts

        def die(facts: dict) -> None:
            set_facts(facts)
            os.kill(os.getpid(), signal.SIGKILL)

        ledger._set_facts = die  # type: ignore[method-assign]
        ledger.decide([NewDecision(2, "reject"), NewDecision(9, "accept")], "review")


def test_a_kill_within_a_decision_leaves_those_before_it(path: Path) -> None:
    killed = multiprocessing.get_context("forkserver").Process(
        target=_decide_and_die, args=(str(path),)
    )
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    with Ledger(path) as ledger:
        assert [one.row for one in ledger.decisions()] == [7]
        assert ledger.is_sound()
        ledger.decide([NewDecision(2, "accept")], "review")


def test_a_decision_outlives_the_round_of_its_label(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.decide([NewDecision(7, "reject")], "review")
        ledger.forget(1)
        assert ledger.is_sound()
        assert [one.row for one in ledger.read().decisions] == [7]
