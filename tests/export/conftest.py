"""Two runs with labels: of plain tables, and of tables full of hostile texts."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from salutary.cli.main import main
from tests.cli.conftest import SIZES, label_arguments, mixed, write_tables
from tests.report.made import HOSTILE

TEXTS = [text for text in HOSTILE if text]
"""Of these no one is empty, which a class, an id or a name of a column cannot be."""

CLASSES = ["'=1+1", "a\\nb", "(reject the label)", *TEXTS]
"""Some look like what stands for another in an export."""


ID = "=id \x1b\u202e"
"""The column of ids of the pool of hostile texts."""


@pytest.fixture(scope="session")
def plain_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    rng = np.random.default_rng(2)
    write_tables(folder, {name: mixed(n, rng) for name, n in SIZES.items()})
    with warnings.catch_warnings():
        main([*label_arguments(folder), "--no-report", "--quiet"])
    return folder


@pytest.fixture
def run_dir(plain_folder: Path, tmp_path: Path) -> Path:
    """A finished run of mixed tables, a copy for each test; its tables stay."""
    return shutil.copytree(plain_folder / "run", tmp_path / "run")


@pytest.fixture
def pool(plain_folder: Path) -> pd.DataFrame:
    """The pool of that run."""
    return pd.read_csv(plain_folder / "pool.csv")


def hostile_table(n_each: int, seed: int) -> pd.DataFrame:
    """Rows of every class, which the numbers of two columns tell apart."""
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(len(CLASSES)), n_each)
    frame = pd.DataFrame(
        {
            "size": number + 0.1 * rng.normal(size=len(number)),
            "turn": np.cos(3 * number) + 0.1 * rng.normal(size=len(number)),
        }
    )
    for place, name in enumerate(TEXTS):
        name = name.replace("\0", "")  # pandas takes it for the end of a name
        frame[name] = [TEXTS[(place + row) % len(TEXTS)] for row in range(len(number))]
    frame["class"] = np.array(CLASSES, dtype=object)[number]
    return frame


@pytest.fixture(scope="session")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    for name, n_each, seed in (("train", 3, 0), ("val", 2, 1), ("pool", 2, 2)):
        frame = hostile_table(n_each, seed)
        if name == "pool":
            frame = frame.drop(columns="class")
            frame[ID] = [*CLASSES, *(f"{text}." for text in CLASSES)]
        frame.to_parquet(folder / f"{name}.parquet")
    words = [
        *["label", str(folder / "train.parquet"), "--target", "class", "--id", ID],
        *["--validation", str(folder / "val.parquet"), "--no-guard", "--no-report"],
        *["--pool", str(folder / "pool.parquet"), "--out", str(folder / "run")],
        *["--budget", "40", "--batch-size", "40", "--C", "1", "--quiet"],
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main(words)
    return folder


@pytest.fixture
def hostile_run(hostile_folder: Path, tmp_path: Path) -> Path:
    """A finished run of hostile texts, a copy for each test; its tables stay."""
    return shutil.copytree(hostile_folder / "run", tmp_path / "hostile")


@pytest.fixture
def hostile_pool(hostile_folder: Path) -> pd.DataFrame:
    """The pool of that run."""
    return pd.read_parquet(hostile_folder / "pool.parquet")
