"""A review in a real browser: by keys and mouse, killed, in two tabs, accessible.

It starts Debian's Chromium by its own driver, as tests/report/test_browser.py does.
"""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from salutary.ledgers.decisions import Decision, current_decisions
from salutary.ledgers.run_ledger import Ledger
from tests.report.browser import axe, chromium, missing, requests
from tests.report.made import HOSTILE
from tests.review.made import made_run, served

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
WHY = missing()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(WHY is not None, reason=str(WHY)),
]


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with chromium() as driver:
        driver.set_page_load_timeout(60)
        yield driver


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("review")
    text = {"review": [f"Text {row}.\nIts second line." for row in range(120)]}
    size = {"size": [str(row) for row in range(120)]}
    return made_run(folder, 120, ["bad", "fair", "good"], columns={**text, **size})


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


def held(run: Path) -> dict[int, Decision]:
    with Ledger(run / "ledger.sqlite") as ledger:
        assert ledger.is_sound()
        return current_decisions(ledger.decisions())


def until(driver: Any, condition: str) -> Any:
    """Wait until a condition in JavaScript holds, on a page whose script has run."""
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.support.ui import WebDriverWait

    script = f"return document.documentElement.dataset.ready && ({condition})"
    wait = WebDriverWait(driver, 30, 0.05, ignored_exceptions=[WebDriverException])
    return wait.until(lambda driver: driver.execute_script(script))


def open_page(driver: Any, address: str, dark: bool = False, width: int = 1280) -> None:
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1}
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {**size, "mobile": width < 600}
    )
    driver.get(address)
    until(driver, "true")


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def row(driver: Any) -> int:
    script = "return Number(document.querySelector('#label').dataset.row)"
    return int(driver.execute_script(script))


def text(driver: Any, selector: str) -> str:
    script = "return document.querySelector(arguments[0]).textContent.trim()"
    return str(driver.execute_script(script, selector))


def decided(driver: Any, count: int) -> None:
    """Wait until the page says how many labels are decided."""
    until(
        driver,
        f"document.querySelector('#progress').textContent.startsWith('{count} of 120')",
    )


def on_another_label(driver: Any, before: int) -> None:
    until(driver, f"document.querySelector('#label').dataset.row !== '{before}'")


def class_key(driver: Any, assigned: bool) -> tuple[str, str]:
    """The key and the name of the label's class, or of the first other one."""
    script = """
      const rows = [...document.querySelectorAll('#label tbody tr')];
      const is = (row) => row.classList.contains('advised');
      const row = rows.find((row) => is(row) === arguments[0]);
      return [row.querySelector('button').dataset.key,
              row.querySelector('th bdi').textContent]"""
    key, name = driver.execute_script(script, assigned)
    return key, name


