"""Run a benchmark suite on a Dask cluster.

Usage: python benchmark_on_dask.py OUT [SCHEDULER]   (pip install distributed)

Without a scheduler's address, a cluster of two processes is started on this machine.
The workers need salutary[benchmark]. OUT is written on this machine; the same command
continues an interrupted run.
"""

import sys
from pathlib import Path

from distributed import Client, LocalCluster
from joblib import parallel_config

from salutary_benchmark.runner import Request, run
from salutary_benchmark.suites import find_suite


def main(out: str, scheduler: str | None = None) -> None:
    """Run the suite on bundled data."""
    cluster = scheduler or LocalCluster(n_workers=2, threads_per_worker=1)
    with Client(cluster), parallel_config("dask"):
        request = Request(find_suite("quick"), 2, None, Path(out))
        run(request, on_cell=lambda outcome: print(outcome.cell, outcome.status))


if __name__ == "__main__":
    main(*sys.argv[1:])
