"""The SQLite schema of a ledger."""

from __future__ import annotations

APPLICATION = 0x5A1B71A0
"""SQLite's application_id, by which a ledger is recognized."""

FORMAT = 6
"""SQLite's user_version: the version of the schema below and of a run's matrices."""

SCHEMA = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE classes (class INTEGER PRIMARY KEY, label TEXT NOT NULL);
CREATE TABLE rounds (
    round INTEGER PRIMARY KEY,
    n_labeled INTEGER NOT NULL,
    validation_loss REAL NOT NULL,
    canary_loss REAL,
    canary_fall REAL,
    canary_se REAL,
    largest_influence REAL,
    variant TEXT,
    verdict TEXT NOT NULL,
    seconds REAL NOT NULL,
    coef BLOB NOT NULL,
    intercept BLOB NOT NULL,
    digest TEXT
);
CREATE TABLE fold_models (
    round INTEGER NOT NULL REFERENCES rounds,
    fold INTEGER NOT NULL,
    coef BLOB NOT NULL,
    intercept BLOB NOT NULL,
    PRIMARY KEY (round, fold)
);
CREATE TABLE fold_labels (
    fold INTEGER NOT NULL,
    position INTEGER NOT NULL,
    row INTEGER NOT NULL,
    round INTEGER NOT NULL REFERENCES rounds,
    class INTEGER NOT NULL REFERENCES classes,
    PRIMARY KEY (fold, position)
);
CREATE TABLE labels (
    position INTEGER PRIMARY KEY,
    row INTEGER NOT NULL UNIQUE,
    id TEXT NOT NULL,
    round INTEGER NOT NULL REFERENCES rounds,
    class INTEGER NOT NULL REFERENCES classes,
    influence_se REAL
);
CREATE TABLE class_scores (
    position INTEGER NOT NULL REFERENCES labels,
    class INTEGER NOT NULL REFERENCES classes,
    influence REAL NOT NULL,
    probability REAL NOT NULL,
    PRIMARY KEY (position, class)
);
CREATE VIEW assigned AS
    SELECT labels.position, labels.row, labels.id, labels.round, classes.label,
           class_scores.influence, labels.influence_se, class_scores.probability
    FROM labels JOIN classes USING (class) JOIN class_scores USING (position, class)
    WHERE labels.round <= (SELECT max(round) FROM rounds WHERE verdict = 'kept')
    ORDER BY labels.position;
"""

ROUND_QUERIES = (
    "SELECT * FROM fold_models WHERE round = ? ORDER BY fold",
    "SELECT * FROM fold_labels WHERE round = ? ORDER BY fold, position",
    "SELECT * FROM labels WHERE round = ? ORDER BY position",
    "SELECT class_scores.* FROM class_scores JOIN labels USING (position) "
    "WHERE round = ? ORDER BY position, class_scores.class",
)
"""Queries of a round's content for its digest.

The digest also covers the round's own row, and the digest of the round before.
"""
