"""Random command lines; everything of one follows from its number."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.hostile.spoils import SPOILS
from tests.hostile.tables import FORMATS, KINDS, ROWS, random_tables
from tests.hostile.trials import Ready, Trial
from tests.words import once


def trial(number: int, ready: Ready, command: str) -> Trial:
    """The trial of a number, of a command."""
    rng = np.random.default_rng(number)
    tables = random_tables(rng, [*KINDS])
    if command == "finetune":
        _add_texts(tables, rng)
    made = Trial([], tables, {name: str(rng.choice(FORMATS)) for name in tables})
    used = [role for role in ROWS if role != "pool" or command != "relabel"]
    for _ in range(int(rng.choice([0, 1, 1, 1, 2, 3]))):
        role = str(rng.choice(list(ROWS)))
        if len(made.tables[role].columns):
            must = SPOILS[rng.integers(len(SPOILS))](made, role, rng)
            if command == "finetune":  # which looks at some of the columns only
                must = [None]
            if role in used:
                made.must += must
    if _may_not_go_together(made):
        made.must.append(None)
    made.words = _words(made, command, rng, ready)
    made.has_many_rows = number % 3 == 0
    return made


def _may_not_go_together(made: Trial) -> bool:
    """Whether a run may be refused though nothing is wrong with any table.

    Only Parquet knows durations and categories; and some feature must have a value.
    """
    features = made.tables["train"].drop(columns="label", errors="ignore")
    of_parquet = [
        name
        for name, values in features.items()
        if isinstance(values.dtype, pd.CategoricalDtype) or values.dtype.kind == "m"
    ]
    mixed = "parquet" in made.formats.values() and len({*made.formats.values()}) > 1
    return bool(of_parquet and mixed) or bool(features.isna().all(axis=None))


def _add_texts(tables: dict[str, pd.DataFrame], rng: np.random.Generator) -> None:
    for role, frame in tables.items():
        words = rng.choice(list("abcdefgh"), (len(frame), 4))
        tables[role] = frame.assign(review=[" ".join(row) for row in words])


OPTIONS = [
    *["--budget=-1", "--budget=0", "--budget=1", "--budget=99999999999999999999"],
    *["--batch-size=0", "--batch-size=3", "--C=nan", "--C=-1", "--C=1e-300", "--C=1e9"],
    *[
        "--rule=nonsense",
        "--rule=paper",
        "--seed=-1",
        "--seed=7",
        "--id=id",
        "--id=none",
    ],
    *["--no-guard", "--resume", "--out=train.csv", "--out=a/b/c", "--out=.", "--out="],
    *[
        "--out=\x1b[31m",
        "--target=none",
        "--target=id",
        "--target=",
        "--json",
        "--what",
    ],
    *["--objective=balanced", "--objective=worst_group", "--group=e v", "--help"],
    *["--min-influence-z=2", "--min-influence-z=nan", "--C=1", "--out=~"],
]

FINE_TUNING = [
    *["--text-column", "review", "--pooling", "last", "--device", "cpu"],
    *["--epochs", "1", "--rank", "2", "--learning-rate", "0.05"],
]


def _words(
    made: Trial, command: str, rng: np.random.Generator, ready: Ready
) -> list[str]:
    train, val, pool = (f"{role}.{made.formats[role]}" for role in ROWS)
    if command == "predict":
        words = ["predict", ready.run, str(rng.choice([train, val, pool]))]
        words += ["--out", str(rng.choice(["p.csv", "p.parquet", "p.jsonl", "p.txt"]))]
        made.must.append(None)  # of another run, whose columns these tables may lack
    else:
        words = [command, train, "--validation", val, "--target", "label"]
        words += ["--budget", "6", "--batch-size", "3"]
        if command != "relabel":
            words += ["--pool", pool]
        if command == "advise":
            words += ["--splits", "2", "--repeats", "1"]
        else:
            words += ["--out", "run"]
        if command != "relabel":
            words += ["--id", "id"]
        if command == "finetune":
            words += [*FINE_TUNING, "--model", ready.model]
    if rng.random() < 0.3:
        words += [str(rng.choice(OPTIONS))]
        made.must.append(None)
    return once(words)
