"""The benchmark's data sets: source, preprocessing, and what to beware of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from salutary.errors import InputError

Kind = Literal["table", "images", "text"]


@dataclass(frozen=True)
class DataSet:
    """A data set, and what a reader of its results must know.

    Parameters
    ----------
    name : str
        Name on the command line.
    title, source, licence : str
    kind : {"table", "images", "text"}
        Decides how rows are encoded, see
        `salutary_benchmark.data.splits.make_encoder`.
    file : str
        Name of its file in the folder: Parquet with a column ``label``, or for images
        an .npz with ``x_train``, ``y_train``, ``x_test`` and ``y_test``. Empty for data
        that comes with scikit-learn.
    rows, features, classes : int
        Sizes after preprocessing and before encoding.
    preprocessing, caution : str
        What is done to the raw rows, and what leaks or misleads.
    fingerprint : str
        SHA-256 of the raw content, see
        `salutary_benchmark.data.loading.content_sha256`.
    prepare : callable
        Turns the raw content into features and labels.
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


def _training_pixels(
    arrays: dict[str, NDArray[Any]],
) -> tuple[NDArray[Any], NDArray[Any]]:
    images = arrays["x_train"]
    return images.reshape(len(images), -1), arrays["y_train"]


_MINIMAL = "none except the encoding"

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
        caution="`duration` is only known after the call and leaks the label",
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
        caution="the rows are of 71,518 patients, and rows of the same patient are on "
        "both sides of a split",
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
        licence="non-commercial research; no redistribution",
        preprocessing=_MINIMAL,
        caution="many rows are identical; `Mouth_Slightly_Open` nearly tells the label",
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
        caution="all shapes of a molecule share its label, so random splits flatter",
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
        preprocessing="`color` dropped; the five rows of quality 9 dropped, too few "
        "for every part of a split",
        caution="1,177 rows are duplicates; no model uses the order of the classes",
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
        caution="synthetic; the best possible accuracy is 0.86",
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
        caution="linear models of pixels are far below the best models; JPEG is lossy",
        fingerprint="655626b282a5dc4edfac87c754d0d5a00297650f989150fa27448706acf48e9a",
        prepare=_pixels,
    ),
    DataSet(
        name="cifar10n",
        title="CIFAR-10, the 10,000 training images of the subset",
        kind="images",
        file="cifar10_subset.npz",
        rows=10_000,
        features=3_072,
        classes=10,
        source="Krizhevsky 2009; labels with errors from Wei et al. 2022, CIFAR-10N",
        licence="none stated; the labels CC BY-NC 4.0",
        preprocessing="training part only, as people relabeled only its images",
        caution="as cifar10; cifar10n_labels.npz is matched by position in each class",
        fingerprint="655626b282a5dc4edfac87c754d0d5a00297650f989150fa27448706acf48e9a",
        prepare=_training_pixels,
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
        caution="many training rows are phrases of one sentence",
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
        caution="bags of words hardly recognize paraphrases",
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
        caution="bags of words do no better than chance",
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
        preprocessing="all parts pooled; a folder has only part of the training rows",
        caution="the training rows of a folder are not a random sample",
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
        caution="digits of the same writer are on both sides of a split",
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
        caution="small, so a single split says little",
        fingerprint="8ab17515b21ec60cde681f8065caad3400b2026aa13ca28b53e9e5d20df32a6e",
        prepare=_plain,
    ),
)

DATA_SETS: dict[str, DataSet] = {data.name: data for data in _CATALOG}

NINE = ("bank", "diabetic", "electric", "celeba", "musk", "wine", "waveform", "mnist",
        "cifar10")  # fmt: skip
"""The data sets of the paper's table."""


def find_data_set(name: str) -> DataSet:
    """The data set with a name, or an `InputError` that lists all names."""
    if name not in DATA_SETS:
        raise InputError(
            f"no data set is called {name!r}; the data sets are {', '.join(DATA_SETS)}"
        )
    return DATA_SETS[name]
