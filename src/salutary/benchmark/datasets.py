"""The benchmark's data sets: what each is, where it is read from, what becomes of it.

Each is read from a local folder or fetched (`salutary.benchmark.fetching`). Either way
the content must have the fingerprint written here, so that a truncated, edited or
reordered file is found out before it is computed on.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from salutary.benchmark.fetching import FetchError, fetch
from salutary.errors import InputError

FOLDER_VARIABLE = "SALUTARY_DATA"
"""Environment variable with the folder of the data sets, for want of ``--data``."""

Kind = Literal["table", "images", "text"]


@dataclass(frozen=True)
class DataSet:
    """A data set and what a reader of its results must know.

    Parameters
    ----------
    name : str
        What it goes by on the command line.
    title, source, licence : str
    kind : {"table", "images", "text"}
        Decides the encoding, see `salutary.benchmark.encoders`.
    file : str
        Its name in the folder: Parquet with a column ``label``, or for images an .npz
        with ``x_train``, ``y_train``, ``x_test`` and ``y_test``. Empty for what comes
        with scikit-learn.
    rows, features, classes : int
        After preprocessing, before encoding.
    preprocessing, caution : str
        What is done to the raw rows, and what leaks or misleads.
    fingerprint : str
        Of the raw content, as `fingerprint` takes it.
    prepare : callable
        Raw content to features and labels.
    """

    name: str
    title: str
    kind: Kind
    file: str
    rows: int
    features: int
    classes: int
    source: str
    licence: str
    preprocessing: str
    caution: str
    fingerprint: str
    prepare: Callable[[Any], tuple[Any, Any]]


@dataclass(frozen=True)
class Rows:
    """Features and classes of a data set, in the order of the source.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,), dtype intp
        Position among the sorted classes.
    fingerprint : str
        Of the content they were made of.
    """

    X: Any
    y: NDArray[np.intp]
    fingerprint: str


def _labeled(frame: pd.DataFrame, drop: list[str]) -> tuple[pd.DataFrame, pd.Series]:
    return frame.drop(columns=["label", *drop]), frame["label"]


def _bank(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    complete = frame[(frame != "unknown").all(axis=1)]
    return _labeled(complete, ["duration"])


def _diabetic(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    codes = ["admission_type_id", "discharge_disposition_id", "admission_source_id"]
    frame = frame.astype(dict.fromkeys(codes, "str"))
    return _labeled(frame, ["encounter_id", "patient_nbr"])


def _plain(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    return _labeled(frame, [])


def _wine(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    return _labeled(frame[frame["label"] < 9], ["color"])


def _text(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    columns = [column for column in ("text", "text_b") if column in frame]
    return frame[columns], frame["label"]


def _pixels(arrays: dict[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    images = np.concatenate([arrays["x_train"], arrays["x_test"]])
    labels = np.concatenate([arrays["y_train"], arrays["y_test"]])
    return images.reshape(len(images), -1), labels


_MINIMAL = "none besides the encoding"

_CATALOG = (
    DataSet(
        name="bank",
        title="Bank Marketing",
        kind="table",
        file="bank_marketing.parquet",
        rows=30_488,
        features=19,
        classes=2,
        source="UCI 222, bank-additional-full",
        licence="CC BY 4.0",
        preprocessing="rows with any 'unknown' dropped; `duration` dropped",
        caution="`duration` is known only after the call and leaks the label",
        fingerprint="aef5d881b08e5b23777a351cb42e7932ace1cf23b2d40373c74a0699b8984462",
        prepare=_bank,
    ),
    DataSet(
        name="diabetic",
        title="Diabetes 130-US hospitals",
        kind="table",
        file="diabetes130.parquet",
        rows=101_766,
        features=47,
        classes=3,
        source="UCI 296",
        licence="CC BY 4.0",
        preprocessing="`encounter_id` and `patient_nbr` dropped; three columns of "
        "codes read as categories; '?' is a category of its own",
        caution="71,518 patients: rows of one patient fall on both sides of a split",
        fingerprint="c639c4edb234df88832f03a8318344b65aadd21ace4bbf0f253c3300f79be1d6",
        prepare=_diabetic,
    ),
    DataSet(
        name="electric",
        title="Electrical Grid Stability",
        kind="table",
        file="grid_stability.parquet",
        rows=10_000,
        features=12,
        classes=2,
        source="UCI 471",
        licence="CC BY 4.0",
        preprocessing="the continuous target `stab`, whose sign is the label, dropped",
        caution="p1 is minus the sum of p2, p3 and p4",
        fingerprint="62a0724de089a07d66a3966038ac91e5bcb37c53eab5fd60630bc3517da9abad",
        prepare=_plain,
    ),
    DataSet(
        name="celeba",
        title="CelebA attributes, Smiling",
        kind="table",
        file="celeba_attributes.parquet",
        rows=202_599,
        features=39,
        classes=2,
        source="list_attr_celeba.txt of the CelebA authors",
        licence="non-commercial research; not to be passed on",
        preprocessing=_MINIMAL,
        caution="many identical rows; `Mouth_Slightly_Open` all but tells the label",
        fingerprint="a955e49ba042dcb8175f892f32cc59453cb174aa68652b3b2a278e1ad0c4654e",
        prepare=_plain,
    ),
    DataSet(
        name="musk",
        title="Musk, version 2",
        kind="table",
        file="musk_v2.parquet",
        rows=6_598,
        features=166,
        classes=2,
        source="UCI 75",
        licence="CC BY 4.0",
        preprocessing="the two columns of names dropped",
        caution="shapes of one molecule of 102 share a label: random splits flatter",
        fingerprint="3ae645891055201b4e54989c4e1a94da27c20f433a6519e70b85571d85f96d52",
        prepare=_plain,
    ),
    DataSet(
        name="wine",
        title="Wine Quality, red and white",
        kind="table",
        file="wine_quality.parquet",
        rows=6_492,
        features=11,
        classes=6,
        source="UCI 186",
        licence="CC BY 4.0",
        preprocessing="`color` dropped; the five rows of quality 9 dropped, which "
        "cannot be in every part of a split",
        caution="1,177 duplicate rows; the classes are ordered, which no model uses",
        fingerprint="4df1cc7814b9d32a73c25db3f2cd4b1322cc6dacfde6921a4d7b22b40daa1bbd",
        prepare=_wine,
    ),
    DataSet(
        name="waveform",
        title="Waveform, version 2 (21 signals, 19 of noise)",
        kind="table",
        file="waveform_40.parquet",
        rows=5_000,
        features=40,
        classes=3,
        source="UCI 108",
        licence="CC BY 4.0",
        preprocessing=_MINIMAL,
        caution="synthetic; the best accuracy there can be is .86",
        fingerprint="48864005161e2c2d7f6d4bfaf94c8b86c81afd0e612a777d5d5a3b94ee1966ec",
        prepare=_plain,
    ),
    DataSet(
        name="mnist",
        title="MNIST",
        kind="images",
        file="mnist.npz",
        rows=70_000,
        features=784,
        classes=10,
        source="OpenML 554",
        licence="CC BY-SA 3.0",
        preprocessing="its two parts pooled",
        caution="the official test rows are not kept apart",
        fingerprint="06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16",
        prepare=_pixels,
    ),
    DataSet(
        name="cifar10",
        title="CIFAR-10, 12,000 images",
        kind="images",
        file="cifar10_subset.npz",
        rows=12_000,
        features=3_072,
        classes=10,
        source="Krizhevsky 2009; a stratified subset decoded from JPEG",
        licence="none stated; research use",
        preprocessing="its two parts pooled",
        caution="a linear model of pixels is far from what is reached on it; the copy "
        "is lossy",
        fingerprint="655626b282a5dc4edfac87c754d0d5a00297650f989150fa27448706acf48e9a",
        prepare=_pixels,
    ),
    DataSet(
        name="sst2",
        title="SST-2 (GLUE)",
        kind="text",
        file="sst2.parquet",
        rows=68_221,
        features=1,
        classes=2,
        source="Hugging Face nyu-mll/glue, sst2",
        licence="none stated",
        preprocessing="training and validation parts pooled",
        caution="training rows are phrases of the same sentences",
        fingerprint="885585940ca7e3717b6937b101ad5da6e89f304a0a295282bcc380ab544e890b",
        prepare=_text,
    ),
    DataSet(
        name="mrpc",
        title="Microsoft Research Paraphrase Corpus",
        kind="text",
        file="mrpc.parquet",
        rows=5_801,
        features=2,
        classes=2,
        source="Hugging Face nyu-mll/glue, mrpc",
        licence="Microsoft Research licence, research use",
        preprocessing="all parts pooled",
        caution="bags of words hardly tell paraphrases",
        fingerprint="b7b5e244ab38eeaaa11827e1f5c7840a49ff1783c29d7d18fbd712e86f951ac3",
        prepare=_text,
    ),
    DataSet(
        name="rte",
        title="Recognizing Textual Entailment (GLUE)",
        kind="text",
        file="rte.parquet",
        rows=2_767,
        features=2,
        classes=2,
        source="Hugging Face nyu-mll/glue, rte",
        licence="none stated",
        preprocessing="training and validation parts pooled",
        caution="bags of words are at chance",
        fingerprint="1c40fbba54f074d30704f1ae82e3ed4523d0692228092c25839d34da0297ba4c",
        prepare=_text,
    ),
    DataSet(
        name="cola",
        title="Corpus of Linguistic Acceptability (GLUE)",
        kind="text",
        file="cola.parquet",
        rows=9_594,
        features=1,
        classes=2,
        source="Hugging Face nyu-mll/glue, cola",
        licence="research use",
        preprocessing="training and validation parts pooled; `domain` dropped",
        caution="16 validation sentences recur in the training part",
        fingerprint="376da65dc9e1f3cbb561512dd6e93f46a659ed70f8e5871fbe6795bc0e1a0370",
        prepare=_text,
    ),
    DataSet(
        name="ag_news",
        title="AG News",
        kind="text",
        file="ag_news.parquet",
        rows=27_116,
        features=1,
        classes=4,
        source="Hugging Face fancyzhx/ag_news",
        licence="non-commercial research",
        preprocessing="all parts pooled; the copy holds part of the training rows",
        caution="the local copy's training part is not a random sample",
        fingerprint="d2592665a8a2744950876e1f1a0cb0ed9676d83026f86140431fe0ca26936a63",
        prepare=_text,
    ),
    DataSet(
        name="digits",
        title="Handwritten digits",
        kind="table",
        file="",
        rows=1_797,
        features=64,
        classes=10,
        source="scikit-learn, load_digits",
        licence="CC BY 4.0",
        preprocessing=_MINIMAL,
        caution="the same writers are on both sides of a split",
        fingerprint="54359bf16e846300319adfd2612f68bcf80a4b82fd589682c224291d30fc0679",
        prepare=_plain,
    ),
    DataSet(
        name="breast_cancer",
        title="Breast Cancer Wisconsin, diagnostic",
        kind="table",
        file="",
        rows=569,
        features=30,
        classes=2,
        source="scikit-learn, load_breast_cancer",
        licence="CC BY 4.0",
        preprocessing=_MINIMAL,
        caution="small: single splits tell little",
        fingerprint="8ab17515b21ec60cde681f8065caad3400b2026aa13ca28b53e9e5d20df32a6e",
        prepare=_plain,
    ),
)

DATA_SETS: dict[str, DataSet] = {data.name: data for data in _CATALOG}

NINE = ("bank", "diabetic", "electric", "celeba", "musk", "wine", "waveform", "mnist",
        "cifar10")  # fmt: skip
"""The data sets of the paper's table."""


