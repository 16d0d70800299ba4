"""A pool that is passed by itself against the same rows in X, whatever holds them."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from salutary import SalutaryClassifier
from salutary.pools.files import FilePool

N_LABELED, N_POOL = 80, 300
NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labeled rows, their labels, and the pool."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_LABELED + N_POOL, 3)).astype(np.float32)
    y = np.array(["no", "yes"])[
        (X[:N_LABELED, 0] + rng.normal(size=80) > 0).astype(int)
    ]
    return X[:N_LABELED], y, X[N_LABELED:]


def as_table(pool: np.ndarray) -> pa.Table:
    return pa.table({name: pool[:, place] for place, name in enumerate(NAMES)})


def as_vectors(pool: np.ndarray) -> pa.Table:
    flat = pa.array(pool.ravel())
    return pa.table({"v": pa.FixedSizeListArray.from_arrays(flat, 3)})


def file_of(pool: np.ndarray, folder: Path) -> Path:
    pq.write_table(as_vectors(pool), folder / "pool.parquet", row_group_size=70)
    return folder / "pool.parquet"


def folder_of(pool: np.ndarray, folder: Path) -> str:
    (folder / "pool").mkdir()
    for number, start in enumerate(range(0, len(pool), 130)):
        part = as_table(pool[start : start + 130])
        pq.write_table(part, folder / "pool" / f"{number}.parquet")
    return str(folder / "pool")


def mapped(pool: np.ndarray, folder: Path) -> np.ndarray:
    np.save(folder / "pool.npy", pool)
    return np.load(folder / "pool.npy", mmap_mode="r")


CONTAINERS: dict[str, Callable[[np.ndarray, Path], Any]] = {
    "array": lambda pool, folder: pool,
    "memory map": mapped,
    "CSR": lambda pool, folder: sparse.csr_array(pool),
    "csr_matrix": lambda pool, folder: sparse.csr_matrix(pool),
    "record batch": lambda pool, folder: as_table(pool).to_batches()[0],
    "frame": lambda pool, folder: pd.DataFrame(pool, columns=NAMES),
    "Parquet file": file_of,
    "Parquet folder": folder_of,
    "Arrow table": lambda pool, folder: as_table(pool),
    "Arrow dataset": lambda pool, folder: pyarrow.dataset.dataset(
        file_of(pool, folder)
    ),
    "Hugging Face": lambda pool, folder: datasets.Dataset.from_dict(
        {"v": pool.tolist()}
    ),
    "Pool": lambda pool, folder: FilePool.written([pool], N_POOL, 3, folder),
}


def labels_of(model: SalutaryClassifier) -> pd.DataFrame:
    """The labels of rows of X that came after the labeled ones."""
    found = np.flatnonzero(model.labeled_iter_[N_LABELED:] > 0)
    places = N_LABELED + found
    frame = pd.DataFrame(
        {
            "row": found,
            "label": model.transduction_[places],
            "round": model.labeled_iter_[places],
            "influence": model.influence_[places],
            "influence_se": model.influence_se_[places],
        }
    )
    return frame


@pytest.mark.parametrize("name", CONTAINERS)
def test_labels_are_those_of_the_same_rows_in_x(
    rows: tuple[np.ndarray, ...], tmp_path: Path, name: str
) -> None:
    X, y, pool = rows
    marked = np.concatenate([y.astype(object), np.full(N_POOL, -1, dtype=object)])
    together = SalutaryClassifier(budget=30, guard=False, random_state=0)
    together.fit(np.concatenate([X, pool]), marked)
    apart = SalutaryClassifier(budget=30, guard=False, random_state=0)
    apart.fit(X, y, pool=CONTAINERS[name](pool, tmp_path))
    expected, found = labels_of(together), apart.pool_labels_
    assert len(expected) >= 10
    found = found.sort_values("row", ignore_index=True)
    for exact in ("row", "label", "round"):
        assert_array_equal(found[exact], expected[exact])
    for figure in ("influence", "influence_se"):
        assert_allclose(found[figure], expected[figure], rtol=1e-3, atol=1e-8)
    assert found["probability"].between(0, 1).all()
    assert_array_equal(apart.transduction_, y)
    assert (apart.labeled_iter_ == 0).all()
    assert apart.n_iter_ == together.n_iter_
    assert_allclose(apart.predict_proba(pool), together.predict_proba(pool), rtol=1e-4)
    # What came of the run is kept without the pool's file.
    again = pickle.loads(pickle.dumps(apart))
    assert again.pool_labels_.equals(apart.pool_labels_)
    assert again.explain(pool[:1])[0].to_dict() == apart.explain(pool[:1])[0].to_dict()


def test_the_guard_sees_the_same_losses(
    rows: tuple[np.ndarray, ...], tmp_path: Path
) -> None:
    X, y, pool = rows
    marked = np.concatenate([y.astype(object), np.full(N_POOL, -1, dtype=object)])
    model = SalutaryClassifier(budget=30, random_state=0)
    expected = model.fit(np.concatenate([X, pool]), marked).history_
    found = model.fit(X, y, pool=file_of(pool, tmp_path)).history_
    assert len(found) == len(expected) > 2
    for mine, yours in zip(found, expected, strict=True):
        assert mine["verdict"] == yours["verdict"]
        assert_allclose(mine["canary_loss"], yours["canary_loss"], rtol=1e-4)


def test_columns_go_by_the_names_of_x(rows: tuple[np.ndarray, ...]) -> None:
    X, y, pool = rows
    frame = pd.DataFrame(X, columns=NAMES)
    mixed = as_table(pool).select(["c", "a", "b"])
    mixed = mixed.append_column("id", pa.array([f"r{row}" for row in range(N_POOL)]))
    models = [
        SalutaryClassifier(budget=10, guard=False, random_state=0).fit(
            frame, y, pool=given
        )
        for given in (as_table(pool), mixed, mixed.drop_columns("id").to_pandas())
    ]
    for model in models[1:]:
        assert_array_equal(model.pool_labels_["row"], models[0].pool_labels_["row"])


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix])
def test_rows_of_x_may_be_sparse_and_the_pool_not(
    rows: tuple[np.ndarray, ...], container: Any
) -> None:
    X, y, pool = rows
    fits = [
        SalutaryClassifier(budget=10, guard=False, random_state=0).fit(
            labeled, y, pool=given
        )
        for labeled, given in (
            (X, pool),
            (container(X), pool),
            (container(X), container(pool)),
        )
    ]
    for model in fits[1:]:
        assert_array_equal(model.pool_labels_["row"], fits[0].pool_labels_["row"])


def test_a_pool_of_labeled_rows_is_warned_of(rows: tuple[np.ndarray, ...]) -> None:
    X, y, _ = rows
    with pytest.warns(UserWarning, match="unlabeled rows"):
        SalutaryClassifier(budget=5, guard=False).fit(X, y, pool=X)


def test_a_pool_may_be_at_a_url(rows: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs salutary[remote]")
    X, y, pool = rows
    content = file_of(pool, tmp_path).read_bytes()
    fsspec.filesystem("memory").pipe("/pools/part.parquet", content)
    model = SalutaryClassifier(budget=5, guard=False, random_state=0)
    here = model.fit(X, y, pool=pool).pool_labels_
    there = model.fit(X, y, pool="memory://pools").pool_labels_
    assert_array_equal(there["row"], here["row"])


def test_labels_of_a_pool_go_with_the_next_fit(rows: tuple[np.ndarray, ...]) -> None:
    X, y, pool = rows
    model = SalutaryClassifier(budget=5, guard=False, random_state=0)
    assert hasattr(model.fit(X, y, pool=pool), "pool_labels_")
    marked = y.astype(object)
    marked[:20] = -1
    assert not hasattr(model.fit(X, marked), "pool_labels_")


def with_gap(pool: np.ndarray) -> pa.Table:
    values = pool[:, 1].tolist()
    values[217] = None
    return as_table(pool).set_column(1, "b", pa.array(values))


REFUSED: dict[str, tuple[Callable[[np.ndarray], Any], str]] = {
    "a gap": (with_gap, "pool: row 217, 'b' is missing"),
    "infinite": (
        lambda pool: pd.DataFrame(pool).replace(pool[5, 2], np.inf),
        "infinity .* First at row 5, column 2",
    ),
    "too few features": (
        lambda pool: as_table(pool).drop_columns("a"),
        "pool has 2 features, but X has 3",
    ),
    "too few features in an array": (
        lambda pool: pool[:, :2],
        "pool has 2 features, but X has 3",
    ),
    "texts": (
        lambda pool: pa.table({"a": ["x"], "b": ["y"], "c": ["z"]}),
        "pool: column 'a' is of type string, and not of numbers",
    ),
    "ragged vectors": (
        lambda pool: pa.table({"v": [[1.0, 2.0, 3.0], [1.0, 2.0]]}),
        "pool: column 'v', row 1: is no vector of the length of the first, 3",
    ),
    "a path to nowhere": (
        lambda pool: "no/such/folder",
        "no/such/folder: no such file",
    ),
    "another format": (lambda pool: __file__, "test_pool.py: is not of Parquet"),
    "no rows": (lambda pool: as_table(pool[:0]), "pool: has no rows"),
    "an empty array": (lambda pool: pool[:0], "minimum of 1 is required"),
    "a dict": (lambda pool: {"train": pool}, r"pool is a dict; pass one of its values"),
    "a generator": (lambda pool: (row for row in pool), "pool is a generator, whose"),
    "a lazy frame": (
        lambda pool: pl.DataFrame(pool).lazy(),
        r"pool is a LazyFrame, .*; pass pool.collect\(\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_named(rows: tuple[np.ndarray, ...], name: str) -> None:
    X, y, pool = rows
    make, words = REFUSED[name]
    with pytest.raises(ValueError, match=words) as raised:
        SalutaryClassifier().fit(X, y, pool=make(pool))
    assert "\n" not in str(raised.value)


def test_a_column_of_x_that_the_pool_lacks_is_named(
    rows: tuple[np.ndarray, ...],
) -> None:
    X, y, pool = rows
    frame = pd.DataFrame(X, columns=["a", "b", "d"])
    for given in (as_table(pool), pd.DataFrame(pool, columns=NAMES)):
        with pytest.raises(ValueError, match=r"pool: .*column 'd'.* X has"):
            SalutaryClassifier().fit(frame, y, pool=given)


def test_a_pool_beside_unlabeled_rows_steps_or_a_hessian_of_it_is_refused(
    rows: tuple[np.ndarray, ...],
) -> None:
    X, y, pool = rows
    marked = y.astype(object)
    marked[7] = -1
    with pytest.raises(ValueError, match="row 7 of X has no label, though there is a"):
        SalutaryClassifier().fit(X, marked, pool=pool)
    scaled = make_pipeline(StandardScaler(), LogisticRegression())
    with pytest.raises(ValueError, match="transform X, X_val and pool first"):
        SalutaryClassifier(scaled).fit(X, y, pool=pool)
    with pytest.raises(ValueError, match="hessian='both' needs the pool as a matrix"):
        SalutaryClassifier(hessian="both").fit(X, y, pool=as_table(pool))
    SalutaryClassifier(hessian="both", budget=5).fit(X, y, pool=pool)


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Ray, with a cluster of this machine."""
    found = pytest.importorskip("ray", reason="needs salutary[ray]")
    from salutary.pools.cluster import connect

    connect()
    yield found
    found.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::FutureWarning:ray", "ignore::DeprecationWarning:ray"
)
def test_a_ray_dataset_is_scored_where_it_is(
    rows: tuple[np.ndarray, ...], ray: Any
) -> None:
    import ray.data

    X, y, pool = rows
    here = SalutaryClassifier(budget=10, guard=False, random_state=0).fit(
        X, y, pool=pool
    )
    for dataset in (
        ray.data.from_arrow([as_table(pool[:110]), as_table(pool[110:])]),
        ray.data.from_numpy([pool[:200], pool[200:]]),
    ):
        there = SalutaryClassifier(budget=10, guard=False, random_state=0).fit(
            X, y, pool=dataset
        )
        assert_array_equal(there.pool_labels_["row"], here.pool_labels_["row"])
        assert_array_equal(there.pool_labels_["label"], here.pool_labels_["label"])
    gap = ray.data.from_arrow([as_table(pool[:110]), with_gap(pool)])
    with pytest.raises(ValueError, match="pool: row 327, 'b' is missing"):
        SalutaryClassifier().fit(X, y, pool=gap)
