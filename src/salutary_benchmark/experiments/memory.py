"""Memory of this process."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

MEBIBYTE = 1024**2

_STATUS = Path("/proc/self/status")


def release_memory() -> None:
    """Give freed memory back to the system, if the C library can do that.

    Memory that the process keeps could be used again without showing in any peak.
    """
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return


def reset_peak_memory() -> None:
    """Reset the peak to the present memory, if the system can do that."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory() -> float:
    """Peak resident memory of the process in MiB since the reset; NaN if unknown."""
    return _resident("VmHWM:")


def memory() -> float:
    """Resident memory of the process in MiB; NaN if unknown."""
    return _resident("VmRSS:")


def _resident(field: str) -> float:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return float("nan")
    for line in lines:
        if line.startswith(field):
            return int(line.split()[1]) * 1024 / MEBIBYTE
    return float("nan")
