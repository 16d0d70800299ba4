"""Batches, the store on disk, and interruptions; the model is a function here."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salutary.deep.vectors import FILE, Vectors, embed, open_store
from salutary.errors import InputError
from salutary.progress import reporting


def vectors_of(texts: list[str]) -> Vectors:
    return np.array([[len(text), text.count("a")] for text in texts], np.float32)


def embedded(
    texts: list[str],
    encode: Callable[[list[str]], Vectors] = vectors_of,
    *,
    folder: Path | None = None,
    model: bytes = b"model",
    batch_size: int = 3,
) -> Vectors:
    return embed(
        texts,
        encode,
        model=model,
        as_bytes=str.encode,
        size=len,
        batch_size=batch_size,
        n_features=2,
        folder=folder,
    )


@given(st.lists(st.text("ab", max_size=4), min_size=1), st.integers(1, 5))
def test_every_row_gets_its_vector_and_is_encoded_once(
    texts: list[str], batch_size: int
) -> None:
    asked: list[list[str]] = []

    def encode(batch: list[str]) -> Vectors:
        asked.append(batch)
        return vectors_of(batch)

    found = embedded(texts, encode, batch_size=batch_size)
    np.testing.assert_array_equal(found, vectors_of(texts))
    assert found.dtype == np.float32
    flat = [text for batch in asked for text in batch]
    assert sorted(flat) == sorted(set(texts))
    assert max(map(len, asked)) <= batch_size
    assert flat == sorted(flat, key=len, reverse=True)


def nothing(batch: list[str]) -> Vectors:
    raise AssertionError(f"encoded again: {batch}")


def test_vectors_are_kept_by_model_and_content(tmp_path: Path) -> None:
    first = embedded(["a", "bb"], folder=tmp_path)
    again = embedded(["bb", "a", "bb"], nothing, folder=tmp_path)
    np.testing.assert_array_equal(again, first[[1, 0, 1]])
    with pytest.raises(AssertionError, match="encoded again"):
        embedded(["a"], nothing, folder=tmp_path, model=b"other")
    with pytest.raises(AssertionError, match=r"again: \['c'\]"):
        embedded(["a", "c"], nothing, folder=tmp_path)


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    embedded(["a"])
    with pytest.raises(AssertionError, match="encoded again"):
        embedded(["a"], nothing)
    assert list(tmp_path.iterdir()) == []


def test_progress_is_of_the_rows_that_are_missing(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    with reporting(lambda done, total: seen.append((done, total))):
        embedded(list("abcd"), folder=tmp_path)
        embedded(list("abcde"), folder=tmp_path)
    embedded(["x"])
    assert seen == [(3, 4), (4, 4), (1, 1)]


def test_two_processes_may_write_at_once(tmp_path: Path) -> None:
    with open_store(tmp_path) as one, open_store(tmp_path) as other:
        one.add([b"a"], np.array([[1.0]], np.float32))
        other.add([b"a", b"b"], np.array([[5.0], [2.0]], np.float32))
        found = one.get([b"a", b"b", b"c"], 1)
        assert {key: float(v[0]) for key, v in found.items()} == {b"a": 5.0, b"b": 2.0}


@pytest.mark.parametrize(
    "value", [b"", b"\0" * 7, b"\0" * 4, b"\xff" * 8, "text", 5, None], ids=repr
)
def test_a_damaged_vector_is_made_anew(tmp_path: Path, value: object) -> None:
    first = embedded(["a", "bb"], folder=tmp_path)
    with sqlite3.connect(tmp_path / FILE) as connection:
        if value is not None:
            connection.execute("UPDATE vectors SET vector = ?", (value,))
        else:
            connection.execute("DELETE FROM vectors")
    connection.close()
    np.testing.assert_array_equal(embedded(["a", "bb"], folder=tmp_path), first)
    np.testing.assert_array_equal(
        embedded(["a", "bb"], nothing, folder=tmp_path), first
    )


def test_what_is_not_finite_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="returns vectors that are not finite"):
        embedded(["a"], lambda batch: np.full((1, 2), np.nan, np.float32),
                 folder=tmp_path)  # fmt: skip
    embedded(["a"], folder=tmp_path)


def test_a_store_in_use_is_not_to_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded(["a"], folder=tmp_path)
    monkeypatch.setattr("salutary.deep.vectors.LOCK_TIMEOUT", 0.1)
    writer = sqlite3.connect(tmp_path / FILE)
    writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(InputError, match=r"locked\); wait for the process"):
        embedded(["b"], folder=tmp_path)
    writer.close()


def test_a_full_disk_asks_for_room_and_not_for_the_store(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs a limit of file sizes")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    embedded(["a"], folder=tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        with pytest.raises(InputError, match="; make room on the disk") as caught:
            embedded([str(number) for number in range(2_000)], folder=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "delete" not in str(caught.value)
    embedded(["a", "b"], folder=tmp_path)


def test_a_damaged_store_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database at all, whatever its name" * 30)
    with pytest.raises(InputError, match=rf"{FILE}: cannot be used .*; delete it"):
        embedded(["a"], folder=tmp_path)


def test_a_store_damaged_within_is_to_be_deleted_too(tmp_path: Path) -> None:
    embedded([str(number) for number in range(500)], folder=tmp_path)
    content = bytearray((tmp_path / FILE).read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(InputError, match=r"malformed\); delete it"):
        embedded(["a"], folder=tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be created"):
        embedded(["a"], folder=tmp_path / "file" / "below")


KILLED = """
import os, signal, sys
import numpy as np
from pathlib import Path
from salutary.deep.vectors import embed

