"""Run the tests as on other processors: ``python -m tests.numerics [WORDS OF PYTEST]``.

OpenBLAS, which NumPy and SciPy compute with, has kernels of its own for each kind of
processor, and they round differently. Each kind is tried with one thread and with two.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

CORES = ("Haswell", "SkylakeX", "Zen", "Prescott")
THREADS = (1, 2)

OTHER_NAMES = {"Katmai": "Prescott"}
"""What OpenBLAS calls kernels that it compiles once for several processors."""

PROBE = """
import numpy as np, scipy.linalg
from threadpoolctl import threadpool_info
A = np.random.default_rng(0).normal(size=(300, 300))
for B in (A, A.astype(np.float32)):
    assert np.isfinite(scipy.linalg.solve(B @ B.T + 300 * np.eye(300), B @ B[0])).all()
print(*{library.get("architecture") for library in threadpool_info()
        if library["internal_api"] == "openblas"})
"""
"""Computes a little, and prints which kernels did."""


def environment(core: str, threads: int) -> dict[str, str]:
    """The environment in which a kind of kernels computes on some threads."""
    number = str(threads)
    return {
        **os.environ,
        "OPENBLAS_CORETYPE": core,
        "OPENBLAS_NUM_THREADS": number,
        "OMP_NUM_THREADS": number,
    }


def why_not(core: str) -> str:
    """Why this machine cannot compute with a kind of kernels; nothing if it can."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env=environment(core, 1),
        capture_output=True,
        text=True,
    )
    if done.returncode < 0:
        return "the processor cannot run them"
    found = {OTHER_NAMES.get(name, name) for name in done.stdout.split()}
    if done.returncode or found != {core}:
        return f"this OpenBLAS computes with those of {', '.join(sorted(found))}"
    return ""


def main(words: list[str]) -> int:
    """Run pytest under every kind of kernels; the number of runs that failed."""
    failed = 0
    workers = os.cpu_count() or 1
    for core in CORES:
        reason = why_not(core)
        if reason:
            print(f"{core}: skipped, {reason}", flush=True)
            continue
        for threads in THREADS:
            pytest = [sys.executable, "-m", "pytest", "-q"]
            pytest += ["-n", str(max(1, workers // threads)), *words]
            began = time.monotonic()
            done = subprocess.run(pytest, env=environment(core, threads))
            failed += done.returncode != 0
            end = "failed" if done.returncode else "passed"
            minutes = (time.monotonic() - began) / 60
            print(f"{core}, {threads} threads: {end}, {minutes:.0f} min", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
