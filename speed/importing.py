"""Importing salutary, compared with importing scikit-learn's linear models."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from speed.measure import Ratio, ratio


def _run(statement: str) -> None:
    # Compiled code may be written, as for anyone who imports a package twice.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", statement], check=True, env=kept)


def speed() -> Iterator[Ratio]:
    statements = {
        "import salutary": "import salutary",
        "first use of SalutaryClassifier": "from salutary import SalutaryClassifier",
    }
    for name, statement in statements.items():
        yield ratio(
            name,
            lambda statement=statement: _run(statement),
            "import sklearn.linear_model",
            lambda: _run("import sklearn.linear_model"),
            bound=1.1,
            pairs=11,
        )
