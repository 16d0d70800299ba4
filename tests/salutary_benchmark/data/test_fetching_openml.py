"""Fetching from OpenML, or a server that answers as it does."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from salutary_benchmark.data import fetching
from salutary_benchmark.data.catalog import DATA_SETS
from salutary_benchmark.data.fetching import FetchError, fetch
from salutary_benchmark.data.loading import content_sha256, load

PARTS = ("x_train", "y_train", "x_test", "y_test")


def publish(publisher: Any, number: int, table: pd.DataFrame) -> None:
    """Publish a table as OpenML does: what it is, its columns, and an ARFF file.

    The last column is the target; columns of text are nominal, all others numeric.
    """
    kinds = {
        name: "numeric" if table[name].dtype.kind in "iuf" else "nominal"
        for name in table
    }
    attributes = "".join(
        f"@ATTRIBUTE {name} {arff_type(table[name], kind)}\n"
        for name, kind in kinds.items()
    )
    arff = f"@RELATION some\n\n{attributes}\n@DATA\n" + table.to_csv(
        header=False, index=False
    )
    content = arff.encode()
    features = [
        {
            "index": str(index),
            "name": name,
            "data_type": kind,
            "is_target": str(index == len(kinds) - 1).lower(),
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        for index, (name, kind) in enumerate(kinds.items())
    ]
    described = {
        "id": str(number),
        "name": "some",
        "version": "1",
        "description": "",
        "format": "ARFF",
        "status": "active",
        "url": f"{publisher.address}/data/v1/download/{number}/some.arff",
        "md5_checksum": hashlib.md5(content).hexdigest(),
    }
    rows = {"name": "NumberOfInstances", "value": str(float(len(table)))}
    root = "/api/v1/json/data"
    publisher.files |= {
        f"{root}/{number}": as_json({"data_set_description": described}),
        f"{root}/features/{number}": as_json({"data_features": {"feature": features}}),
        f"{root}/qualities/{number}": as_json({"data_qualities": {"quality": [rows]}}),
        f"/data/v1/download/{number}/some.arff": content,
    }


def arff_type(column: pd.Series, kind: str) -> str:
    return "REAL" if kind == "numeric" else f"{{{','.join(sorted(set(column)))}}}"


def as_json(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()


def musk_table(features: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    """With the columns of names and of numbers that OpenML has before the features."""
    before = pd.DataFrame(
        {
            "ID": np.arange(1, len(labels) + 1),
            "molecule_name": np.where(labels == 1, "MUSK-211", "NON-MUSK-j146"),
            "conformation_name": [f"211_1+{number}" for number in range(len(labels))],
        }
    )
    return before.join(features).assign(**{"class": labels.astype(str)})


def image_table(images: np.ndarray, labels: list[int], first: str) -> pd.DataFrame:
    start = int(first[-1])
    names = [f"{first[:-1]}{start + number}" for number in range(images[0].size)]
    table = pd.DataFrame(images.reshape(len(images), -1), columns=names)
    return table.assign(**{"class": [str(label) for label in labels]})


def test_musk_is_fetched_without_its_names(publisher: Any) -> None:
    features = pd.DataFrame({"f1": [42, -7, 46], "f2": [-198, 191, 0]})
    publish(publisher, 1116, musk_table(features, pd.Series([1, 0, 1])))
    expected = features.assign(label=[1, 0, 1])
    pd.testing.assert_frame_equal(fetch("musk"), expected, check_dtype=False)


def test_waveform_is_fetched_with_the_names_of_the_folder(publisher: Any) -> None:
    values = np.random.default_rng(0).normal(size=(4, 40)).round(2)
    published = pd.DataFrame(values, columns=[f"x{n}" for n in range(1, 41)])
    publish(publisher, 60, published.assign(**{"class": list("2102")}))
    found = fetch("waveform")
    assert list(found) == [*(f"X{number:02d}" for number in range(40)), "label"]
    np.testing.assert_array_equal(found.drop(columns="label"), values)
    assert found["label"].tolist() == [2, 1, 0, 2]


def test_mnist_is_fetched_in_its_two_parts(
    publisher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MNIST_TRAINING", 3)
    images = np.random.default_rng(0).integers(256, size=(5, 28, 28))
    publish(publisher, 554, image_table(images, [5, 0, 4, 1, 9], "pixel1"))
    found = fetch("mnist")
    assert {array.dtype for array in found.values()} == {np.dtype(np.uint8)}
    np.testing.assert_array_equal(found["x_train"], images[:3])
    np.testing.assert_array_equal(found["x_test"], images[3:])
    assert found["y_train"].tolist() == [5, 0, 4]
    assert found["y_test"].tolist() == [1, 9]


@pytest.mark.slow
def test_cifar_is_fetched_in_its_two_parts_with_colors_last(
    publisher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "CIFAR10_TRAINING", 3)
    red, green, blue = np.random.default_rng(0).integers(256, size=(3, 4, 32, 32))
    # As published: all of a row's red pixels, then its green ones, then its blue ones.
    planes = np.concatenate(
        [color.reshape(4, -1) for color in (red, green, blue)], axis=1
    )
    publish(publisher, 40927, image_table(planes, [6, 9, 0, 3], "a0"))
    found = fetch("cifar10")
    assert found["x_train"].shape == (3, 32, 32, 3)
    whole = np.concatenate([found["x_train"], found["x_test"]])
    assert whole.dtype == np.uint8
    for position, color in enumerate((red, green, blue)):
        np.testing.assert_array_equal(whole[..., position], color)
    assert [*found["y_train"], *found["y_test"]] == [6, 9, 0, 3]


def test_a_second_fetch_reads_the_cache(publisher: Any) -> None:
    values = np.ones((2, 40))
    publish(publisher, 60, pd.DataFrame(values).add_prefix("x").assign(y=list("01")))
    first = fetch("waveform")
    publisher.files.clear()
    pd.testing.assert_frame_equal(fetch("waveform"), first)
    assert len(publisher.asked) == 4


def test_a_file_that_is_not_the_one_described_is_not_taken(publisher: Any) -> None:
    table = pd.DataFrame(np.ones((2, 40))).add_prefix("x").assign(y=list("01"))
    publish(publisher, 60, table)
    path = "/data/v1/download/60/some.arff"
    publisher.files[path] = publisher.files[path].replace(b"1.0", b"2.0", 1)
    with (
        pytest.warns(RuntimeWarning, match="redownloading"),
        pytest.raises(FetchError, match="md5 checksum") as told,
    ):
        fetch("waveform")
    assert "\n" not in str(told.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["musk", "waveform"])
def test_what_is_fetched_is_what_the_folder_has(
    name: str, publisher: Any, data_folder: Path
) -> None:
    data = DATA_SETS[name]
    local = pd.read_parquet(data_folder / data.file)
    labels = local.pop("label")
    if name == "musk":
        publish(publisher, 1116, musk_table(local, labels))
    else:
        published = local.set_axis([f"x{n}" for n in range(1, 41)], axis=1)
        publish(publisher, 60, published.assign(**{"class": labels.astype(str)}))
    assert content_sha256(fetch(name)) == data.fingerprint
    fetched, expected = load(data, None), load(data, data_folder)
    pd.testing.assert_frame_equal(fetched.X, expected.X, check_dtype=False)
    np.testing.assert_array_equal(fetched.y, expected.y)


def test_fetched_digits_are_what_the_folder_has(
    publisher: Any, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with np.load(data_folder / DATA_SETS["mnist"].file) as arrays:
        some = {name: arrays[name][:40] for name in PARTS}
    monkeypatch.setattr(fetching, "MNIST_TRAINING", 40)
    images = np.concatenate([some["x_train"], some["x_test"]])
    labels = [*some["y_train"], *some["y_test"]]
    publish(publisher, 554, image_table(images, labels, "pixel1"))
    assert content_sha256(fetch("mnist")) == content_sha256(some)
