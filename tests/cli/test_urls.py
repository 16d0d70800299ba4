"""The command line with tables at URLs: the same results, and no secret in them."""

import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from salutary.cli.main import main
from salutary.ledgers.run_ledger import Ledger
from salutary.pools.files import FilePool
from salutary.tables import batches
from tests.served import Served, serving
from tests.words import once

fsspec = pytest.importorskip("fsspec")

needs_http = pytest.mark.skipif(
    find_spec("aiohttp") is None, reason="fsspec reads from the web with aiohttp"
)

Refusal = Callable[[list[str]], str]


@pytest.fixture
def web(folder: Path) -> Iterator[Served]:
    with serving(folder) as served:
        yield served


@pytest.fixture
def remote(arguments: list[str], folder: Path, web: Served) -> list[str]:
    """The words that label the tables, which are at URLs."""
    out = str(folder / "run")
    return [
        word if word == out else word.replace(str(folder), web.url)
        for word in arguments
    ]


@pytest.fixture
def pool_url(folder: Path) -> Iterator[str]:
    """The pool as a folder of files in a store; the same files are in 'pool'."""
    pool, store = pd.read_csv(folder / "pool.csv"), fsspec.filesystem("memory")
    (folder / "pool").mkdir()
    for number, start in enumerate(range(0, len(pool), 20)):
        path = folder / "pool" / f"{number}.parquet"
        pool[start : start + 20].to_parquet(path, index=False, row_group_size=9)
    store.put(str(folder / "pool"), "/bucket/pool", recursive=True)
    yield "memory://bucket/pool/"
    store.store.clear()
    store.pseudo_dirs[:] = [""]


def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MANY_ROWS", 25)
    monkeypatch.setattr(batches, "BATCH_ROWS", 7)


def in_files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def report_of(run: Path) -> dict[str, object]:
    """What run.json says, but for where the tables are."""
    report = json.loads((run / "run.json").read_text())
    for table in report["data"].values():
        table["file"] = table["file"].rpartition("/")[2]
    return report


@needs_http
@pytest.mark.slow
def test_a_run_is_the_same_as_from_disk(
    remote: list[str], run: Callable[..., Path], folder: Path, web: Served
) -> None:
    main(remote)
    there = (folder / "run").rename(folder / "there")
    here = run()
    labels = "labels.parquet"
    assert (there / labels).read_bytes() == (here / labels).read_bytes()
    assert report_of(there) == report_of(here)
    for name in ("run.json", "config.toml"):
        for table in ("train", "validation", "pool"):
            assert f'"{web.url}/{table}.csv"' in (there / name).read_text()


