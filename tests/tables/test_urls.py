"""Tables at URLs: the same as from disk, in few requests, and refused in one line."""

import sys
from collections.abc import Iterator
from importlib.metadata import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from salutary.errors import InputError
from salutary.tables import parquet
from salutary.tables.batches import (
    may_have_many_rows,
    read_rows,
    stamp,
    table_batches,
)
from salutary.tables.fetched import PACKAGES, bare
from salutary.tables.formats import file_sha256, read_table
from salutary.tables.urls import local_path, table_at
from salutary.tables.writing import write_table
from tests.served import Served, serving

fsspec = pytest.importorskip("fsspec")

needs_http = pytest.mark.skipif(
    find_spec("aiohttp") is None, reason="fsspec reads from the web with aiohttp"
)

ROWS = pa.table(
    {
        "number": np.arange(40) / 8,
        "text": [f"text, {row}" for row in range(40)],
        "code": [f"{row:03}" for row in range(40)],
    }
)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as served:
        yield served


@pytest.fixture
def bucket() -> Iterator[str]:
    """An empty folder of a store that lists its folders."""
    store = fsspec.filesystem("memory")
    store.rm("/", recursive=True) if store.store else None
    yield "memory://bucket"
    store.store.clear()
    store.pseudo_dirs[:] = [""]


def put(url: str, content: bytes) -> None:
    with fsspec.open(url, "wb") as file:
        file.write(content)


def put_parquet(url: str, rows: pa.Table, **options: int) -> None:
    with fsspec.open(url, "wb") as file:
        pq.write_table(rows, file, **options)


def refused(url: str) -> str:
    with pytest.raises(InputError) as found:
        read_table(table_at(url))
    assert "\n" not in str(found.value)
    return str(found.value)


WRITTEN = [
    *("rows.csv", "rows.csv.gz", "rows.tsv", "rows.jsonl", "rows.jsonl.gz"),
    *("rows.parquet", "rows.feather", "rows.arrow"),
]


@needs_http
@pytest.mark.slow
@pytest.mark.parametrize("name", WRITTEN)
def test_a_table_is_the_same_as_from_disk_in_any_format(
    web: Served, tmp_path: Path, name: str
) -> None:
    local, remote = tmp_path / name, table_at(f"{web.url}/{name}")
    write_table(ROWS, local)
    assert read_table(remote) == read_table(local)
    assert read_table(remote, ["code"]) == read_table(local, ["code"])
    parts = [batch.rows for batch in table_batches(remote)]
    assert pa.concat_tables(parts) == read_table(local)
    assert file_sha256(remote) == file_sha256(local)
    assert may_have_many_rows(remote) == may_have_many_rows(local)
    wanted = np.array([7, 39, 0])
    assert read_rows(remote, wanted, ()) == read_rows(local, wanted, ())


