"""Pools of many rows: a round against a plain scan, whole runs and their memory.

    python -m speed.pools [VECTORS [MIXED [FOLDER]]]

takes so many rows of 128 numbers in Parquet (1,000,000 without a number), and so many
of 20 mixed columns in a .csv file (200,000). The files are made in a folder for
temporary files, or in FOLDER, which needs ten bytes for each number.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq

from salutary.labeling.batch import choose_batches
from salutary.labeling.fitting import begin
from salutary.pools.files import FilePool
from salutary_benchmark.versions import environment
from speed.measure import Ratio, ratio
from speed.scoring import problem

N_FEATURES = 128
PART = 500_000
"""Rows of a file of the folder."""

IDLE = "import salutary.cli.main, salutary.runs.label"
LABEL = (
    *("label", "train.parquet", "--validation", "val.parquet", "--target", "label"),
    *("--budget", "100", "--quiet", "--no-report"),
)


def vectors(n: int, seed: int) -> pa.Table:
    """Rows of ten overlapping clusters, as a column of vectors and one of labels."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(0).normal(size=(10, N_FEATURES)).astype(np.float32)
    labels = rng.integers(10, size=n)
    X = centers[labels] + 4 * rng.standard_normal((n, N_FEATURES), dtype=np.float32)
    entries = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), N_FEATURES)
    return pa.table({"vector": entries, "label": labels})


def write_vectors(folder: Path, n_rows: int) -> None:
    for seed, name in enumerate(("train", "val"), start=1):
        pq.write_table(vectors(1_000, seed), folder / f"{name}.parquet")
    (folder / "pool").mkdir()
    for part, start in enumerate(range(0, n_rows, PART)):
        rows = vectors(min(PART, n_rows - start), 3 + part).drop_columns(["label"])
        path = folder / "pool" / f"{part:03}.parquet"
        pq.write_table(rows, path, compression="none")


def mixed(n: int, seed: int) -> pd.DataFrame:
    """Rows of 14 numbers, 4 categories, a boolean, a date, and a label."""
    rng = np.random.default_rng(seed)
    label = rng.integers(3, size=n)
    columns: dict[str, object] = {}
    for number in range(14):
        columns[f"n{number}"] = rng.normal(label * (number % 4) / 4, 1).round(4)
    for number in range(4):
        code = rng.integers(6 + number, size=n) + label * (number < 2)
        columns[f"c{number}"] = pd.Series(code).map("code {}".format)
    columns["flag"] = rng.random(n) < 0.3
    day = pd.to_timedelta(rng.integers(1_000, size=n), unit="D")
    columns["day"] = pd.Timestamp("2020-01-01") + day
    return pd.DataFrame({**columns, "label": np.array(["a", "b", "c"])[label]})


def write_mixed(folder: Path, n_rows: int) -> None:
    for seed, name in enumerate(("train", "val"), start=1):
        mixed(300, seed).to_parquet(folder / f"{name}.parquet")
    with (folder / "pool.csv").open("wb") as file:
        for part, start in enumerate(range(0, n_rows, PART)):
            rows = mixed(min(PART, n_rows - start), 3 + part).drop(columns="label")
            table = pa.Table.from_pandas(rows, preserve_index=False)
            header = pa.csv.WriteOptions(include_header=start == 0)
            pa.csv.write_csv(table, file, header)


def of_a_round(folder: Path, n_rows: int) -> Iterator[Ratio]:
    """A round over the encoded rows, against a scan of the files they come from."""
    files = pa.dataset.dataset(folder / "pool")

    def parts() -> Iterator[np.ndarray]:
        for batch in files.to_batches():
            entries = batch["vector"].flatten().to_numpy()
            yield entries.reshape(-1, N_FEATURES)

    pool = FilePool.written(parts(), n_rows, N_FEATURES, folder)
    small = problem(10, N_FEATURES)
    data = replace(small, pool=pool)
    snapshot = begin(data)

    def scan() -> None:
        for _ in files.to_batches():
            pass

    yield ratio(
        f"score {n_rows:,} x {N_FEATURES} in a file and pick the best 10",
        lambda: choose_batches(data, data.validation, snapshot, 10),
        "a plain pyarrow scan of the same rows in Parquet",
        scan,
        bound=1.5,
        pairs=3,
    )


