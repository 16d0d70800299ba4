"""Download data sets from their publishers into a cache."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

UCI = "https://archive.ics.uci.edu/static/public"
HUGGING_FACE = "https://huggingface.co/datasets"
RETRIES = 3

MNIST_TRAINING, CIFAR10_TRAINING = 60_000, 50_000
"""Number of training rows in OpenML's tables, where they come before the test rows."""

EXACT: dict[str, Any] = {}
"""How pandas reads numbers to the last bit, as it does by itself from 3.1 on."""
if tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1):
    EXACT["float_precision"] = "round_trip"


class FetchError(Exception):
    """A data set cannot be downloaded; the message says why."""


def fetch(name: str) -> Any:
    """Download a data set, or read it from the cache.

    Parameters
    ----------
    name : str
        Name in `salutary_benchmark.data.catalog.DATA_SETS`.

    Returns
    -------
    DataFrame or dict of ndarrays
        The same content as the file in a local folder has.

    Raises
    ------
    FetchError
        If there is no network, or if a person must agree to a licence first.

    Notes
    -----
    A download is retried up to three times, and kept in the user's cache folder or the
    folder that ``SALUTARY_CACHE`` names.
    """
    if name not in _SOURCES:
        raise FetchError("its licence asks each user to get it from its authors")
    try:
        return _SOURCES[name]()
    except FetchError:
        raise
    except Exception as error:
        # The network or a damaged archive can raise anything.
        reason = " ".join(str(error).split())[:200]
        raise FetchError(
            f"cannot be downloaded ({reason}); if the network works, empty the cache "
            f"{cache()} and try again"
        ) from None


def cache() -> Path:
    """The folder that downloads are kept in."""
    kept = os.environ.get("SALUTARY_CACHE")
    return Path(kept) if kept else Path.home() / ".cache" / "salutary"


def download(url: str) -> Path:
    """Download a file, or find it in the cache."""
    try:
        import pooch
    except ImportError:
        raise FetchError(
            "cannot be downloaded without pooch; pip install 'salutary[benchmark]'"
        ) from None
    # No hash here: content is checked once it is read, whatever file it came in.
    fetcher = pooch.create(
        path=cache(),
        base_url="",
        registry={_name(url): None},
        urls={_name(url): url},
        retry_if_failed=RETRIES,
    )
    return Path(fetcher.fetch(_name(url)))


