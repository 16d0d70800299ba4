"""Take the pictures of docs/report.md: pages of runs in a real browser.

It needs Chromium and its driver (``apt-get install chromium chromium-driver``) and the
real data, as the run is that of docs/labeling.md.

Usage: python -m docs.report_pictures
"""

import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from docs.outputs import ROOT, prepare, printed_by
from salutary.files import write_whole
from tests.report.browser import chromium, look, picture

PICTURES = ROOT / "docs" / "images"

COMMANDS = (
    "python examples/split_bank.py bank_marketing.parquet .\n"
    "salutary label train.csv --validation val.csv --pool pool.csv --target label "
    "--out bank\n"
)

SHOWN: dict[str, dict[str, Any]] = {
    "report-top": {"width": 1280, "height": 950},
    "report-pictures": {"width": 1000, "section": "curve", "height": 1430},
    "report-table": {"width": 1280, "section": "labels", "height": 620, "dark": True},
    "report-phone": {"width": 400, "height": 1100},
}
"""Width of the window, the section to begin with, and how much of the page is taken."""


def take(page: Path) -> None:
    """Take all pictures of a page."""
    with chromium() as driver:
        for name, how in SHOWN.items():
            look(driver, page, how["width"], how.get("dark", False))
            top = 0
            if "section" in how:
                place = "return document.getElementById(arguments[0]).offsetTop"
                top = int(driver.execute_script(place, how["section"]))
            png = picture(driver, how["height"], top)
            write_whole(PICTURES / f"{name}.png", partial(_write, png))
            print(f"docs/images/{name}.png")


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        printed_by(COMMANDS, Path(name), subprocess.STDOUT)
        take(Path(name) / "bank" / "report.html")