@needs_http
def test_so_is_a_workbook(web: Served, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [("a", "b"), (1, "x"), (2, "y")]:
        book.active.append(row)
    book.save(tmp_path / "rows.xlsx")
    remote = table_at(f"{web.url}/rows.xlsx")
    assert read_table(remote) == read_table(tmp_path / "rows.xlsx")


def test_a_folder_is_read_by_name_and_nothing_else_in_it(
    bucket: str, tmp_path: Path
) -> None:
    for start in (30, 0, 10, 20):
        part = ROWS.slice(start, 10)
        put_parquet(f"{bucket}/pool/{start:02}.parquet", part, row_group_size=4)
        pq.write_table(part, tmp_path / f"{start:02}.parquet")
    for name in ("_SUCCESS", "00.parquet.crc", "readme.txt", "deeper/00.parquet"):
        put(f"{bucket}/pool/{name}", b"no table")
    for url in (f"{bucket}/pool", f"{bucket}/pool/"):
        folder = table_at(url)
        assert read_table(folder) == read_table(tmp_path) == ROWS
        found = [(str(batch.file), batch.first) for batch in table_batches(folder)]
        assert found[0] == (f"{bucket}/pool/00.parquet", 0)
        assert {file for file, _ in found} == {
            f"{bucket}/pool/{start:02}.parquet" for start in (0, 10, 20, 30)
        }
    put_parquet(f"{bucket}/pool/00.parquet", ROWS.slice(0, 10))
    pq.write_table(ROWS.slice(0, 10), tmp_path / "00.parquet")
    for start in (10, 20, 30):
        fsspec.filesystem("memory").rm(f"{bucket}/pool/{start}.parquet")
        (tmp_path / f"{start}.parquet").unlink()
    assert file_sha256(table_at(f"{bucket}/pool")) == file_sha256(tmp_path)


def test_a_folder_without_tables_or_with_a_folder_called_so_is_refused(
    bucket: str,
) -> None:
    put(f"{bucket}/empty/readme.txt", b"none")
    assert refused(f"{bucket}/empty") == (
        f"{bucket}/empty: holds no .parquet file; pass {parquet.FORMATS}"
    )
    put(f"{bucket}/odd/rows.parquet/part", b"none")
    assert refused(f"{bucket}/odd") == (
        f"{bucket}/odd/rows.parquet: is a folder, not a .parquet file; move it "
        "elsewhere"
    )


@needs_http
@pytest.mark.parametrize("largest", [0, parquet.LARGEST_GROUP])
def test_a_pass_fetches_each_byte_once(
    web: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    monkeypatch.setattr(parquet, "LARGEST_GROUP", largest)
    values = np.random.default_rng(0).normal(size=(10, 120_000))
    rows = pa.table({f"x{place}": column for place, column in enumerate(values)})
    pq.write_table(rows, tmp_path / "rows.parquet", row_group_size=40_000)
    size = (tmp_path / "rows.parquet").stat().st_size
    remote, tail = table_at(f"{web.url}/rows.parquet"), 1 << 16
    parts = [batch.rows for batch in table_batches(remote)]
    assert pa.concat_tables(parts) == rows
    assert size <= web.sent["rows.parquet"] <= size + 3 * tail
    # Of a row group all columns at once, or each column by itself.
    assert web.requests["rows.parquet"] <= 3 + (3 if largest else 30)
    web.sent.clear()
    file_sha256(remote)
    assert web.sent["rows.parquet"] == size
    web.sent.clear()
    assert may_have_many_rows(remote)
    assert web.sent["rows.parquet"] <= tail


@pytest.mark.parametrize("place", ["disk", pytest.param("web", marks=needs_http)])
def test_no_more_than_a_row_group_is_in_memory(
    web: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    values = np.random.default_rng(0).normal(size=(4, 1 << 19))
    rows = pa.table({f"x{number}": column for number, column in enumerate(values)})
    pq.write_table(rows, tmp_path / "rows.parquet", row_group_size=1 << 15)
    rows, n_bytes = None, (tmp_path / "rows.parquet").stat().st_size
    path = tmp_path / "rows.parquet"
    if place == "web":
        path = table_at(f"{web.url}/rows.parquet")
    before, most = pa.total_allocated_bytes(), 0
    for _ in parquet.parquet_batches(path, 1 << 12):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < n_bytes / 3


@needs_http
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "no such file; check the path"),
        (401, "may not be read (401, message='Unauthorized', url='URL'); check"),
        (403, "may not be read (403, message='Forbidden', url='URL'); check"),
        (500, "cannot be fetched: 500, message='Internal Server Error', url='URL'"),
    ],
)
def test_what_a_server_refuses_is_told_in_one_line(
    web: Served, status: int, words: str
) -> None:
    web.status, url = status, f"{web.url}/rows.parquet"
    assert refused(url).startswith(f"{url}: {words.replace('URL', url)}")


@needs_http
def test_so_are_a_server_that_is_not_there_and_one_that_gives_no_parts(
    web: Served, tmp_path: Path
) -> None:
    for name in ("rows.parquet", "rows.csv.gz"):
        write_table(ROWS, tmp_path / name)
    web.in_ranges = False
    streamed = read_table(table_at(f"{web.url}/rows.csv.gz"))
    assert streamed == read_table(tmp_path / "rows.csv.gz")
    assert refused(f"{web.url}/rows.parquet") == (
        f"{web.url}/rows.parquet: the server gives this file only whole, not in parts; "
        "download it, and pass that file"
    )
    with serving(tmp_path) as gone:
        url = f"{gone.url}/rows.parquet"
    assert refused(url).startswith(f"{url}: cannot be fetched: Cannot connect to host")


@needs_http
def test_a_server_that_fails_in_the_middle_is_told_too(
    web: Served, tmp_path: Path
) -> None:
    pq.write_table(ROWS, tmp_path / "rows.parquet", row_group_size=4)
    url = f"{web.url}/rows.parquet"
    batches = parquet.parquet_batches(table_at(url), 4)
    next(batches)
    web.status = 503
    with pytest.raises(InputError, match=r"parquet: cannot be fetched: 503"):
        list(batches)