def test_labels_are_decided_by_keyboard_and_undone(driver: Any, run: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    with served(run) as (address, _):
        requests(driver), driver.get_log("browser")
        open_page(driver, address)
        first = row(driver)
        press(driver, "a")
        on_another_label(driver, first)
        decided(driver, 1)
        second = row(driver)
        press(driver, "r")
        on_another_label(driver, second)
        third = row(driver)
        key, name = class_key(driver, assigned=False)
        press(driver, key)
        on_another_label(driver, third)
        fourth = row(driver)
        key, _ = class_key(driver, assigned=True)
        press(driver, key)
        on_another_label(driver, fourth)
        decided(driver, 4)
        found = held(run)
        assert {at: one.decision for at, one in found.items()} == {
            **{first: "accept", second: "reject"},
            **{third: "change", fourth: "accept"},
        }
        assert found[third].label == name
        # Undo takes back the last one from the page that followed it.
        press(driver, "u")
        until(driver, f"document.querySelector('#label').dataset.row === '{fourth}'")
        decided(driver, 3)
        press(driver, Keys.ARROW_LEFT)
        until(driver, f"document.querySelector('#label').dataset.row === '{third}'")
        assert text(driver, "#state").startswith(f"changed to {name}")
        press(driver, "u")
        decided(driver, 2)
        press(driver, Keys.ARROW_RIGHT)
        until(driver, f"document.querySelector('#label').dataset.row === '{fourth}'")
        assert set(held(run)) == {first, second}
        host = address.split("/")[2]
        assert all(asked.split("/")[2] == host for asked in requests(driver))
        assert driver.get_log("browser") == []


def test_mouse_and_switched_off_keys(driver: Any, run: Path) -> None:
    with served(run) as (address, _):
        open_page(driver, address)
        first = row(driver)
        driver.execute_script("document.querySelector('#keys').click()")
        press(driver, "a")
        press(driver, "r")
        driver.find_element("css selector", "button[data-decision=reject]").click()
        on_another_label(driver, first)
        decided(driver, 1)
        driver.execute_script("document.querySelector('#keys').click()")
        driver.find_element("css selector", "button[data-decision=undo]").click()
        decided(driver, 0)
        assert held(run) == {}


def test_the_grid_is_decided_by_keyboard(driver: Any, run: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    states = "[...document.querySelectorAll('#grid .state')].map(c => c.textContent)"
    with served(run) as (address, _):
        open_page(driver, f"{address}grid?order=assigned")
        press(driver, "a")
        decided(driver, 1)
        press(driver, "r")
        decided(driver, 2)
        press(driver, Keys.ARROW_DOWN, "3")
        decided(driver, 3)
        found = held(run)
        assert (found[0].decision, found[1].decision) == ("accept", "reject")
        assert found[3].label == "good"
        shown = driver.execute_script(f"return {states}")
        assert shown[:3] == ["accepted", "rejected", ""]
        press(driver, Keys.ARROW_UP, Keys.ARROW_UP, Keys.ARROW_UP, "u")
        decided(driver, 2)
        assert set(held(run)) == {0, 3}
        press(driver, Keys.ENTER)
        until(driver, "document.querySelector('#label')")
        assert row(driver) == 1
        press(driver, "g")
        until(driver, "document.querySelector('#grid')")


def test_a_killed_review_goes_on_where_it_was(driver: Any, run: Path) -> None:
    with served(run) as (address, process):
        open_page(driver, address)
        rows = []
        for _ in range(3):
            rows.append(row(driver))
            press(driver, "a")
            on_another_label(driver, rows[-1])
        process.send_signal(signal.SIGKILL)
        process.wait()
        press(driver, "r")
        until(driver, "!document.querySelector('#said').hidden")
        assert "Nothing was stored" in text(driver, "#said")
        open_then = row(driver)
    assert {at: one.decision for at, one in held(run).items()} == dict.fromkeys(
        rows, "accept"
    )
    with served(run) as (address, _):
        open_page(driver, address)
        decided(driver, 3)
        assert row(driver) == open_then
        press(driver, "r")
        decided(driver, 4)
    assert held(run)[open_then].decision == "reject"


def test_two_tabs_do_not_overwrite_each_other(driver: Any, run: Path) -> None:
    with served(run) as (address, _):
        open_page(driver, address)
        first, one = row(driver), driver.current_window_handle
        driver.switch_to.new_window("tab")
        open_page(driver, address)
        assert row(driver) == first
        press(driver, "r")
        on_another_label(driver, first)
        driver.close()
        driver.switch_to.window(one)
        press(driver, "a")
        until(driver, "document.querySelector('#label').dataset.decision === 'reject'")
        assert row(driver) == first
        assert "in another window meanwhile" in text(driver, "#said")
        assert text(driver, "#state").startswith("rejected")
        assert held(run)[first].decision == "reject"
        # Who has seen it may still decide otherwise.
        press(driver, "a")
        on_another_label(driver, first)
        assert held(run)[first].decision == "accept"


def test_the_grid_tells_of_another_tab_too(driver: Any, run: Path) -> None:
    with served(run) as (address, _):
        open_page(driver, f"{address}grid?order=assigned")
        one = driver.current_window_handle
        driver.switch_to.new_window("tab")
        open_page(driver, f"{address}?order=assigned&place=0")
        press(driver, "r")
        on_another_label(driver, 0)
        driver.close()
        driver.switch_to.window(one)
        press(driver, "a")
        until(driver, "document.querySelector('#grid .state').textContent")
        assert text(driver, "#grid .state") == "rejected"
        assert "in another window meanwhile" in text(driver, "#said")
        assert held(run)[0].decision == "reject"


def test_hostile_texts_do_nothing(driver: Any, tmp_path: Path) -> None:
    texts = [*HOSTILE]
    classes = [text or "empty" for text in texts]
    # A name that ends with NUL is refused wherever a table is read.
    names = [text.rstrip("\0") for text in filter(None, texts)]
    columns = dict.fromkeys(names, texts)
    run = made_run(tmp_path, len(texts), classes, ids=texts, columns=columns)
    with served(run) as (address, _):
        driver.get_log("browser")
        for page in ("?order=assigned&place=", "grid?order=assigned&page="):
            for place in range(len(texts) if "place" in page else 1):
                open_page(driver, f"{address}{page}{place}")
                assert driver.execute_script("return window.hurt") is None
                assert driver.execute_script("return document.images.length") == 0
        open_page(driver, f"{address}?order=assigned&place=0")
        key, _ = class_key(driver, assigned=False)
        press(driver, key)
        on_another_label(driver, 0)
        assert driver.get_log("browser") == []
    assert held(run)[0].label == classes[[*"123456789bcdefhij"].index(key)]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("page", ["", "grid", "?place=2&clash=1"])
def test_axe_has_no_serious_finding(
    page: str, width: int, dark: bool, driver: Any, reviewed: str
) -> None:
    open_page(driver, f"{reviewed}{page}", dark, width)
    driver.execute_script(axe())
    found = driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document).then((results) => done(results.violations));"
    )
    serious = [
        (finding["id"], [node["html"][:200] for node in finding["nodes"]][:3])
        for finding in found
        if finding["impact"] in ("serious", "critical")
    ]
    assert serious == []
    wide = "return document.documentElement.scrollWidth - window.innerWidth"
    assert driver.execute_script(wide) <= 0


@pytest.fixture(scope="module")
def reviewed(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A review in which something of each kind is decided."""
    from salutary.ledgers.decisions import NewDecision

    run = tmp_path_factory.mktemp("axe") / "run"
    shutil.copytree(made, run)
    with Ledger(run / "ledger.sqlite") as ledger:
        ledger.decide([NewDecision(row, "accept") for row in range(40)], "review")
        ledger.decide([NewDecision(row, "reject") for row in range(40, 80)], "a.csv")
    with served(run) as (address, _):
        yield address


def test_ten_thousand_labels(driver: Any, tmp_path: Path) -> None:
    run = made_run(tmp_path, 10_000)
    with served(run) as (address, _):
        open_page(driver, f"{address}grid?page=199")
        rows = "return document.querySelectorAll('#grid tbody tr').length"
        assert driver.execute_script(rows) == 50
        press(driver, "a")
        until(
            driver,
            "document.querySelector('#progress').textContent === '1 of 10000 decided'",
        )
