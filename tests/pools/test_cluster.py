"""A pool on several nodes of Ray against the same rows in memory, also as nodes die."""

import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression

from salutary.errors import InputError
from salutary.labeling.definition import split_folds
from salutary.labeling.loop import run
from salutary.labeling.problem import Problem
from salutary.labeling.rows import LabeledRows
from salutary.labeling.rules import find_rule
from salutary.pools.arrays import ArrayPool
from salutary.pools.protocol import Pool

ray = pytest.importorskip("ray", reason="needs salutary[ray]")
pytestmark = pytest.mark.slow

from ray.cluster_utils import Cluster  # noqa: E402

from salutary.pools.cluster import RayPool, connect  # noqa: E402

N_ROWS, N_FEATURES = 9000, 6
ENDS = (0, 4096, 4096 + 900, N_ROWS)
"""One part ends with a block, another within one."""


def pool_rows(start: int = 0, end: int = N_ROWS) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(N_ROWS, N_FEATURES))[start:end].astype(np.float32)


def part(start: int, end: int) -> Pool:
    return ArrayPool.of(pool_rows(start, end))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of a node without processors for actors, and one with some."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        nodes.add_node(num_cpus=1)
        connect(nodes.address)
        yield nodes
        ray.shutdown()
        nodes.shutdown()


def pool_in_parts(*ends: int) -> RayPool:
    parts = [(end - start, partial(part, start, end)) for start, end in pairwise(ends)]
    return RayPool(parts, N_FEATURES)


@pytest.fixture(scope="module")
def pool(cluster: Cluster) -> RayPool:
    return pool_in_parts(*ENDS)


def test_rows_are_taken_in_the_order_that_is_asked_for(pool: RayPool) -> None:
    rows = np.array([8999, 0, 4096, 4095, 17, 4995, 4996])
    assert_array_equal(pool.take(rows), pool_rows()[rows])
    assert pool.take(rows[:0]).shape == (0, N_FEATURES)


def test_blocks_are_all_rows_that_are_asked_for(pool: RayPool) -> None:
    available = np.random.default_rng(1).random(N_ROWS) < 0.4
    found = list(pool.blocks(available))
    numbers = np.concatenate([rows for rows, _ in found])
    assert_array_equal(numbers, np.flatnonzero(available))
    assert_array_equal(np.concatenate([X for _, X in found]), pool_rows()[numbers])


def test_progress_counts_every_row_once(pool: RayPool) -> None:
    told: list[tuple[int, int]] = []
    pool.make(lambda done, total: told.append((done, total)))
    assert told[-1] == (N_ROWS, N_ROWS)
    assert len(told) == len(ENDS) - 1


def problem_of(pool: Pool) -> Problem:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(90, N_FEATURES)).astype(np.float32)
    y = (X[:, 0] + rng.normal(size=90) > 0).astype(np.intp) + (X[:, 1] > 0.5)
    rows = LabeledRows(X, y, np.ones(90))
    validation = rows.take(np.arange(40, 90))
    return Problem(
        estimator=LogisticRegression(),
        classes=np.arange(3),
        labeled=rows.take(np.arange(40)),
        validation=validation,
        folds=split_folds(validation, True, np.random.RandomState(0)),
        pool=pool,
        rule=find_rule("tempered"),
        hessian="train",
        batch_size=4,
    )


def test_a_run_is_that_of_the_same_rows_in_memory(pool: RayPool) -> None:
    _, here = run(problem_of(ArrayPool.of(pool_rows())), 12)
    _, there = run(problem_of(pool), 12)
    assert len(here) == len(there) > 1
    for mine, yours in zip(here, there, strict=True):
        assert mine.variant == yours.variant
        assert_array_equal(mine.spread.n_rows, yours.spread.n_rows)
        for exact in ("rows", "labels", "rank"):
            assert_array_equal(
                getattr(mine.selection, exact), getattr(yours.selection, exact)
            )
        assert_allclose(
            mine.selection.influence, yours.selection.influence, rtol=1e-4, atol=1e-9
        )


def fails() -> Pool:
    raise InputError("pool.parquet: column 'a', row 3: nan; correct it")


def test_a_refusal_is_the_one_that_was_raised_there(cluster: Cluster) -> None:
    pool = RayPool([(2, partial(part, 0, 2)), (3, fails)], N_FEATURES)
    with pytest.raises(InputError, match="column 'a', row 3") as raised:
        pool.make(lambda done, total: None)
    assert type(raised.value) is InputError
    assert "\n" not in str(raised.value)


class Waits:
    """Work that says where it is, and waits there the first time."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __call__(self, blocks: Any) -> float:
        total = sum(float(X.sum(dtype=np.float64)) for _, X in blocks)
        node = ray.get_runtime_context().get_node_id()
        place = self.flag / node
        if not place.exists():
            place.touch()
            time.sleep(1.0)
        return total


def itself(found: Any) -> Any:
    return found


def node_of(blocks: Any) -> str:
    """The node that a part lies on."""
    return str(ray.get_runtime_context().get_node_id())


def pool_that_uses(node_id: str, *ends: int) -> RayPool:
    """A pool with a part on a node, which Ray may not place anything on at once."""
    for _ in range(30):
        pool = pool_in_parts(*ends)
        pool.make(lambda done, total: None)
        if node_id in pool.scan(node_of).ask(itself):
            return pool
        time.sleep(1.0)
    pytest.fail("no part came to the new node")


def test_a_node_that_is_lost_in_a_pass_costs_only_time(
    cluster: Cluster, tmp_path: Path
) -> None:
    node = cluster.add_node(num_cpus=1)
    ends = (0, 2000, 4000, 6000, N_ROWS)
    pool = pool_that_uses(node.node_id, *ends)
    scan = pool.scan(Waits(tmp_path))
    answers: list[list[float]] = []
    asking = Thread(target=lambda: answers.append(scan.ask(itself)))
    asking.start()
    while not (tmp_path / node.node_id).exists():
        assert asking.is_alive()
        time.sleep(0.01)
    cluster.remove_node(node, allow_graceful=False)
    asking.join()
    expected = [
        pool_rows(*some).sum(dtype=np.float64).item() for some in pairwise(ends)
    ]
    assert_allclose(answers[0], expected)
    # What the lost node knew is computed again where it is asked for.
    assert_allclose(scan.ask(itself), expected)
    assert_array_equal(pool.take(np.arange(0, N_ROWS, 500)), pool_rows()[::500])
