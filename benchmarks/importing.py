"""Importing salutary against importing scikit-learn's linear models."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.measure import Ratio, ratio


def _run(statement: str) -> None:
    subprocess.run([sys.executable, "-c", statement], check=True)


def speed() -> Ratio:
    return ratio(
        "importing SalutaryClassifier",
        # `import salutary` alone defers all of its work.
        lambda: _run("from salutary import SalutaryClassifier"),
        "import sklearn.linear_model",
        lambda: _run("import sklearn.linear_model"),
        bound=1.1,
        pairs=11,
    )