def encode(batch):
    if "13" in batch:
        os.kill(os.getpid(), signal.SIGKILL)
    return np.array([[float(text)] for text in batch], np.float32)

embed([str(n) for n in range(30)], encode, model=b"m", as_bytes=str.encode,
      size=lambda text: -int(text), batch_size=1, n_features=1,
      folder=Path(sys.argv[1]))
"""


def test_a_killed_process_loses_no_batch_it_has_made(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert run.returncode == -signal.SIGKILL
    with sqlite3.connect(tmp_path / FILE) as connection:
        (kept,) = connection.execute("SELECT count(*) FROM vectors").fetchone()
    connection.close()
    assert kept == 13
    again: list[str] = []

    def encode(batch: list[str]) -> Vectors:
        again.extend(batch)
        return np.array([[float(text)] for text in batch], np.float32)

    found = embed(
        [str(n) for n in range(30)],
        encode,
        model=b"m",
        as_bytes=str.encode,
        size=lambda text: -int(text),
        batch_size=1,
        n_features=1,
        folder=tmp_path,
    )
    assert again == [str(n) for n in range(13, 30)]
    assert found[:, 0].tolist() == list(range(30))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be"):
        embedded(["a"], folder=tmp_path)


def texts_of(day: int, n: int = 60) -> list[str]:
    return [f"{day} {'a' * number}" for number in range(n)]


def test_a_store_that_is_too_large_loses_what_was_not_used_for_longest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("salutary.deep.vectors.LARGEST_STORE", 200_000)
    sizes = {}

    def stored(day: int, texts: list[str]) -> int:
        """Embed at a day; the number of texts that the store lacked."""
        asked: list[str] = []

        def encode(batch: list[str]) -> Vectors:
            asked.extend(batch)
            return np.ones((len(batch), 256), np.float32)

        monkeypatch.setattr("salutary.deep.vectors._today", lambda: day)
        embed(
            texts,
            encode,
            model=b"model",
            as_bytes=str.encode,
            size=len,
            batch_size=9,
            n_features=256,
            folder=tmp_path,
        )
        sizes[day] = (tmp_path / FILE).stat().st_size
        return len(asked)

    assert stored(1, texts_of(1)) == 60
    assert stored(2, texts_of(2)) == 60
    assert stored(3, texts_of(1)) == 0  # used again, after those of day 2
    assert stored(4, texts_of(4)) == 60
    assert max(sizes.values()) < 200_000 + 9 * 2_000
    assert stored(5, texts_of(1)) <= 5  # a third had to go, nearly all of day 2
    assert stored(5, texts_of(2)) == 60
    for day in range(6, 12):
        stored(day, texts_of(day))
        assert sizes[day] <= 200_000 + 60 * 1_200


def test_a_store_of_before_is_read_and_grows(tmp_path: Path) -> None:
    first = embedded(["a", "bb"], folder=tmp_path)
    with sqlite3.connect(tmp_path / FILE) as connection:
        rows = connection.execute("SELECT key, vector FROM vectors").fetchall()
        connection.execute("DROP TABLE vectors")
        connection.execute(
            "CREATE TABLE vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) "
            "WITHOUT ROWID"
        )
        connection.executemany("INSERT INTO vectors VALUES (?, ?)", rows)
    connection.close()
    again = embedded(["a", "bb"], nothing, folder=tmp_path)
    np.testing.assert_array_equal(again, first)
    embedded(["ccc"], folder=tmp_path)
    embedded(["a", "ccc"], nothing, folder=tmp_path)
    embedded(["bb"], nothing, folder=tmp_path)  # not removed as if of long ago


def test_a_vector_that_was_not_used_for_ninety_days_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(day: int) -> None:
        monkeypatch.setattr("salutary.deep.vectors._today", lambda: day)

    at(1_000)
    embedded(["a", "bb"], folder=tmp_path)
    at(1_050)
    embedded(["a"], nothing, folder=tmp_path)
    at(1_090)
    embedded(["ccc"], folder=tmp_path)  # after ninety days, "bb" is still there
    embedded(["bb"], nothing, folder=tmp_path)
    at(1_141)
    embedded(["ccc"], nothing, folder=tmp_path)
    embedded(["bb"], nothing, folder=tmp_path)
    with pytest.raises(AssertionError):
        embedded(["a"], nothing, folder=tmp_path)