def _name(url: str) -> str:
    """A file's name in the cache, valid on every system."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", url.partition("://")[2])


def _from_zip(path: Path | BytesIO, member: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(member)


def _read_csv(content: bytes, **options: Any) -> pd.DataFrame:
    table: pd.DataFrame = pd.read_csv(BytesIO(content), **EXACT, **options)
    return table


def _bank() -> pd.DataFrame:
    outer = _from_zip(download(f"{UCI}/222/bank+marketing.zip"), "bank-additional.zip")
    table = _from_zip(BytesIO(outer), "bank-additional/bank-additional-full.csv")
    return _read_csv(table, sep=";").rename(columns={"y": "label"})


def _diabetic() -> pd.DataFrame:
    archive = download(f"{UCI}/296/diabetes+130-us+hospitals+for+years+1999-2008.zip")
    # "None" is a category of two columns, not a missing value.
    table = _read_csv(_from_zip(archive, "diabetic_data.csv"), keep_default_na=False)
    return table.rename(columns={"readmitted": "label"})


def _electric() -> pd.DataFrame:
    archive = download(f"{UCI}/471/electrical+grid+stability+simulated+data.zip")
    table = _read_csv(_from_zip(archive, "Data_for_UCI_named.csv"))
    return table.drop(columns="stab").rename(columns={"stabf": "label"})


def _wine() -> pd.DataFrame:
    archive = download(f"{UCI}/186/wine+quality.zip")
    parts = []
    for color in ("red", "white"):
        part = _read_csv(_from_zip(archive, f"winequality-{color}.csv"), sep=";")
        label = part.pop("quality")
        parts.append(part.assign(color=color, label=label))
    return pd.concat(parts, ignore_index=True)


def _openml(number: int) -> pd.DataFrame:
    """A table of OpenML; scikit-learn checks its checksum."""
    from sklearn.datasets import fetch_openml

    found = fetch_openml(
        data_id=number,
        as_frame=True,
        parser="auto",
        n_retries=RETRIES,
        data_home=str(cache()),
        # pandas 3.1 reads labels 0, 1, ... that are declared as categories as numbers,
        # which scikit-learn then refuses; undeclared, they are numbers from the start.
        read_csv_kwargs={"dtype": None, **EXACT},
    )
    table: pd.DataFrame = pd.concat([found.data, found.target.rename("label")], axis=1)
    return table


def _musk() -> pd.DataFrame:
    found = _openml(1116)
    labels = found.pop("label").astype(int)
    features = found.select_dtypes("number").drop(columns="ID", errors="ignore")
    return pd.concat([features, labels], axis=1)


def _waveform() -> pd.DataFrame:
    table = _openml(60)
    names = [f"X{number:02d}" for number in range(40)]
    return table.set_axis([*names, "label"], axis=1).astype(
        dict.fromkeys(names, "float64") | {"label": "int64"}
    )


def _mnist() -> dict[str, Any]:
    table = _openml(554)
    labels = table.pop("label").to_numpy().astype(np.uint8)
    images = table.to_numpy().astype(np.uint8).reshape(-1, 28, 28)
    return _in_parts(images, labels, MNIST_TRAINING)


def _cifar10() -> dict[str, Any]:
    table = _openml(40927)
    labels = table.pop("label").to_numpy().astype(np.uint8)
    planes = table.to_numpy().astype(np.uint8).reshape(-1, 3, 32, 32)
    images = planes.transpose(0, 2, 3, 1)
    return _in_parts(images, labels, CIFAR10_TRAINING)


def _in_parts(images: Any, labels: Any, n_training: int) -> dict[str, Any]:
    return {
        "x_train": images[:n_training],
        "y_train": labels[:n_training],
        "x_test": images[n_training:],
        "y_test": labels[n_training:],
    }


def _glue(task: str, texts: tuple[str, ...], parts: tuple[str, ...]) -> pd.DataFrame:
    tables = []
    for part in parts:
        path = download(
            f"{HUGGING_FACE}/nyu-mll/glue/resolve/main/{task}/"
            f"{part}-00000-of-00001.parquet"
        )
        tables.append(pd.read_parquet(path).assign(split=part))
    table = pd.concat(tables, ignore_index=True)
    names = dict(zip(texts, ("text", "text_b"), strict=False))
    return table.rename(columns=names)[[*names.values(), "label", "split"]]


def _ag_news() -> pd.DataFrame:
    tables = []
    for part in ("train", "test"):
        path = download(
            f"{HUGGING_FACE}/fancyzhx/ag_news/resolve/main/data/"
            f"{part}-00000-of-00001.parquet"
        )
        tables.append(pd.read_parquet(path)[["text", "label"]].assign(split=part))
    return pd.concat(tables, ignore_index=True)


def _bundled(load: str) -> pd.DataFrame:
    """A table that comes with scikit-learn."""
    from sklearn import datasets

    table: pd.DataFrame = getattr(datasets, load)(as_frame=True).frame
    return table.rename(columns={"target": "label"})


_BOTH = ("train", "validation")

_SOURCES: dict[str, Callable[[], Any]] = {
    "bank": _bank,
    "diabetic": _diabetic,
    "electric": _electric,
    "musk": _musk,
    "wine": _wine,
    "waveform": _waveform,
    "mnist": _mnist,
    "cifar10": _cifar10,
    "sst2": partial(_glue, "sst2", ("sentence",), _BOTH),
    "cola": partial(_glue, "cola", ("sentence",), _BOTH),
    "rte": partial(_glue, "rte", ("sentence1", "sentence2"), _BOTH),
    "mrpc": partial(_glue, "mrpc", ("sentence1", "sentence2"), (*_BOTH, "test")),
    "ag_news": _ag_news,
    "digits": partial(_bundled, "load_digits"),
    "breast_cancer": partial(_bundled, "load_breast_cancer"),
}
