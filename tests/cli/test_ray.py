"""A pool scored on a Ray cluster: the labels of one machine, and its refusals."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import salutary
from salutary.cli.main import main
from salutary.tables import batches
from tests.served import serving
from tests.words import once

ray = pytest.importorskip("ray", reason="needs salutary[ray]")
pytestmark = pytest.mark.slow

from salutary.pools.cluster import connect  # noqa: E402

Refusal = Callable[[list[str]], str]


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    """A cluster that connects its processes by loopback alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        connect()
        yield
        ray.shutdown()


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MANY_ROWS", 25)


@pytest.fixture
def pool(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "pool.csv").astype({"color": object})


@pytest.fixture
def words(arguments: list[str], folder: Path) -> list[str]:
    """A command that scores a folder of Parquet on the cluster."""
    return once([*arguments, "--pool", str(folder / "pool"), "--engine", "ray"])


def write(pool: pd.DataFrame, folder: Path) -> None:
    """Three files, the first two in row groups of seven rows."""
    (folder / "pool").mkdir(exist_ok=True)
    for number, start in enumerate(range(0, len(pool), 20)):
        pool[start : start + 20].to_parquet(
            folder / "pool" / f"{number}.parquet",
            index=False,
            row_group_size=20 if number == 2 else 7,
        )


def labels_of(run: Path) -> pd.DataFrame:
    return pd.read_parquet(run / "labels.parquet")


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Some kernels round a row by how many are multiplied with it, in float32."""
    exact = ["id", "label", "round", "rule"]
    pd.testing.assert_frame_equal(found[exact], expected[exact])
    pd.testing.assert_frame_equal(found, expected, rtol=1e-4, atol=1e-7)


def test_a_cluster_of_this_machine_listens_on_loopback() -> None:
    psutil = pytest.importorskip("psutil")
    own = psutil.Process()
    listening = {
        connection.laddr.ip
        for process in [own, *own.children(recursive=True)]
        for connection in process.net_connections("tcp")
        if connection.status == "LISTEN"
    }
    assert listening
    assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_labels_are_those_of_one_machine_and_a_run_may_change_between_them(
    run: Callable[..., Path], folder: Path, pool: pd.DataFrame
) -> None:
    write(pool, folder)
    there = ("--pool", str(folder / "pool"), "--engine", "ray")
    out, on_cluster = run("--pool", str(folder / "pool")), folder / "cluster"
    run(*there, "--out", str(on_cluster))
    labels = [labels_of(each) for each in (out, on_cluster)]
    assert len(labels[0]) > 10
    same(*labels)
    run("--pool", str(folder / "pool"), "--budget", "5", "--out", str(folder / "two"))
    run(*there, "--out", str(folder / "two"), "--resume")
    same(labels_of(folder / "two"), labels[0])


def test_each_part_fetches_its_own_from_a_url(
    run: Callable[..., Path], folder: Path, pool: pd.DataFrame
) -> None:
    pytest.importorskip("aiohttp", reason="fsspec reads from the web with aiohttp")
    pool.to_parquet(folder / "pool.parquet", index=False, row_group_size=7)
    here = run("--pool", str(folder / "pool.parquet"))
    with serving(folder) as web:
        address = f"{web.url}/pool.parquet"
        out = ("--out", str(folder / "cluster"))
        run("--pool", address, "--engine", "ray", *out)
    same(labels_of(here), labels_of(folder / "cluster"))


class Predicted:
    """Predicts batches, as docs/scale.md shows."""

    def __init__(self, run: str) -> None:
        self.model = salutary.load(run)

    def __call__(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows[["id"]].assign(prediction=self.model.predict(rows))


@pytest.mark.filterwarnings("ignore:.use_.*deprecated:DeprecationWarning")  # Ray's own
def test_rays_own_pass_predicts_what_one_machine_does(
    run: Callable[..., Path], folder: Path, pool: pd.DataFrame
) -> None:
    write(pool, folder)
    out = run("--pool", str(folder / "pool"), "--budget", "5")
    found = ray.data.read_parquet(str(folder / "pool")).map_batches(
        Predicted,
        fn_constructor_args=[str(out)],
        batch_format="pandas",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=1),
    )
    found.write_parquet(str(folder / "there"))
    main(["predict", str(out), str(folder / "pool"), "--out", str(folder / "here.csv")])
    there = pd.read_parquet(folder / "there")[["id", "prediction"]]
    here = pd.read_csv(folder / "here.csv")[["id", "prediction"]]
    assert len(here) == len(pool)
    assert sorted(there.to_numpy().tolist()) == sorted(here.to_numpy().tolist())


@pytest.mark.parametrize("row", [3, 38, 59])
def test_a_value_that_cannot_be_used_is_named_by_its_file_and_row(
    refusal: Refusal, words: list[str], folder: Path, pool: pd.DataFrame, row: int
) -> None:
    pool.loc[row, "size"] = np.inf
    write(pool, folder)
    file = folder / "pool" / f"{row // 20}.parquet"
    assert f"{file}: column 'size', row {row % 20}: infinity" in refusal(words)
    assert not (folder / "run").exists()


def test_what_only_the_whole_table_could_tell_is_refused(
    refusal: Refusal, words: list[str], folder: Path, pool: pd.DataFrame
) -> None:
    write(pool.astype({"size": str}), folder)
    assert "column 'size' has numbers that are stored as text" in refusal(words)
    csv = once([*words, "--pool", str(folder / "pool.csv")])
    assert "only Parquet can be read by several machines" in refusal(csv)


def test_an_address_where_nothing_listens_is_told_at_once(
    refusal: Refusal, words: list[str], folder: Path, pool: pd.DataFrame
) -> None:
    write(pool, folder)
    assert "--address auto: belongs to --engine ray" in refusal(
        once([*words, "--engine", "local", "--address", "auto"])
    )
    ray.shutdown()
    for address in ("127.0.0.1:9", "nonsense", "a:b"):
        found = refusal([*words, "--address", address])
        assert f"Ray cluster {address}: cannot be used" in found
    assert not (folder / "run").exists()


@pytest.mark.filterwarnings("always")
def test_a_small_pool_is_scored_here_which_is_said(
    run: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(batches, "MANY_ROWS", 50_000)
    run("--engine", "ray")
    assert "pool.csv: 60 rows are scored on this machine" in capsys.readouterr().err


def test_without_ray_one_line_says_what_to_install(
    refusal: Refusal, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install 'salutary[ray]'" in refusal([*arguments, "--engine", "ray"])