@needs_http
@pytest.mark.slow
def test_the_file_of_options_repeats_it_and_all_else_takes_it(
    remote: list[str], folder: Path, web: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    main(remote)
    there = folder / "run"
    config = ["label", "--config", str(there / "config.toml")]
    main([*config, "--out", str(folder / "again")])
    assert report_of(folder / "again") == report_of(there)
    main(["resume", str(there), "--budget", "20"])
    assert report_of(there)["settings"]["budget"] == 20  # type: ignore[index]
    main(["report", str(there)])
    label = pq.read_table(there / "labels.parquet").to_pylist()[0]
    main(["explain", str(there), "--id", label["id"]])
    main(["export", str(there), "--to", "csv", "--out", str(folder / "labels.csv")])
    assert len(pd.read_csv(folder / "labels.csv")) == 20
    capsys.readouterr()
    main(["evaluate", str(there), f"{web.url}/validation.csv", "--json"])
    of_url = json.loads(capsys.readouterr().out)
    main(["evaluate", str(there), str(folder / "validation.csv"), "--json"])
    of_path = json.loads(capsys.readouterr().out)
    assert of_url.pop("file") == f"{web.url}/validation.csv"
    assert {**of_path, "file": None} == {**of_url, "file": None}
    for name, table in (("a.csv", web.url), ("b.csv", str(folder))):
        out = str(folder / name)
        main(["predict", str(there), f"{table}/pool.csv", "--out", out])
    assert (folder / "a.csv").read_bytes() == (folder / "b.csv").read_bytes()
    main(["check", *remote[1 : remote.index("--out")]])


@pytest.mark.slow
def test_a_large_pool_in_a_store_is_streamed(
    run: Callable[..., Path],
    folder: Path,
    pool_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few_are_many(monkeypatch)
    here, there = run("--pool", str(folder / "pool")), folder / "there"
    run("--pool", pool_url, "--out", str(there))
    labels = "labels.parquet"
    assert (there / labels).read_bytes() == (here / labels).read_bytes()
    facts = json.loads((there / "run.json").read_text())["data"]["pool"]
    assert (facts["file"], facts["rows"]) == (pool_url, 60)


@needs_http
@pytest.mark.slow
def test_a_large_pool_is_fetched_three_times(
    remote: list[str], folder: Path, web: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To hash it, to draw a sample and to encode it, as from disk."""
    few_are_many(monkeypatch)
    pool = pd.read_csv(folder / "pool.csv")
    wide = pool.assign(code=[f"{row:09}" * 5000 for row in range(len(pool))])
    wide.to_parquet(folder / "pool.parquet", row_group_size=11, compression=None)
    size = (folder / "pool.parquet").stat().st_size
    for name in ("train", "validation"):
        table = pd.read_csv(folder / f"{name}.csv")
        table.assign(code="none").to_csv(folder / f"{name}.csv", index=False)
    main(once([*remote, "--pool", f"{web.url}/pool.parquet"]))
    footers = 12 * (1 << 16)
    assert 3 * size <= web.sent["pool.parquet"] <= 3 * size + footers < 3.5 * size


AFTER_ROUND_1 = """
import os, signal
from salutary.tables import batches
batches.MANY_ROWS, batches.BATCH_ROWS = 25, 7
from salutary.ledgers.run_ledger import Ledger
commit = Ledger.commit
def killed(self, entry, *rest):
    commit(self, entry, *rest)
    if entry.round == 1:
        os.kill(os.getpid(), signal.SIGKILL)
Ledger.commit = killed
from salutary.cli.main import main
main({arguments!r})
"""


@needs_http
@pytest.mark.slow
@pytest.mark.parametrize("change", ["none", "between", "reading"])
def test_a_killed_run_goes_on_if_the_tables_are_as_they_were(
    killed: Callable[[str], None],
    remote: list[str],
    folder: Path,
    web: Served,
    monkeypatch: pytest.MonkeyPatch,
    refusal: Refusal,
    change: str,
) -> None:
    few_are_many(monkeypatch)
    pd.read_csv(folder / "pool.csv").to_parquet(folder / "pool.parquet")
    remote = once([*remote, "--pool", f"{web.url}/pool.parquet"])
    killed(AFTER_ROUND_1.format(arguments=remote))
    before = in_files(folder / "run")
    if change == "none":
        main(["resume", str(folder / "run")])
        main(once([*remote, "--out", str(folder / "whole")]))
        cut, whole = (folder / name / "labels.parquet" for name in ("run", "whole"))
        assert cut.read_bytes() == whole.read_bytes()
        return
    pool = pd.read_parquet(folder / "pool.parquet")
    append = FilePool._append

    def written(*_: object) -> int:
        pool.assign(size=pool["size"] + 1).to_parquet(folder / "pool.parquet")
        return append(*_)  # type: ignore[arg-type]

    words = "pool.parquet: is not the pool table that"
    if change == "between":
        pool.assign(size=pool["size"] + 1).to_parquet(folder / "pool.parquet")
    else:
        monkeypatch.setattr(FilePool, "_append", written)
        words = "pool.parquet: has changed while it was read; start again"
    assert f"{web.url}/{words}" in refusal(["resume", str(folder / "run")])
    assert in_files(folder / "run") == before


@needs_http
@pytest.mark.parametrize("many", [False, True])
def test_a_value_that_cannot_be_used_is_named_by_its_url_and_row(
    refusal: Refusal,
    remote: list[str],
    folder: Path,
    web: Served,
    monkeypatch: pytest.MonkeyPatch,
    many: bool,
) -> None:
    if many:
        few_are_many(monkeypatch)
    pool = pd.read_csv(folder / "pool.csv")
    pool.loc[41, "size"] = float("inf")
    pool.to_parquet(folder / "pool.parquet", row_group_size=11)
    url = f"{web.url}/pool.parquet"
    found = refusal(once([*remote, "--pool", url]))
    assert f"salutary: {url}: column 'size', row 41: infinity cannot be" in found
    assert not (folder / "run").exists()


def test_a_place_without_a_table_writes_nothing(
    refusal: Refusal, arguments: list[str], folder: Path
) -> None:
    for url in ("memory://none/pool.csv", "memory://none/pool/"):
        found = refusal(once([*arguments, "--pool", url]))
        assert found == f"salutary: {url}: no such file; check the path"
    assert not (folder / "run").exists()


OPTIONS = ["--pool", "--validation", "--costs"]


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(
    "url", ["https://me:secret@host/a.csv", "https://host/a.csv?token=secret"]
)
def test_a_secret_is_refused_and_shown_nowhere(
    refusal: Refusal, arguments: list[str], folder: Path, option: str, url: str
) -> None:
    for further in ([], ["--verbose"]):
        found = refusal(once([*arguments, option, url, *further]))
        assert found.startswith("salutary: https://host/a.csv: ")
        assert "secret" not in found.replace("a secret there", "")
    config = folder / "options.toml"
    config.write_text(f'{option[2:]} = "{url}"\n')
    place = arguments.index(option) if option in arguments else len(arguments)
    words = [*arguments[:place], *arguments[place + 2 :], "--config", str(config)]
    found = refusal(words)
    assert found.startswith("salutary: https://host/a.csv: ")
    assert "secret" not in found.replace("a secret there", "")
    assert not (folder / "run").exists()


def test_results_are_written_on_this_machine(
    refusal: Refusal, arguments: list[str], folder: Path, run_dir: Path
) -> None:
    url = "s3://bucket/out"
    words = f"salutary: {url}: is a URL; pass a path on this machine"
    for command in (
        arguments,
        ["advise", *arguments[1:10]],
        ["predict", str(run_dir), str(folder / "pool.csv")],
        ["export", str(run_dir), "--to", "csv"],
    ):
        assert refusal(once([*command, "--out", url])) == words


def test_a_ledger_does_not_name_secrets_either(refusal: Refusal, run_dir: Path) -> None:
    """Nor one that somebody else has written."""
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        options = ledger.read().facts["options"]
        url = "https://me:secret@host/pool.csv"
        ledger.set_facts(options={**options, "pool": url})
    for command in ("resume", "explain"):
        words = ["--row", "0"] if command == "explain" else []
        found = refusal([command, str(run_dir), *words])
        assert "https://host/pool.csv: " in found
        assert "secret" not in found
