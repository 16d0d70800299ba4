"""The page in a real browser: it loads, sorts, filters and is accessible.

It starts Debian's Chromium by its own driver: ``apt-get install chromium
chromium-driver``. Without both, these tests are skipped.
"""

import numpy as np
import pytest

from salutary.report import run_page
from salutary.report.calibration import Judged
from tests.report.browser import axe, chromium, look, missing, requests
from tests.report.made import HOSTILE, frames, page

WHY = missing()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(WHY is not None, reason=str(WHY)),
]


@pytest.fixture(scope="module")
def driver():
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages by their names."""
    folder = tmp_path_factory.mktemp("pages")
    some = frames(n_labels=120, undone=20)
    names = [*HOSTILE]
    hostile = frames(n_labels=len(names), classes=names, ids=names, undone=0)
    found = {
        "plain": page(some),
        "hostile": page(hostile),
        "many": page(frames(n_labels=10_000)),
        "empty": "<!doctype html><html lang='en'><title>empty</title></html>",
    }
    for name, text in found.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in found}


@pytest.fixture
def plain(driver, pages):
    look(driver, pages["plain"])
    return driver


def rows(driver):
    """What the table shows: a list of texts for each row."""
    return driver.execute_script(
        "return [...document.querySelectorAll('#label-table tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )


def press(driver, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def focus(driver, selector):
    driver.execute_script("document.querySelector(arguments[0]).focus()", selector)


def said(driver):
    return driver.execute_script("return document.querySelector('#shown').textContent")


@pytest.mark.parametrize("name", ["plain", "hostile", "many"])
def test_it_loads_without_an_error_and_asks_for_nothing(driver, pages, name):
    requests(driver), driver.get_log("browser")
    look(driver, pages[name])
    assert driver.execute_script("return document.documentElement.dataset.ready")
    assert driver.execute_script("return window.hurt") is None
    assert requests(driver) == [pages[name].as_uri()]
    assert driver.get_log("browser") == []


def test_a_script_that_was_slipped_in_does_not_run(driver, pages, tmp_path):
    text = pages["plain"].read_text("utf-8")
    forged = tmp_path / "forged.html"
    forged.write_text(text.replace("<main>", "<main><script>window.hurt=1</script>"))
    look(driver, forged)
    assert driver.execute_script("return window.hurt") is None
    assert driver.execute_script("return document.documentElement.dataset.ready")


def test_hostile_names_are_shown(driver, pages):
    look(driver, pages["hostile"])
    text = driver.execute_script("return document.body.textContent")
    for name in ("<img src=x onerror='window.hurt = 3'>", "{{ 7 * 7 }}", "日本語 🙂"):
        assert name in text
    assert driver.execute_script("return document.images.length") == 0


def test_mistakes_among_ten_classes_fit_every_window(driver, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    classes = [f"category number {k}" for k in range(10)]
    truth = rng.integers(10, size=2000)
    before, after = rng.dirichlet(np.ones(10), (2, 2000))
    before[np.arange(1500), truth[:1500]] += 1  # hundreds on the diagonal
    judged = [Judged("held-out rows", truth, before, after)]
    monkeypatch.setattr(run_page, "judged_rows", lambda *of: judged)
    path = tmp_path / "page.html"
    path.write_text(page(frames(classes=classes)), encoding="utf-8")
    for width in (1280, 390):
        look(driver, path, width)
        (of_table,) = driver.execute_script(
            "return [...document.querySelectorAll('.matrix')].map((table) =>"
            "[table.parentElement.clientWidth, table.parentElement.scrollWidth])"
        )
        assert of_table[0] >= of_table[1]
        whole = driver.execute_script(
            "return [...document.querySelectorAll('.matrix thead span')].every("
            "(name) => name.scrollHeight <= name.clientHeight)"
        )
        assert whole


def test_it_sorts_by_keyboard(plain):
    from selenium.webdriver.common.keys import Keys

    influence = plain.execute_script(
        "return JSON.parse(document.getElementById('label-data').textContent).values[4]"
    )
    head = "#label-table thead th:nth-child(5)"
    focus(plain, f"{head} button")
    for order in ("descending", "ascending"):
        press(plain, Keys.ENTER)
        # What is shown is rounded by each row's own error, what sorts is not.
        shown = [influence[int(row[0]) - 1] for row in rows(plain)]
        assert shown == sorted(shown, reverse=order == "descending")
        sort = "return document.querySelector(arguments[0]).getAttribute('aria-sort')"
        assert plain.execute_script(sort, head) == order
        assert f"by influence, {order}" in said(plain)
    assert (
        plain.execute_script("return document.activeElement.textContent") == "influence"
    )
    count = (
        "return document.querySelectorAll('[aria-sort]:not([aria-sort=none])').length"
    )
    assert plain.execute_script(count) == 1


def test_numbers_in_ids_sort_as_numbers(plain):
    plain.execute_script(
        "document.querySelector('#label-table thead th:nth-child(2) button').click()"
    )
    assert [row[1] for row in rows(plain)[:3]] == ["row-0", "row-1", "row-2"]


def test_it_turns_pages_by_keyboard(plain):
    from selenium.webdriver.common.keys import Keys

    assert len(rows(plain)) == 50
    focus(plain, "#after")
    press(plain, Keys.ENTER, Keys.ENTER, Keys.ENTER)
    assert [row[1] for row in rows(plain)] == [f"row-{k}" for k in range(100, 120)]
    assert said(plain).startswith("Labels 101 to 120 of 120")
    focus(plain, "#first")
    press(plain, Keys.SPACE)
    assert rows(plain)[0][1] == "row-0"


def wait_for(driver, what):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 20, 0.05).until(what)


def test_it_filters_by_id_class_and_doubt(plain):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    search = plain.find_element("id", "find")
    search.send_keys("ROW-11")
    wait_for(plain, lambda driver: len(rows(driver)) == 11)
    assert {row[1] for row in rows(plain)} == {
        "row-11",
        *(f"row-{k}" for k in range(110, 120)),
    }
    assert "11 of 11 (of 120)" in said(plain)
    search.send_keys("no such id")
    wait_for(plain, lambda driver: not rows(driver))
    assert said(plain).startswith("No label is like that")
    search.send_keys(Keys.CONTROL, "a")
    search.send_keys(Keys.BACKSPACE)
    wait_for(plain, lambda driver: len(rows(driver)) == 50)
    Select(plain.find_element("id", "of-class")).select_by_visible_text("malignant")
    assert {row[2] for row in rows(plain)} == {"malignant"}
    Select(plain.find_element("id", "of-doubt")).select_by_value("4")
    assert all("undone" in row[-1] for row in rows(plain))
    expected = frames(n_labels=120, undone=20).labels
    is_both = expected["undone"] & (expected["label"] == "malignant")
    assert len(rows(plain)) == is_both.sum()


def test_without_a_script_it_is_a_plain_page(driver, pages):
    look(driver, pages["plain"], script=False)
    try:
        found = driver.find_elements("css selector", "#label-table tbody tr")
        controls = driver.find_elements("css selector", ".controls")
        assert len(found) == 50
        assert not any(control.is_displayed() for control in controls)
        assert "The first 50 of 120" in driver.find_element("id", "shown").text
    finally:
        look(driver, pages["empty"])


@pytest.mark.parametrize("width", [1280, 360])
def test_nothing_is_wider_than_the_window(driver, pages, width):
    for name in ("plain", "hostile"):
        look(driver, pages[name], width=width)
        assert driver.execute_script(
            "const of = document.documentElement;"
            "return of.scrollWidth <= of.clientWidth"
        ), name


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["plain", "hostile"])
def test_axe_has_no_serious_finding(driver, pages, name, dark):
    look(driver, pages[name], dark=dark)
    driver.execute_script(
        "for (const d of document.querySelectorAll('details')) d.open = true"
    )
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


def test_ten_thousand_labels_sort_and_turn_pages(driver, pages):
    """How soon they are ready is measured in speed/pages.py."""
    look(driver, pages["many"])
    for number in (5, 2):
        driver.execute_script(
            "document.querySelector(arguments[0]).click()",
            f"#label-table thead th:nth-child({number}) button",
        )
        assert len(rows(driver)) == 50
    driver.execute_script("document.querySelector('#last').click()")
    assert rows(driver)[-1][1] == "row-9999"
    assert said(driver).startswith("Labels 9951 to 10000 of 10000")
