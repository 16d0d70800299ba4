"""Run a benchmark suite on a Ray cluster.

Usage: python benchmark_on_ray.py OUT [SUITE [SEEDS [ADDRESS]]]

SUITE is "quick" unless it is named, with 2 seeds, which takes two minutes. Without the
ADDRESS of a cluster, one is started on this machine. Its nodes need
salutary[benchmark,ray]. OUT is written on this machine; the same command continues an
interrupted run. A cell whose node is lost is run again on another.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import ray

from salutary.pools.cluster import connect
from salutary_benchmark.cells import Outcome, run_cell
from salutary_benchmark.experiments.experiment import Cell
from salutary_benchmark.runner import Request, run
from salutary_benchmark.suites import find_suite


def on_ray(request: Request, cells: list[Cell]) -> Iterator[Outcome]:
    """The outcome of each cell, as soon as it has one."""
    remote = ray.remote(run_cell)
    given = request.suite, request.folder, request.time_limit
    waiting = [remote.remote(cell, *given) for cell in cells]
    while waiting:
        done, waiting = ray.wait(waiting)
        yield from ray.get(done)


def main(out: str, suite: str = "quick", seeds: str = "2", address: str = "") -> None:
    """Run the suite on bundled data."""
    connect(address or None)
    request = Request(find_suite(suite), int(seeds), None, Path(out))
    run(
        request,
        on_cell=lambda outcome: print(outcome.cell, outcome.status, flush=True),
        outcomes=on_ray,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
