"""A headless Chromium, driven from Python."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
)


def missing() -> str | None:
    """What a browser test lacks here; None if nothing."""
    for name in ("selenium", "axe_core_python"):
        if find_spec(name) is None:
            return f"needs the package {name.replace('_', '-')}"
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return f"needs {program}, of Debian's chromium and chromium-driver"
    return None


@contextmanager
def chromium() -> Iterator[Any]:
    """A driver of a browser that notes what it fetches and what its console says."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in FLAGS:
        options.add_argument(flag)
    logs = {"browser": "ALL", "performance": "ALL"}
    options.set_capability("goog:loggingPrefs", logs)
    service = Service(str(shutil.which("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def look(
    driver: Any, page: Path, width: int = 1280, dark: bool = False, script: bool = True
) -> None:
    """Open a page in a window of a width, light or dark, with scripts or without."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1}
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {**size, "mobile": width < 600}
    )
    driver.execute_cdp_cmd(
        "Emulation.setScriptExecutionDisabled", {"value": not script}
    )
    driver.get(page.resolve().as_uri())


def requests(driver: Any) -> list[str]:
    """What the browser asked for since this was last asked.

    What stands in the page itself, as an address that begins with data:, is not asked
    of anyone.
    """
    entries = (json.loads(row["message"]) for row in driver.get_log("performance"))
    asked = [
        entry["message"]["params"]["request"]["url"]
        for entry in entries
        if entry["message"]["method"] == "Network.requestWillBeSent"
    ]
    return [address for address in asked if not address.startswith("data:")]


def picture(driver: Any, height: int | None = None, top: int = 0) -> bytes:
    """A PNG of the page, of a part of it if a height is given."""
    size = driver.execute_script(
        "const of = document.documentElement;return [of.clientWidth, of.scrollHeight]"
    )
    clip = {"x": 0, "y": top, "width": size[0], "height": height or size[1], "scale": 1}
    found = driver.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
    )
    return base64.b64decode(found["data"])


def axe() -> str:
    """The script that checks a page for accessibility."""
    spec = find_spec("axe_core_python")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "axe.min.js").read_text("utf-8")
