"""What a tool does in its process: the same work again whenever it is told to.

    python -m speed.peers.influence_loop "a loop" problem.npz found.npz

reads a problem, says that it is ready, and does the work once for each line that it
reads, such as an Enter. At the end of its input it writes what it found.
"""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np

from speed.peers.problem import Problem, read

Work = Callable[[], np.ndarray]
Way = Callable[[Problem], Work]
"""From a problem to what is timed; what it does before that is not."""


def serve(ways: Mapping[str, Way], *packages: str) -> None:
    """Serve one of the ways, which the command line names."""
    idle = _peak()
    name, source, out = sys.argv[1:]
    # What the tools print must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    work = ways[name](read(Path(source)))
    found = np.zeros(0)
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        found = work()
        print("done", file=answers, flush=True)
    versions = [f"{package} {version(package)}" for package in packages]
    np.savez(out, found=found, peak=_peak() - idle, versions=np.array(versions))


def _peak() -> int:
    """Bytes of the largest memory that this process has had, as the system says."""
    try:
        # What getrusage tells begins with the memory of the process that started this.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return largest * (1 if sys.platform == "darwin" else 1024)
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0