def find_data_set(name: str) -> DataSet:
    """The data set of a name, or an `InputError` that lists the names."""
    if name not in DATA_SETS:
        raise InputError(
            f"no data set is called {name!r}; there are {', '.join(DATA_SETS)}"
        )
    return DATA_SETS[name]


def data_folder(given: Path | None) -> Path | None:
    """The folder to read from: as given, or of the environment, or none (fetch)."""
    named = os.environ.get(FOLDER_VARIABLE)
    folder = given if given is not None else Path(named) if named else None
    if folder is not None and not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; pass the folder of the data sets as --data or "
            f"in {FOLDER_VARIABLE}, or neither to fetch them"
        )
    return folder


def load(data: DataSet, folder: Path | None) -> Rows:
    """Read or fetch a data set, check and prepare it.

    Parameters
    ----------
    data : DataSet
    folder : Path or None
        None fetches the data set, or reads what was fetched before.

    Returns
    -------
    Rows

    Raises
    ------
    InputError
        If it is missing, damaged, or the folder's is not the one of the catalog.

    Warns
    -----
    UserWarning
        If what was fetched is not the one of the catalog: published copies change.
    """
    raw, found, where = _read(data, folder)
    if found != data.fingerprint:
        told = f"{where}: is not the copy of {data.title} that results were made on"
        if folder is not None and data.file:
            raise InputError(f"{told}; restore the file from {data.source}")
        warnings.warn(f"{told}, so figures will differ", UserWarning, stacklevel=2)
    try:
        X, labels = data.prepare(raw)
    except KeyError as error:
        raise InputError(f"{where}: has no column {error}; it has changed") from None
    y = np.unique(labels, return_inverse=True)[1].astype(np.intp)
    return Rows(X, y, found)