@needs_http
def test_a_damaged_file_is_told_as_one_on_disk_is(web: Served, tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 and nothing more PAR1")
    with pytest.raises(InputError) as found:
        read_table(tmp_path / "rows.parquet")
    cause = str(found.value).partition("rows.parquet: ")[2]
    assert refused(f"{web.url}/rows.parquet") == f"{web.url}/rows.parquet: {cause}"


def test_a_place_that_has_nothing_is_refused(bucket: str) -> None:
    for name in ("rows.csv", "rows.parquet", "folder"):
        url = f"{bucket}/{name}"
        assert refused(url) == f"{url}: no such file; check the path"


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("s3://bucket/rows.parquet", "fsspec[s3]"),
        ("https://host/rows.parquet", "salutary[remote]"),
        ("hf://datasets/a/b/rows.csv", "huggingface_hub"),
    ],
)
def test_a_package_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, url: str, remedy: str
) -> None:
    protocol = url.partition(":")[0]
    missing = {"class": "no_such_package.Store", "err": "Install it"}
    registry = sys.modules["fsspec.registry"]
    monkeypatch.setitem(registry.known_implementations, protocol, missing)
    monkeypatch.delitem(registry._registry, protocol, raising=False)
    assert refused(url) == (
        f"{url}: {protocol}:// needs a package (Install it); pip install '{remedy}'"
    )


def test_so_is_fsspec_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    line = refused("s3://bucket/rows.parquet")
    assert line == "fsspec.core is not installed; pip install 'salutary[remote]'"


def test_what_a_missing_package_is_to_be_installed_by_is_there() -> None:
    extras = metadata("fsspec").get_all("Provides-Extra") or []
    for protocol in ("s3", "gs", "abfs", "sftp"):
        assert protocol in extras
        assert protocol not in PACKAGES


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s4://bucket/rows.csv", "s4:// is not known; pass a path, or a URL such as"),
        ("file:///rows.csv", "is on this machine; pass its path alone"),
        ("simplecache::s3://bucket/rows.csv", "is no plain URL; pass one such as"),
    ],
)
def test_other_urls_are_refused(url: str, words: str) -> None:
    assert refused(url).startswith(f"{url}: {words}")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@host/rows.csv", "https://host/rows.csv"),
        ("https://secret@host/rows.csv", "https://host/rows.csv"),
        ("ftp://me:secret@host/rows.csv", "ftp://host/rows.csv"),
        ("https://host/rows.csv?token=secret", "https://host/rows.csv"),
        ("https://host/a?token=secret&x=rows.csv", "https://host/a"),
        ("s3://bucket/rows.csv#secret", "s3://bucket/rows.csv"),
        (
            "simplecache::https://me:secret@host/a.csv",
            "simplecache::https://host/a.csv",
        ),
    ],
)
def test_a_url_with_what_may_be_secret_is_refused_without_it(
    url: str, shown: str
) -> None:
    line = refused(url)
    assert line.startswith(f"{shown}: ")
    assert "secret" not in line.replace("a secret there", "")
    with pytest.raises(InputError, match="is a URL; pass a path on this") as found:
        local_path(url)
    assert "secret" not in str(found.value)


def test_neither_do_words_of_a_server_show_it() -> None:
    words = "403, url='https://host/rows.csv?X-Amz-Signature=secret&x=1' at me"
    assert bare(words) == "403, url='https://host/rows.csv' at me"


@needs_http
def test_credentials_come_from_the_settings_of_fsspec(
    web: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(ROWS, tmp_path / "rows.parquet")
    headers = {"Authorization": "Bearer secret"}
    monkeypatch.setitem(fsspec.config.conf, "http", {"headers": headers})
    assert read_table(table_at(f"{web.url}/rows.parquet")) == ROWS
    assert web.authorizations == {"Bearer secret"}


def test_a_path_stays_a_path() -> None:
    for text in ("rows.csv", "s3:rows.csv", "/data/a@b/rows?.csv", "hf/rows.csv"):
        assert table_at(text) == local_path(text) == Path(text)


@needs_http
@pytest.mark.parametrize("says_etag", [True, False])
def test_a_file_that_changes_has_another_stamp(
    web: Served, tmp_path: Path, says_etag: bool
) -> None:
    web.says_etag = says_etag
    (tmp_path / "rows.csv").write_text("a\n1\n")
    path = table_at(f"{web.url}/rows.csv")
    before = stamp(path)
    assert stamp(path) == before
    (tmp_path / "rows.csv").write_text("a\n2\n")
    assert (stamp(path) != before) == says_etag  # else by its size alone
    (tmp_path / "rows.csv").write_text("a\n22\n")
    assert stamp(path) != before


def test_so_has_a_folder(bucket: str) -> None:
    put_parquet(f"{bucket}/pool/0.parquet", ROWS)
    put_parquet(f"{bucket}/pool/1.parquet", ROWS)
    folder = table_at(f"{bucket}/pool")
    before = stamp(folder)
    put(f"{bucket}/pool/_SUCCESS", b"")
    assert stamp(folder) == before
    put_parquet(f"{bucket}/pool/1.parquet", ROWS)
    after = stamp(folder)
    assert after != before
    fsspec.filesystem("memory").rm(f"{bucket}/pool/0.parquet")
    assert stamp(folder) == after[1:]
