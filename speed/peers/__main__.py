"""Compare salutary with other libraries, and write docs/peers.md.

    python -m speed.peers

or `make peers`, which first makes the environment of the others. Takes minutes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from salutary.files import write_text
from speed.peers.comparison import compare
from speed.peers.page import page
from speed.peers.problem import Sizes, make
from speed.peers.process import PEERS, ROOT
from speed.peers.tools import FITS, INFLUENCES, QUERIES, SALUTARY, SALUTARY_CHOICE, Tool


def write_page(
    path: Path,
    sizes: Sizes,
    influences: Sequence[Tool] = INFLUENCES,
    queries: Sequence[Tool] = QUERIES,
    fits: Sequence[Tool] = FITS,
) -> None:
    """Time the tools on a problem of these sizes, and write the page whole."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "problem.npz"
        make(sizes).write(source)
        found = compare(SALUTARY, influences, source, folder)
        picked = compare(SALUTARY_CHOICE, queries, source, folder)
        fitted = compare(SALUTARY_CHOICE, fits, source, folder)
    write_text(path, page(sizes, found, picked, fitted))


if __name__ == "__main__":
    if not PEERS.exists():
        print(f"no {PEERS.relative_to(ROOT)}: run make peers", file=sys.stderr)
        sys.exit(2)
    write_page(ROOT / "docs" / "peers.md", Sizes())