def slope(n_rows: int) -> str:
    """How the seconds of a round grow with the rows, on logarithmic axes."""
    sizes = [size for size in (10_000, 100_000, 1_000_000, n_rows) if size <= n_rows]
    sizes, seconds = sorted(set(sizes)), []
    for size in sizes:
        data = problem(size)
        snapshot = begin(data)
        times = []
        for _ in range(4):
            began = time.perf_counter()
            choose_batches(data, data.validation, snapshot, 10)
            times.append(time.perf_counter() - began)
        seconds.append(min(times[1:]))
    found = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    told = ", ".join(f"{n:,}: {t:.3f} s" for n, t in zip(sizes, seconds, strict=True))
    verdict = "holds" if found <= 1.05 else "MISSED"
    return f"slope of a round over rows: {found:.2f}, at most 1.05: {verdict} ({told})"


def of_a_run(folder: Path, pool: str, bound: float) -> str:
    """Seconds and peak memory of ``salutary label``, beyond that of the import."""
    _, idle = _measured(folder, ["-c", IDLE])
    words = ["-m", "salutary", *LABEL, "--pool", pool, "--out", f"run-{pool}"]
    seconds, peak = _measured(folder, words)
    beyond = peak - idle
    verdict = "holds" if beyond <= bound else "MISSED"
    size = sum(
        path.stat().st_size
        for path in (folder / pool, *(folder / pool).glob("*"))
        if path.is_file()
    )
    return (
        f"salutary label of {pool} ({size / 1e9:.2f} GB), budget 100: {seconds:.0f} s, "
        f"{beyond:.2f} GB at the peak beyond an idle import's {idle:.2f}, at most "
        f"{bound:g} promised: {verdict}"
    )


def _measured(folder: Path, words: list[str]) -> tuple[float, float]:
    """Seconds of a process, and GB of its peak resident memory."""
    began, peak = time.perf_counter(), 0
    process = subprocess.Popen(
        [sys.executable, *words], cwd=folder, stdout=subprocess.DEVNULL
    )
    # By the process's own account: what wait4 tells begins with its parent's memory.
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        with suppress(OSError):
            found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
            peak = max(peak, int(found[1]) * 1024 if found else 0)
        time.sleep(0.02)
    if process.returncode:
        raise RuntimeError(f"{words} ended with {process.returncode}")
    return time.perf_counter() - began, peak / 1e9


def main(n_vectors: int = 1_000_000, n_mixed: int = 200_000, folder: str = "") -> None:
    print(environment(), flush=True)
    print(slope(n_vectors), flush=True)
    with tempfile.TemporaryDirectory(dir=folder or None) as name:
        for kind, write, n_rows in (
            ("vectors", write_vectors, n_vectors),
            ("mixed", write_mixed, n_mixed),
        ):
            (Path(name) / kind).mkdir()
            # In a process of its own, whose memory is not ours.
            here = f"speed.pools.{write.__name__}(pathlib.Path({name!r}) / {kind!r}, "
            code = f"import pathlib, speed.pools; {here}{n_rows})"
            subprocess.run([sys.executable, "-c", code], check=True)
        print(of_a_run(Path(name) / "vectors", "pool", 1.0), flush=True)
        print(of_a_run(Path(name) / "mixed", "pool.csv", 1.5), flush=True)
        for measured in of_a_round(Path(name) / "vectors", n_vectors):
            print(measured.line(), flush=True)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:3]]
    main(*numbers, *sys.argv[3:4])
