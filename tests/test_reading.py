"""Tables without a pool; `salutary label` is tested with one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from salutary.encoding import fit_encoder
from salutary.errors import InputError
from salutary.reading import Sources, read_tables

TRAIN = pd.DataFrame(
    {
        "size": [1.0, 2.0, 4.0],
        "color": ["red", "green", "red"],
        "kind": list("bab"),
        "name": ["007", "x", "y"],
    }
)


def sources(folder: Path, validation: pd.DataFrame) -> Sources:
    TRAIN.to_csv(folder / "train.csv", index=False)
    validation.to_csv(folder / "validation.csv", index=False)
    return Sources(
        folder / "train.csv", folder / "validation.csv", None, "kind", "name"
    )


def test_without_a_pool_the_training_rows_are_named(tmp_path: Path) -> None:
    found = sources(tmp_path, TRAIN.iloc[:2].assign(name=["x", "x"]))
    assert list(found.paths()) == ["train", "validation"]
    tables = read_tables(found)
    assert tables.ids.to_pylist() == ["007", "x", "y"]
    assert tables.pool_labels is None
    assert list(tables.features) == ["train", "validation"]
    assert tables.classes.tolist() == ["a", "b"]
    assert tables.train_labels.tolist() == [1, 0, 1]
    assert tables.validation_labels.tolist() == [1, 0]


def test_without_a_pool_the_encoder_sees_the_training_table_alone(
    tmp_path: Path,
) -> None:
    far = TRAIN.iloc[:2].assign(size=[1e6, 2e6])
    found = sources(tmp_path, far)
    _, matrices = fit_encoder(read_tables(found), found, 0)
    assert list(matrices) == ["train", "validation"]
    sizes = TRAIN["size"].to_numpy()
    expected = (sizes - sizes.mean()) / sizes.std()
    np.testing.assert_allclose(matrices["train"][:, 0], expected, rtol=1e-6)


def test_without_a_pool_the_validation_table_is_still_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"validation.csv: has no column 'size'"):
        read_tables(sources(tmp_path, TRAIN.drop(columns="size")))
    with pytest.raises(InputError, match=r"validation.csv: column 'kind' has the cl"):
        read_tables(sources(tmp_path, TRAIN.assign(kind="c")))
