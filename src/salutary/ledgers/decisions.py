"""What people decide about assigned labels, and which of it holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from salutary.errors import InputError
from salutary.ledgers.sealed import SealedFile, digest

DecisionName = Literal["accept", "change", "reject", "undo"]
DECISIONS: tuple[DecisionName, ...] = get_args(DecisionName)


@dataclass(frozen=True)
class NewDecision:
    """A decision that is to be made.

    Parameters
    ----------
    row : int
        Row of the pool.
    decision : {"accept", "change", "reject", "undo"}
        An "undo" takes back the row's last decision that holds.
    label : str or None
        The class of a "change", by its name in the ledger.
    expected : int or None
        Position of the last decision about the row, an "undo" too, that whoever decides
        has seen; None if there was none.
    """

    row: int
    decision: DecisionName
    label: str | None = None
    expected: int | None = None


@dataclass(frozen=True)
class Decision:
    """A decision in the ledger.

    Parameters
    ----------
    position : int
        Number of the decision, from 0.
    row : int
        Row of the pool.
    id : str
        The row's name, as with its label.
    decision : {"accept", "change", "reject", "undo"}
    label : str or None
        The class that the person holds right: that of a "change", and of an "accept"
        the class that the run had given the row.
    source : str
        Where the decision was made: "review", or the name of a file.
    time : str
        In UTC, in ISO 8601.
    """

    position: int
    row: int
    id: str
    decision: DecisionName
    label: str | None
    source: str
    time: str


class DecidedMeanwhileError(Exception):
    """Somebody has decided about a row since it was last looked at.

    Parameters
    ----------
    row : int
    last : Decision or None
        The last decision about the row, which was not the one expected.
    """

    def __init__(self, row: int, last: Decision | None) -> None:
        super().__init__(f"somebody has decided about row {row} meanwhile")
        self.row, self.last = row, last


def current_decisions(decisions: Iterable[Decision]) -> dict[int, Decision]:
    """The decision that holds for each row: the last that was not undone.

    Parameters
    ----------
    decisions : iterable of Decision
        In the order in which they were made.

    Examples
    --------
    >>> made = [
    ...     Decision(0, 7, "r7", "accept", "cat", "review", ""),
    ...     Decision(1, 7, "r7", "reject", None, "review", ""),
    ...     Decision(2, 7, "r7", "undo", None, "review", ""),
    ... ]
    >>> current_decisions(made)[7].decision
    'accept'
    >>> current_decisions([*made, Decision(3, 7, "r7", "undo", None, "review", "")])
    {}
    """
    held = HeldDecisions()
    held.add(decisions)
    return held.holds


class HeldDecisions:
    """Which decisions hold, kept up to date as further ones are made.

    Attributes
    ----------
    holds : dict of int to Decision
        The decision that holds for each row.
    last : dict of int to int
        Position of the last decision about each row, as a `NewDecision` expects it.
    count : int
        Number of decisions.
    """

    def __init__(self) -> None:
        self.holds: dict[int, Decision] = {}
        self.last: dict[int, int] = {}
        self.count = 0
        self._stacks: dict[int, list[Decision]] = {}

    def add(self, decisions: Iterable[Decision]) -> None:
        """Take in decisions, in the order in which they were made."""
        for decision in decisions:
            row = decision.row
            stack = self._stacks.setdefault(row, [])
            if decision.decision != "undo":
                stack.append(decision)
            elif stack:
                stack.pop()
            self.holds.pop(row, None)
            if stack:
                self.holds[row] = stack[-1]
            self.last[row] = decision.position
            self.count += 1


def last_positions(decisions: Iterable[Decision]) -> dict[int, int]:
    """Position of the last decision about each row, as a `NewDecision` expects it."""
    return {decision.row: decision.position for decision in decisions}


class DecidedFile(SealedFile):
    """A sealed file whose labels people decide about; see `SealedFile`.

    Its schema has the tables ``decisions``, ``labels`` and ``classes``. A digest of
    each decision covers those before it, and the facts hold the last digest, so that
    none can be edited, added or removed unseen.
    """

    def decisions(self, row: int | None = None, after: int = 0) -> list[Decision]:
        """Decisions in their order: those after the first so many, or about a row."""
        if row is None:
            query = "SELECT * FROM decisions WHERE position >= ? ORDER BY position"
            found = self._all(query, after)
        else:
            query = "SELECT * FROM decisions WHERE row = ? ORDER BY position"
            found = self._all(query, row)
        return [Decision(*content) for *content, _ in found]

    def decide(self, new: Sequence[NewDecision], source: str) -> list[Decision]:
        """Make decisions about labels, all of them or none, in one transaction.

        Parameters
        ----------
        new : sequence of NewDecision
        source : str
            Where they were made: "review", or the name of a file.

        Returns
        -------
        list of Decision
            As the file has them.

        Raises
        ------
        DecidedMeanwhileError
            If there is a later decision about a row than the one expected.
        InputError
            If a row has no label, a class is none of the run's, or nothing is there to
            be undone.
        """
        time = datetime.now(UTC).isoformat(timespec="seconds")
        made: list[Decision] = []
        with self._transaction() as connection:
            count, before = self._last()
            for position, one in enumerate(new, start=count):
                id_, label = self._decidable(one)
                decision = Decision(
                    position, one.row, id_, one.decision, label, source, time
                )
                before = _digest(before, astuple(decision))
                connection.execute(
                    "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (*astuple(decision), before),
                )
                made.append(decision)
            if made:
                self._set_facts({"decisions": _fact(count + len(made), before)})
        return made

    def _decidable(self, new: NewDecision) -> tuple[str, str | None]:
        """The id of a row and the label of a decision, which can be made now."""
        of_row = self.decisions(new.row)
        last = of_row[-1] if of_row else None
        if new.expected != (None if last is None else last.position):
            raise DecidedMeanwhileError(new.row, last)
        query = "SELECT id, label FROM labels JOIN classes USING (class) WHERE row = ?"
        found = self._all(query, new.row)
        if not found:
            raise InputError(
                f"row {new.row}: has no label of this run to decide about; leave it out"
            )
        id_, assigned = found[0]
        if new.decision not in DECISIONS:
            raise InputError(
                f"row {new.row}: {new.decision!r} is no decision; pass one of "
                f"{', '.join(DECISIONS)}"
            )
        if new.decision == "undo" and not current_decisions(of_row):
            raise InputError(f"row {new.row}: has no decision to undo; leave it out")
        if new.decision == "change":
            known = "SELECT 1 FROM classes WHERE label = ?"
            if not self._all(known, new.label):
                raise InputError(
                    f"row {new.row}: {new.label!r} is none of the run's classes; pass "
                    "one of them"
                )
            return id_, new.label
        return id_, assigned if new.decision == "accept" else None

    def _last(self) -> tuple[int, str | None]:
        """Number of decisions, and the digest of the last one."""
        query = "SELECT position, digest FROM decisions ORDER BY position DESC LIMIT 1"
        found = self._all(query)
        return (found[0][0] + 1, found[0][1]) if found else (0, None)

    def _decisions_are_sound(self) -> bool:
        count, before = 0, None
        for *content, written in self._all("SELECT * FROM decisions ORDER BY position"):
            if content[0] != count or _digest(before, tuple(content)) != written:
                return False
            count, before = count + 1, written
        fact = self._all("SELECT value FROM run WHERE key = 'decisions'")
        return fact == ([(json.dumps(_fact(count, before)),)] if count else [])


def _digest(before: str | None, content: tuple[Any, ...]) -> str:
    return digest([before, *content])


def _fact(count: int, last: str | None) -> dict[str, Any]:
    """What the facts of a run say of its decisions."""
    return {"count": count, "digest": last}
