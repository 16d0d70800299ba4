"""The SQLite schema of a ledger."""

from __future__ import annotations

LEDGER = "ledger.sqlite"
"""Name of a ledger in the directory of a run."""

APPLICATION = 0x5A1B71A0
"""SQLite's application_id, by which a ledger is recognized."""

FORMAT = 11
"""SQLite's user_version: the version of the schema below and of a run's matrices."""

SCHEMA = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE classes (class INTEGER PRIMARY KEY, label TEXT NOT NULL);
CREATE TABLE rounds (
    round INTEGER PRIMARY KEY,
    n_labeled INTEGER NOT NULL,
    validation_loss REAL NOT NULL,
    validation_accuracy REAL NOT NULL,
    validation_balanced_accuracy REAL NOT NULL,
    canary_loss REAL,
    canary_fall REAL,
    canary_se REAL,
    canary_accuracy REAL,
    canary_balanced_accuracy REAL,
    largest_influence REAL,
    variant TEXT,
    verdict TEXT NOT NULL,
    seconds REAL NOT NULL,
    coef BLOB NOT NULL,
    intercept BLOB NOT NULL,
    digest TEXT
);
CREATE TABLE class_losses (
    round INTEGER NOT NULL REFERENCES rounds,
    class INTEGER NOT NULL REFERENCES classes,
    validation_loss REAL,
    canary_loss REAL,
    PRIMARY KEY (round, class)
);
CREATE TABLE variants (
    round INTEGER NOT NULL REFERENCES rounds,
    variant TEXT NOT NULL,
    canary_loss REAL,
    PRIMARY KEY (round, variant)
);
CREATE TABLE influences (
    round INTEGER NOT NULL REFERENCES rounds,
    lower REAL NOT NULL,
    upper REAL NOT NULL,
    n_rows INTEGER NOT NULL,
    PRIMARY KEY (round, lower)
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
    influence_se REAL,
    score REAL NOT NULL,
    rank INTEGER NOT NULL,
    distance REAL
);
CREATE TABLE class_scores (
    position INTEGER NOT NULL REFERENCES labels,
    class INTEGER NOT NULL REFERENCES classes,
    influence REAL NOT NULL,
    probability REAL NOT NULL,
    PRIMARY KEY (position, class)
);
CREATE TABLE decisions (
    position INTEGER PRIMARY KEY,
    row INTEGER NOT NULL,
    id TEXT NOT NULL,
    decision TEXT NOT NULL,
    label TEXT,
    source TEXT NOT NULL,
    time TEXT NOT NULL,
    digest TEXT NOT NULL,
    UNIQUE (row, position)
);
CREATE VIEW assigned AS
    SELECT labels.position, labels.row, labels.id, labels.round, classes.label,
           class_scores.influence, labels.influence_se, class_scores.probability
    FROM labels JOIN classes USING (class) JOIN class_scores USING (position, class)
    WHERE labels.round <= (SELECT max(round) FROM rounds WHERE verdict = 'kept')
    ORDER BY labels.position;
CREATE VIEW rounds_shown AS
    SELECT round, n_labeled, validation_loss, validation_accuracy,
           validation_balanced_accuracy, canary_loss, canary_fall, canary_se,
           canary_accuracy, canary_balanced_accuracy, largest_influence, variant,
           verdict,
           round > (SELECT max(round) FROM rounds WHERE verdict = 'kept') AS undone,
           seconds
    FROM rounds ORDER BY round;
CREATE VIEW labels_shown AS
    SELECT labels.position, labels.row, labels.id, labels.round, classes.label,
           labels.round > (SELECT max(round) FROM rounds WHERE verdict = 'kept')
               AS undone,
           own.influence, labels.influence_se, own.probability,
           labels.score, labels.rank, labels.distance,
           (SELECT named.label FROM class_scores AS other JOIN classes AS named
               USING (class) WHERE other.position = labels.position
               ORDER BY other.probability DESC, other.class LIMIT 1) AS guess,
           (SELECT max(other.probability) FROM class_scores AS other
               WHERE other.position = labels.position) AS guess_probability,
           (SELECT named.label FROM class_scores AS other JOIN classes AS named
               USING (class)
               WHERE other.position = labels.position AND other.class != labels.class
               ORDER BY other.influence DESC, other.class LIMIT 1) AS runner_up,
           (SELECT max(other.influence) FROM class_scores AS other
               WHERE other.position = labels.position AND other.class != labels.class)
               AS runner_up_influence
    FROM labels JOIN classes USING (class)
    JOIN class_scores AS own USING (position, class)
    ORDER BY labels.position;
"""

OF_ROUNDS = (
    *("labels", "fold_labels", "fold_models", "influences", "variants"),
    *("class_losses", "rounds"),
)
"""Tables with a column ``round``; those that others refer to come last."""

ROUND_QUERIES = (
    "SELECT * FROM class_losses WHERE round = ? ORDER BY class",
    "SELECT * FROM variants WHERE round = ? ORDER BY rowid",
    "SELECT * FROM influences WHERE round = ? ORDER BY lower",
    "SELECT * FROM fold_models WHERE round = ? ORDER BY fold",
    "SELECT * FROM fold_labels WHERE round = ? ORDER BY fold, position",
    "SELECT * FROM labels WHERE round = ? ORDER BY position",
    "SELECT class_scores.* FROM class_scores JOIN labels USING (position) "
    "WHERE round = ? ORDER BY position, class_scores.class",
)
"""Queries of a round's content for its digest.

The digest also covers the round's own row, and the digest of the round before.
"""
