"""Importing salutary against importing scikit-learn's linear models."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.measure import Ratio, ratio


def _run(statement: str) -> None:
    # Compiled code is kept, as it is for anyone who imports a package twice.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", statement], check=True, env=kept)


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