def _read(data: DataSet, folder: Path | None) -> tuple[Any, str, str]:
    """The raw content, its fingerprint, and where it came from."""
    if folder is None or not data.file:
        try:
            raw = fetch(data.name)
            return raw, fingerprint(raw), data.source
        except FetchError as error:
            raise InputError(
                f"{data.name}: {error}; put {data.file} in a folder and pass it as "
                f"--data or in {FOLDER_VARIABLE}"
            ) from None
    path = folder / data.file
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; put {data.title} ({data.source}) there, or pass no "
            "--data to fetch it"
        )
    try:
        raw = pd.read_parquet(path) if path.suffix == ".parquet" else _arrays(path)
        return raw, fingerprint(raw), str(path)
    except PermissionError:
        raise InputError(f"{path}: cannot be read; mend its permissions") from None
    except Exception:
        # A damaged file can fail in any way.
        raise InputError(
            f"{path}: is damaged or cut short; restore it from {data.source}"
        ) from None


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


_BOOKKEEPING = ["split", "domain"]


def fingerprint(raw: pd.DataFrame | dict[str, NDArray[Any]]) -> str:
    """SHA-256 of a table's or of arrays' content, whatever file held it.

    Numbers count as float64 and all else as text, so that the same rows have the same
    fingerprint from CSV, ARFF and Parquet. Columns that say which part of a text corpus
    a row was in count for nothing.

    Examples
    --------
    >>> import pandas as pd
    >>> whole = pd.DataFrame({"a": [1, 2], "label": ["x", "y"]})
    >>> fingerprint(whole) == fingerprint(whole.astype({"a": float}))
    True
    >>> fingerprint(whole) == fingerprint(whole[::-1])
    False
    """
    digest = hashlib.sha256()
    if isinstance(raw, dict):
        for name in ("x_train", "y_train", "x_test", "y_test"):
            if name not in raw:
                return f"no array {name}"
            digest.update(np.ascontiguousarray(raw[name]).tobytes())
        return digest.hexdigest()
    for name in raw.columns.drop(_BOOKKEEPING, errors="ignore"):
        column = raw[name]
        numeric = pd.api.types.is_numeric_dtype(column)
        column = column.astype(np.float64 if numeric else "str")
        digest.update(str(name).encode())
        digest.update(
            pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes()
        )
    return digest.hexdigest()
