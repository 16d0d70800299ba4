"""``salutary cache``: what it shows is what the store holds, and what it removes."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from salutary.cli.main import main
from salutary.deep import vectors
from salutary.deep.vectors import FILE, open_store

pytest.importorskip("platformdirs", reason="needs salutary[text]")
TODAY = date.today() - date(1970, 1, 1)


def stored(folder: Path, age: int, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep vectors of 1,024 bytes that were last used so many days ago."""
    with monkeypatch.context() as patch, open_store(folder) as store:
        patch.setattr(vectors, "_today", lambda: (TODAY - timedelta(age)).days)
        keys = [f"{age} {number}".encode() for number in range(n)]
        store.add(keys, np.ones((n, 256), np.float32))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with 400 vectors, of today, of ten and of eighty days ago."""
    for age, n in ((0, 50), (10, 150), (80, 200)):
        stored(tmp_path / "store", age, n, monkeypatch)
    return tmp_path / "store"


Show = Callable[..., dict[str, object]]


@pytest.fixture
def show(store: Path, capsys: pytest.CaptureFixture[str]) -> Show:
    def show(*words: str) -> dict[str, object]:
        main(["cache", "--embedding-cache", str(store), "--json", *words])
        found: dict[str, object] = json.loads(capsys.readouterr().out)
        return found

    return show


def test_it_shows_where_the_store_is_and_what_it_holds(show: Show, store: Path) -> None:
    found = show()
    assert found["file"] == str(store / FILE)
    assert found["vectors"] == 400
    assert found["last_used"] == date.today().isoformat()
    assert found["first_used"] == (date.today() - timedelta(80)).isoformat()
    assert 400 * 1024 < int(str(found["bytes"])) <= (store / FILE).stat().st_size


def test_it_is_shown_in_words(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["cache", "--embedding-cache", str(store)])
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{store / FILE}: 400 vectors, 0.")
    assert first.endswith(" MiB")
    assert second.endswith(f" and {date.today().isoformat()}")


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["--clear"], 0),
        (["--max-age", "0"], 50),
        (["--max-age", "10"], 200),
        (["--max-age", "79"], 200),
        (["--max-age", "80"], 400),
        (["--max-size", "1"], 400),
    ],
    ids=str,
)
def test_what_is_removed_gives_its_room_back(
    words: list[str], left: int, show: Show, store: Path
) -> None:
    before = (store / FILE).stat().st_size
    assert show(*words)["vectors"] == show()["vectors"] == left
    after = (store / FILE).stat().st_size
    assert after == before if left == 400 else after < before * (left + 40) / 400


def test_a_size_removes_what_was_not_used_for_longest(show: Show) -> None:
    found = show("--max-size", "0.0002")  # 215 KB
    assert 100 < int(str(found["vectors"])) < 190
    assert found["first_used"] == (date.today() - timedelta(10)).isoformat()
    assert int(str(found["bytes"])) <= 0.0002 * 2**30


def test_a_store_that_is_not_there_is_empty_and_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([], ["--clear"]):
        main(["cache", "--embedding-cache", str(tmp_path / "none"), *words])
        assert capsys.readouterr().out.endswith(": 0 vectors, 0.0 MiB\n")
    assert not (tmp_path / "none").exists()


def test_without_a_folder_it_is_the_users_own(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(vectors, "default_folder", lambda: tmp_path / "own")
    main(["cache"])
    assert capsys.readouterr().out.startswith(str(tmp_path / "own" / FILE))


@pytest.mark.parametrize(
    "words",
    [
        ["--max-age", "-1"],
        ["--max-size", "0"],
        ["--max-size", "nan"],
        ["--clear", "--max-age", "3"],
        ["--clear", "--max-size", "3"],
    ],
    ids=" ".join,
)
def test_limits_that_are_none_are_refused(
    words: list[str], show: Show, store: Path, refusal: Callable[[list[str]], str]
) -> None:
    refusal(["cache", "--embedding-cache", str(store), *words])
    assert show()["vectors"] == 400


def test_a_damaged_store_is_refused(
    tmp_path: Path, refusal: Callable[[list[str]], str]
) -> None:
    (tmp_path / FILE).write_text("no store")
    line = refusal(["cache", "--embedding-cache", str(tmp_path), "--clear"])
    assert f"{tmp_path / FILE}: cannot be used" in line
