"""What a round over a pool costs: constants of a formula, and what it says of others.

    python -m speed.scale

Processor time of one thread is measured, so that work beside it shows less.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from salutary.influence.factored import factor_model
from salutary.influence.softmax import softmax_model
from salutary.labeling.fitting import Snapshot
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import find_rule
from salutary.labeling.scoring import View, score_pool
from salutary.pools.arrays import ArrayPool
from salutary.pools.files import FilePool
from salutary.pools.protocol import Pool
from salutary.tables.encoding import fit_encoder
from salutary.tables.reading import read_tables
from salutary.tables.sources import Sources
from salutary_benchmark.versions import environment
from speed.pools import mixed, vectors

NUMBER = 4
"""Bytes of a number."""


@dataclass(frozen=True)
class Costs:
    """Seconds of one thread.

    Parameters
    ----------
    product : float
        Of a multiplication and addition.
    score : float
        Of a row under a class in a view, besides the product.
    read : float
        Of a byte from a file that the system holds in memory.
    """

    product: float
    score: float
    read: float

    def of_a_round(self, n: int, d: int, K: int, views: int) -> float:
        """Seconds of one thread for a round over n rows of d features."""
        of_a_row = 2 * d * K * views * self.product + K * views * self.score
        return n * (of_a_row + NUMBER * d * self.read)


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Least processor time of some calls, after one that does not count."""
    work()
    found = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def views_of(pool: Pool, n_features: int, n_classes: int, n_views: int) -> list[View]:
    """Views with random models: which they are shows in no time."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((50 * n_classes, n_features), dtype=np.float32)
    rows = LabeledRows(X, np.arange(len(X)) % n_classes, np.ones(len(X)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(max_iter=5).fit(rows.X, rows.labels)
    problem = Problem(
        estimator=LogisticRegression(),
        classes=np.arange(n_classes),
        labeled=rows,
        validation=rows,
        folds=(),
        pool=pool,
        rule=find_rule("tempered"),
        hessian="train",
        batch_size=10,
    )
    nothing = np.zeros(0, dtype=np.intp)
    snapshot = Snapshot(model, nothing, nothing)
    factored = factor_model(softmax_model(model), X[:1], np.ones(1))
    direction = rng.normal(size=(n_classes, n_features + 1)) / 1e3
    view = View(problem, rows, snapshot, factored, direction, nothing, 10)
    return [replace(view, surveyed=place == 0) for place in range(n_views)]


def measured() -> Costs:
    """The constants on this machine."""
    rng = np.random.default_rng(0)
    n, d, K = 200_000, 256, 10  # enough for compiled code, as in large pools
    X = rng.standard_normal((n, d), dtype=np.float32)
    weights = rng.standard_normal((8 * K, d), dtype=np.float32)
    blocks = np.split(X, 25)
    product = seconds(lambda: [block @ weights.T for block in blocks])
    product /= n * d * len(weights)
    few = X[:, :2].copy()
    views = views_of(ArrayPool.of(few), 2, K, 4)
    score = seconds(lambda: score_pool(views)) / (n * K * 4)
    with tempfile.TemporaryDirectory() as folder:
        pool = FilePool.written([X], n, d, Path(folder))
        everything = np.ones(n, dtype=bool)
        read = seconds(lambda: sum(len(rows) for rows, _ in pool.blocks(everything)))
    return Costs(product, score - 2 * 2 * product, read / X.nbytes)


SHAPES = ((400_000, 64, 2), (200_000, 128, 10), (50_000, 768, 10), (50_000, 384, 100))


def against_rounds(costs: Costs) -> Iterator[str]:
    """What the formula says of whole passes over files, beside what they take."""
    rng = np.random.default_rng(0)
    for n, d, K in SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            X = rng.standard_normal((n, d), dtype=np.float32)
            pool = FilePool.written([X], n, d, Path(folder))
            for n_views in (1, 4):
                views = views_of(pool, d, K, n_views)
                took = seconds(lambda views=views: score_pool(views), repeats=3)  # type: ignore[misc]
                said = costs.of_a_round(n, d, K, n_views)
                yield (
                    f"{n:>9,} x {d:<3} {K:>3} classes, {n_views} views: {took:6.2f} s, "
                    f"by the formula {said:6.2f} s"
                )


def encoding(n: int = 100_000) -> Iterator[str]:
    """What reading and encoding a row of Parquet takes, once before the first round."""
    for what, tables in (
        ("128 numbers", lambda n, seed: vectors(n, seed).to_pandas()),
        ("20 mixed columns", mixed),
    ):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for seed, (part, rows) in enumerate(
                (("train", 300), ("val", 300), ("pool", n))
            ):
                table = tables(rows, seed)
                table = table.drop(columns="label") if part == "pool" else table
                table.to_parquet(folder / f"{part}.parquet")
            paths = (folder / f"{part}.parquet" for part in ("train", "val", "pool"))
            sources = Sources(*paths, "label", None)
            read = read_tables(sources, 0)
            encoder, _ = fit_encoder(read, sources, 0)
            pool = read.large_pool
            assert pool is not None
            took = seconds(
                lambda pool=pool, encoder=encoder: [  # type: ignore[misc]
                    len(encoder.transform(frame)) for frame in pool.frames()
                ],
                repeats=2,
            )
        yield f"read and encode a row of {what}: {took / n * 1e6:.1f} µs"


def projected(costs: Costs, d: int = 768, K: int = 10) -> Iterator[str]:
    """What a round over a billion rows takes of a cluster."""
    for n_views, what in ((1, "--no-guard"), (4, "guarded")):
        alone = costs.of_a_round(10**9, d, K, n_views)
        for processors in (16, 128, 512):
            yield (
                f"1,000,000,000 x {d}, {K} classes, {what:>10}: {processors:>3} "
                f"processors {alone / processors:4.0f} s, in all "
                f"{alone / 3600:.2f} processor hours a round"
            )


def main() -> None:
    print(environment(), flush=True)
    with threadpool_limits(limits=1):
        costs = measured()
        print(
            f"product {costs.product * 1e12:.1f} ps, score {costs.score * 1e9:.1f} ns, "
            f"read {costs.read * 1e12:.0f} ps a byte",
            flush=True,
        )
        for line in (*against_rounds(costs), *encoding(), *projected(costs)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
