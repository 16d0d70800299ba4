"""Importing salutary against importing scikit-learn's linear models."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.measure import Ratio, ratio


def _import(module: str) -> None:
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)


def speed() -> Ratio:
    return ratio(
        "import salutary",
        lambda: _import("salutary"),
        "import sklearn.linear_model",
        lambda: _import("sklearn.linear_model"),
        bound=1.1,
        pairs=11,
    )
