"""The ledger of ``salutary advise --out``: one transaction for each fold."""

from __future__ import annotations

from typing import Any

import numpy as np

from salutary.advice.cross_fitting import FoldResult, FoldResults
from salutary.ledgers.schema import FORMAT
from salutary.ledgers.sealed import SealedFile, digest


class AdviceLedger(SealedFile):
    """The open SQLite file of a comparison; see `SealedFile`.

    It is a `salutary.advice.cross_fitting.KnownFolds`.
    """

    APPLICATION = 0x5A1B71A1
    FORMAT = FORMAT
    SCHEMA = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE fits (
    fold INTEGER NOT NULL,
    position INTEGER NOT NULL,
    option TEXT NOT NULL,
    logits BLOB NOT NULL,
    n_rows INTEGER NOT NULL,
    C REAL NOT NULL,
    validation_weight REAL NOT NULL,
    n_labels INTEGER NOT NULL,
    loss REAL NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (fold, position)
);
"""

    def begin(self, facts: dict[str, Any]) -> None:
        """Write the schema and the facts, in one transaction."""
        with self._transaction():
            self._begin(facts)

    def is_sound(self) -> bool:
        """Whether the content is as it was written, and was not edited or damaged."""
        fits = self._all("SELECT * FROM fits")
        return self._facts_are_sound() and all(
            digest(list(content)) == written for *content, written in fits
        )

    def __contains__(self, number: object) -> bool:
        return bool(self._all("SELECT 1 FROM fits WHERE fold = ? LIMIT 1", number))

    def __getitem__(self, number: int) -> FoldResults:
        rows = self._all(
            "SELECT option, logits, n_rows, C, validation_weight, n_labels, loss "
            "FROM fits WHERE fold = ? ORDER BY position",
            number,
        )
        return {
            option: FoldResult(
                np.frombuffer(logits, dtype="<f8").reshape(n_rows, -1), *tuned
            )
            for option, logits, n_rows, *tuned in rows
        }

    def __setitem__(self, number: int, results: FoldResults) -> None:
        with self._transaction() as connection:
            for position, (option, found) in enumerate(results.items()):
                content = [
                    *(number, position, option),
                    np.ascontiguousarray(found.logits, dtype="<f8").tobytes(),
                    *(len(found.logits), float(found.C)),
                    *(float(found.validation_weight), found.n_labels, found.loss),
                ]
                marks = ", ".join("?" * (len(content) + 1))
                connection.execute(
                    f"INSERT INTO fits VALUES ({marks})", (*content, digest(content))
                )
