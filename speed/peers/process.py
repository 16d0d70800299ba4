"""A tool in a process of its own, which works whenever it is told to."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speed.peers.tools import Tool

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".venv-peers" / "bin" / "python"

ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
}


class Failed(Exception):
    """What a tool said last when it ended before its work."""


@dataclass(frozen=True)
class Found:
    """What a tool found, and bytes of its peak memory beyond that of its imports."""

    values: np.ndarray
    peak: int
    versions: tuple[str, ...]


class Process:
    """A tool that has read the problem; see `speed.peers.serving`."""

    def __init__(self, tool: Tool, source: Path, folder: Path) -> None:
        name = f"{tool.module}-{tool.way}"
        self._out, self._errors = folder / f"{name}.npz", folder / f"{name}.txt"
        python = PEERS if tool.elsewhere else Path(sys.executable)
        module = f"speed.peers.{tool.module}"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [python, "-m", module, tool.way, source, self._out],
                cwd=ROOT,
                env={**os.environ, **ONE_THREAD},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._expect("ready")

    def run(self) -> None:
        """Have it work once."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._expect("done")

    def end(self) -> Found:
        self._process.communicate()
        if self._process.returncode:
            raise Failed(self._last_words())
        with np.load(self._out) as arrays:
            versions = tuple(str(version) for version in arrays["versions"])
            return Found(arrays["found"], int(arrays["peak"]), versions)

    def _expect(self, answer: str) -> None:
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != answer:
            self._process.communicate()
            raise Failed(self._last_words())

    def _last_words(self) -> str:
        said = self._errors.read_text(encoding="utf-8").split("\n")
        return next((line for line in reversed(said) if line.strip()), "no word")
