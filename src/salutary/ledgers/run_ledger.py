"""The ledger of a run: a SQLite file that gets one transaction for each round.

It holds the settings, the fingerprints of the data, the versions, the coefficients
after each round, and every assigned label with the influence and probability of each
class. An interruption at any moment leaves it as it was after the last whole round.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from salutary.arrays import IntArray
from salutary.labeling.steps import Coefficients
from salutary.ledgers.decisions import DecidedFile
from salutary.ledgers.record import (
    AssignedLabels,
    FoldLabels,
    Record,
    RoundDetails,
    RoundEntry,
    RowsAndClasses,
)
from salutary.ledgers.schema import (
    APPLICATION,
    FORMAT,
    OF_ROUNDS,
    ROUND_QUERIES,
    SCHEMA,
)
from salutary.ledgers.sealed import digest


class Ledger(DecidedFile):
    """The open SQLite file of a run; see `DecidedFile`."""

    APPLICATION = APPLICATION
    FORMAT = FORMAT
    SCHEMA = SCHEMA

    def begin(
        self,
        facts: dict[str, Any],
        labels: list[Any],
        first: RoundEntry,
        details: RoundDetails,
    ) -> None:
        """Write the schema, the facts, the classes and round 0, in one transaction.

        Parameters
        ----------
        facts : dict
            Facts of the run, as values that JSON can hold.
        labels : list
            The classes, in their order.
        first : RoundEntry
            Round 0.
        details : RoundDetails
            The rest of round 0.
        """
        with self._transaction() as connection:
            self._begin(facts)
            connection.executemany(
                "INSERT INTO classes VALUES (?, ?)",
                [(code, str(label)) for code, label in enumerate(labels)],
            )
            self._insert_round(first)
            self._insert_details(first.round, details)
            self._seal(first.round)

    def read(self) -> Record:
        """Read all that the ledger holds of a run that was begun."""
        entries = self._rounds()
        return Record(
            facts=self.facts(),
            entries=entries,
            labels=self._labels(),
            fold_labels=tuple(
                self._fold_labels(fold) for fold in range(len(entries[0].folds))
            ),
            decisions=tuple(self.decisions()),
        )

    def table(self, query: str) -> pd.DataFrame:
        """What a query finds, a gap as NaN."""
        return pd.read_sql_query(query, self._connection)

    def is_sound(self) -> bool:
        """Whether the content is as it was written, and was not edited or damaged."""
        numbers = [row[0] for row in self._all("SELECT round FROM rounds ORDER BY 1")]
        digests = dict(self._all("SELECT round, digest FROM rounds"))
        return (
            len(numbers) > 0
            and not self._all("PRAGMA foreign_key_check")  # no rows of a lost round
            and self._facts_are_sound()
            and self._decisions_are_sound()
            and all(digests[number] == self._digest_of(number) for number in numbers)
        )

    def commit(
        self,
        entry: RoundEntry,
        details: RoundDetails,
        labels: AssignedLabels,
        ids: list[str],
        of_folds: tuple[RowsAndClasses, ...],
    ) -> None:
        """Write a round and its labels in one transaction.

        Parameters
        ----------
        entry : RoundEntry
        details : RoundDetails
        labels : AssignedLabels
            Labels of this round.
        ids : list of str
            Names of the labeled rows in the user's table.
        of_folds : tuple of RowsAndClasses
            For each fold, all rows that it has labeled so far.
        """
        with self._transaction():
            self._insert_round(entry)
            self._insert_details(entry.round, details)
            self._insert_labels(entry.round, labels, ids)
            for fold, (rows, classes) in enumerate(of_folds):
                self._insert_fold_labels(entry.round, fold, rows, classes)
            self._seal(entry.round)

    def forget(self, number: int) -> None:
        """Remove the last round and its labels."""
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM class_scores WHERE position IN "
                "(SELECT position FROM labels WHERE round = ?)",
                (number,),
            )
            for table in OF_ROUNDS:
                connection.execute(f"DELETE FROM {table} WHERE round = ?", (number,))

    def _rounds(self) -> list[RoundEntry]:
        folds: dict[int, list[Coefficients]] = {}
        for number, coef, intercept in self._all(
            "SELECT round, coef, intercept FROM fold_models ORDER BY round, fold"
        ):
            folds.setdefault(number, []).append(_coefficients(coef, intercept))
        rows = self._connection.execute("SELECT * FROM rounds ORDER BY round")
        names = [column[0] for column in rows.description][:-3]
        return [
            RoundEntry(
                **dict(zip(names, figures, strict=True)),
                model=_coefficients(coef, intercept),
                folds=tuple(folds.get(figures[0], ())),
            )
            for *figures, coef, intercept, _ in rows
        ]

    def _fold_labels(self, fold: int) -> FoldLabels:
        """All labels of a fold, in the order of assignment."""
        query = (
            "SELECT row, class, round FROM fold_labels WHERE fold = ? ORDER BY position"
        )
        columns = np.array(self._all(query, fold), dtype=np.intp).reshape(-1, 3)
        return columns[:, 0], columns[:, 1], columns[:, 2]

    def _labels(self) -> AssignedLabels:
        """All labels in the order of assignment."""
        rows = self._all(
            "SELECT row, round, class, influence_se, score, rank, distance FROM labels "
            "ORDER BY position"
        )
        scores = self._all(
            "SELECT influence, probability FROM class_scores ORDER BY position, class"
        )
        n_classes = self._all("SELECT count(*) FROM classes")[0][0]
        columns = np.array([row[:3] for row in rows], dtype=np.intp).reshape(-1, 3)
        figures = np.array([row[3:] for row in rows], dtype=np.float64).reshape(-1, 4)
        table = np.array(scores, dtype=np.float64).reshape(-1, n_classes, 2)
        return AssignedLabels(
            rows=columns[:, 0],
            rounds=columns[:, 1],
            classes=columns[:, 2],
            influence=table[..., 0],
            probability=table[..., 1],
            influence_se=figures[:, 0],
            scores=figures[:, 1],
            rank=figures[:, 2],
            distance=figures[:, 3],
        )

    def _insert_round(self, entry: RoundEntry) -> None:
        self._connection.execute(
            f"INSERT INTO rounds VALUES ({', '.join('?' * 16)}, NULL)",
            (
                entry.round,
                entry.n_labeled,
                entry.validation_loss,
                entry.validation_accuracy,
                entry.validation_balanced_accuracy,
                entry.canary_loss,
                entry.canary_fall,
                entry.canary_se,
                entry.canary_accuracy,
                entry.canary_balanced_accuracy,
                entry.largest_influence,
                entry.variant,
                entry.verdict,
                entry.seconds,
                *_blobs(entry.model),
            ),
        )
        self._connection.executemany(
            "INSERT INTO fold_models VALUES (?, ?, ?, ?)",
            [
                (entry.round, fold, *_blobs(coefficients))
                for fold, coefficients in enumerate(entry.folds)
            ],
        )

    def _insert_details(self, number: int, details: RoundDetails) -> None:
        """SQLite keeps NaN as NULL."""
        insert, spread = self._connection.executemany, details.spread
        losses = enumerate(details.class_losses.tolist())
        insert(
            "INSERT INTO class_losses VALUES (?, ?, ?, ?)",
            [(number, code, *pair) for code, pair in losses],
        )
        insert(
            "INSERT INTO variants VALUES (?, ?, ?)",
            [(number, *variant) for variant in details.tried.items()],
        )
        bins = (each.tolist() for each in (spread.lower, spread.upper, spread.n_rows))
        insert(
            "INSERT INTO influences VALUES (?, ?, ?, ?)",
            [(number, *each) for each in zip(*bins, strict=True)],
        )

    def _insert_labels(
        self, number: int, labels: AssignedLabels, ids: list[str]
    ) -> None:
        done = self._all("SELECT count(*) FROM labels")[0][0]
        positions = range(done, done + len(ids))
        self._connection.executemany(
            "INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            zip(
                positions,
                labels.rows.tolist(),
                ids,
                [number] * len(ids),
                labels.classes.tolist(),
                labels.influence_se.tolist(),  # SQLite keeps NaN as NULL
                labels.scores.tolist(),
                labels.rank.tolist(),
                labels.distance.tolist(),
                strict=True,
            ),
        )
        self._connection.executemany(
            "INSERT INTO class_scores VALUES (?, ?, ?, ?)",
            [
                (position, code, influence, probability)
                for position, *scores in zip(
                    positions,
                    labels.influence.tolist(),
                    labels.probability.tolist(),
                    strict=True,
                )
                for code, (influence, probability) in enumerate(
                    zip(*scores, strict=True)
                )
            ],
        )

    def _insert_fold_labels(
        self, number: int, fold: int, rows: IntArray, classes: IntArray
    ) -> None:
        """What is new among all rows that a fold has labeled so far."""
        query = "SELECT count(*) FROM fold_labels WHERE fold = ?"
        done = self._all(query, fold)[0][0]
        new = zip(rows[done:].tolist(), classes[done:].tolist(), strict=True)
        self._connection.executemany(
            "INSERT INTO fold_labels VALUES (?, ?, ?, ?, ?)",
            [
                (fold, position, row, number, code)
                for position, (row, code) in enumerate(new, start=done)
            ],
        )

    def _seal(self, number: int) -> None:
        """Write the digest of a round, after all of its rows."""
        self._connection.execute(
            "UPDATE rounds SET digest = ? WHERE round = ?",
            (self._digest_of(number), number),
        )

    def _digest_of(self, number: int) -> str:
        before = self._all("SELECT digest FROM rounds WHERE round = ?", number - 1)
        (own,) = self._all("SELECT * FROM rounds WHERE round = ?", number)
        content = [
            before,
            own[:-1],
            *(self._all(query, number) for query in ROUND_QUERIES),
        ]
        if number == 0:
            content.append(self._all("SELECT * FROM classes ORDER BY class"))
        return digest(content)


def _blobs(coefficients: Coefficients) -> tuple[bytes, bytes]:
    coef, intercept = coefficients
    return coef.astype("<f8").tobytes(), intercept.astype("<f8").tobytes()


def _coefficients(coef: bytes, intercept: bytes) -> Coefficients:
    bias = np.frombuffer(intercept, dtype="<f8").copy()
    return np.frombuffer(coef, dtype="<f8").reshape(len(bias), -1).copy(), bias
