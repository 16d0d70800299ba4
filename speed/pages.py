"""The page of a run: what it costs beside the run, and how soon a browser has it."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.report.browser import chromium, look, missing
from tests.report.made import frames, page

PAIRS = 3
SHARE = 0.1
"""What the page of the Bank run may cost, of the run's processor time without it."""

SECONDS = 2.0
"""How much later than an empty page one of 10,000 labels may be ready."""

LABEL = (
    *("label", "train.csv", "--validation", "val.csv", "--pool", "pool.csv"),
    *("--target", "label", "--quiet"),
)

EMPTY = "<!doctype html><html lang='en'><title>empty</title></html>"


def speed(folder: Path) -> Iterator[str]:
    """A line for the cost, and one for the browser if there is one."""
    yield cost(folder / "bank_marketing.parquet")
    why = missing()
    yield f"no time in a browser: {why}" if why else in_a_browser()


def cost(bank: Path) -> str:
    """Processor time of whole commands, with the page and without it, in turn."""
    split = Path(__file__).resolve().parents[1] / "examples" / "split_bank.py"
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        _run(here, [str(split), str(bank), "."])
        without, whole = [], []
        for pair in range(PAIRS):
            more = ["-m", "salutary", *LABEL, f"--out=without-{pair}", "--no-report"]
            without.append(_cpu_seconds(lambda words=more: _run(here, words)))
            words = ["-m", "salutary", *LABEL, f"--out=with-{pair}"]
            whole.append(_cpu_seconds(lambda words=words: _run(here, words)))
    alone = statistics.median(without)
    share = (statistics.median(whole) - alone) / alone
    verdict = "holds" if share <= SHARE else "MISSED"
    return (
        f"page of the Bank run: {share:.3f} of the run's processor time, at most "
        f"{SHARE} promised: {verdict} ({alone:.2f} s without it)"
    )


def in_a_browser() -> str:
    """How much later a page of 10,000 labels is ready than an empty one."""
    with tempfile.TemporaryDirectory() as name, chromium() as driver:
        texts = {"empty": EMPTY, "full": page(frames(n_labels=10_000))}
        found = {}
        for title, text in texts.items():
            path = Path(name) / f"{title}.html"
            path.write_text(text, encoding="utf-8")
            found[title] = statistics.median(
                _seconds_until_ready(driver, path) for _ in range(5)
            )
    later = found["full"] - found["empty"]
    verdict = "holds" if later <= SECONDS else "MISSED"
    return (
        f"page of 10,000 labels: ready {later:.2f} s after an empty one, at most "
        f"{SECONDS:g} promised: {verdict}"
    )


def _seconds_until_ready(driver: Any, path: Path) -> float:
    look(driver, path)
    milliseconds: float = driver.execute_script(
        "return performance.getEntriesByType('navigation')[0].domComplete"
    )
    return milliseconds / 1000


def _cpu_seconds(work: Callable[[], object]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def _run(folder: Path, words: list[str]) -> None:
    command = [sys.executable, *words]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
