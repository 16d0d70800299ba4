"""Fetching from UCI and Hugging Face, or a server that answers as they do."""

import re
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest

from salutary.errors import InputError
from salutary_benchmark.data import fetching
from salutary_benchmark.data.catalog import DATA_SETS
from salutary_benchmark.data.fetching import RETRIES, FetchError, cache, fetch
from salutary_benchmark.data.loading import content_sha256, load

WINE = "/uci/186/wine+quality.zip"
BANK = "/uci/222/bank+marketing.zip"
ELECTRIC = "/uci/471/electrical+grid+stability+simulated+data.zip"
DIABETIC = "/uci/296/diabetes+130-us+hospitals+for+years+1999-2008.zip"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited between tries, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr("pooch.core.time.sleep", waited.append)
    return waited


def csv(frame: pd.DataFrame, sep: str = ",") -> bytes:
    return frame.to_csv(sep=sep, index=False).encode()


def zipped(**members: bytes) -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def wine_zip(frame: pd.DataFrame) -> bytes:
    """The archive as UCI publishes it, of a table as the folder has it."""
    table = frame.rename(columns={"label": "quality"})
    return zipped(
        **{
            f"winequality-{color}.csv": csv(
                table[table["color"] == color].drop(columns="color"), ";"
            )
            for color in ("white", "red")
        }
    )


def bank_zip(frame: pd.DataFrame) -> bytes:
    inner = zipped(
        **{
            "bank-additional/bank-additional.csv": b"an excerpt",
            "bank-additional/bank-additional-full.csv": csv(
                frame.rename(columns={"label": "y"}), ";"
            ),
        }
    )
    return zipped(**{"bank.zip": b"the older one", "bank-additional.zip": inner})


def electric_zip(frame: pd.DataFrame) -> bytes:
    sign = np.where(frame["label"] == "stable", -0.5, 0.5)
    table = frame.rename(columns={"label": "stabf"})
    table.insert(len(table.columns) - 1, "stab", sign)
    return zipped(**{"Data_for_UCI_named.csv": csv(table)})


def diabetic_zip(frame: pd.DataFrame) -> bytes:
    table = frame.rename(columns={"label": "readmitted"})
    return zipped(**{"diabetic_data.csv": csv(table), "IDS_mapping.csv": b"codes"})


SOME_WINE = pd.DataFrame(
    {
        "pH": [3.51, 3.2, 3.26, 3.0],
        "alcohol": [9.4, 9.8, 9.8, 10.0],
        "color": ["red", "red", "red", "white"],
        "label": [5, 5, 6, 9],
    }
)
SOME_BANK = pd.DataFrame(
    {
        "age": [56, 57, 37],
        "job": ["housemaid", "unknown", "services"],
        "duration": [261, 149, 226],
        "label": ["no", "no", "yes"],
    }
)
SOME_PAIRS = pd.DataFrame(
    {
        "sentence1": ["No WMD found.", "A café — opened."],
        "sentence2": ["WMD found.", "It opened."],
        "label": [1, 0],
        "idx": [0, 1],
    }
)


def test_wine_is_fetched_in_both_colors(publisher: Any) -> None:
    publisher.files[WINE] = wine_zip(SOME_WINE)
    pd.testing.assert_frame_equal(fetch("wine"), SOME_WINE)


def test_bank_is_fetched_from_the_archive_within_the_archive(
    publisher: Any,
) -> None:
    publisher.files[BANK] = bank_zip(SOME_BANK)
    pd.testing.assert_frame_equal(fetch("bank"), SOME_BANK)


def test_pairs_of_texts_are_fetched_part_by_part(publisher: Any) -> None:
    root = "/hf/nyu-mll/glue/resolve/main/rte"
    publisher.files = {
        f"{root}/train-00000-of-00001.parquet": parquet(SOME_PAIRS),
        f"{root}/validation-00000-of-00001.parquet": parquet(SOME_PAIRS[::-1]),
    }
    found = fetch("rte")
    assert list(found) == ["text", "text_b", "label", "split"]
    assert found["text"].tolist() == [
        *SOME_PAIRS["sentence1"],
        *SOME_PAIRS["sentence1"][::-1],
    ]
    assert found["text_b"].tolist()[:2] == SOME_PAIRS["sentence2"].tolist()
    assert found["label"].tolist() == [1, 0, 0, 1]
    assert found["split"].tolist() == ["train"] * 2 + ["validation"] * 2
    assert found.index.tolist() == [0, 1, 2, 3]


def test_a_second_fetch_reads_the_cache(publisher: Any, tmp_path: Path) -> None:
    publisher.files[WINE] = wine_zip(SOME_WINE)
    first = fetch("wine")
    publisher.files.clear()
    pd.testing.assert_frame_equal(fetch("wine"), first)
    assert publisher.asked == [WINE]
    assert any(path.is_file() for path in (tmp_path / "cache").rglob("*.zip"))


@pytest.mark.parametrize("failures", [1, RETRIES])
def test_a_server_that_is_busy_at_first_is_asked_again(
    failures: int, publisher: Any, waits: list[float]
) -> None:
    publisher.files[WINE] = wine_zip(SOME_WINE)
    publisher.failures = failures
    pd.testing.assert_frame_equal(fetch("wine"), SOME_WINE)
    assert publisher.asked == [WINE] * (failures + 1)
    assert waits == list(range(1, failures + 1))


def test_a_server_that_stays_busy_is_given_up(
    publisher: Any, waits: list[float], tmp_path: Path
) -> None:
    publisher.failures = 100
    with pytest.raises(FetchError, match="503"):
        fetch("wine")
    assert len(publisher.asked) == 1 + RETRIES
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.usefixtures("waits")
def test_a_server_out_of_reach_is_answered_with_what_to_do_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SALUTARY_CACHE", str(tmp_path))
    monkeypatch.setattr(fetching, "UCI", "http://127.0.0.1:9")
    with pytest.raises(FetchError, match="cannot be downloaded") as told:
        fetch("wine")
    assert "\n" not in str(told.value)
    with pytest.raises(InputError) as refused:
        load(DATA_SETS["wine"], None)
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith("wine: cannot be downloaded (")
    assert message.endswith(
        "; put wine_quality.parquet in a folder and pass it as --data or in "
        "SALUTARY_DATA"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"<html>Sign in to this network</html>",
        b"",
        wine_zip(SOME_WINE)[:-40],
        zipped(**{"readme.txt": b"moved"}),
        zipped(**{"winequality-red.csv": b"", "winequality-white.csv": b""}),
        zipped(**{"winequality-red.csv": b"a;b", "winequality-white.csv": b"a;b"}),
    ],
    ids=["a page", "nothing", "cut short", "other files", "empty", "other columns"],
)
def test_what_cannot_be_read_is_told_in_one_line(
    content: bytes, publisher: Any
) -> None:
    publisher.files[WINE] = content
    with pytest.raises(InputError, match=r"wine: cannot be downloaded \(.+\)") as told:
        load(DATA_SETS["wine"], None)
    assert "\n" not in str(told.value)


def test_what_could_not_be_read_is_fetched_anew_from_an_empty_cache(
    publisher: Any,
) -> None:
    publisher.files[WINE] = b"<html>Sign in to this network</html>"
    with pytest.raises(FetchError, match=re.escape(f"empty the cache {cache()}")):
        fetch("wine")
    shutil.rmtree(cache())
    publisher.files[WINE] = wine_zip(SOME_WINE)
    pd.testing.assert_frame_equal(fetch("wine"), SOME_WINE)


def test_a_damaged_archive_is_told_in_one_line(publisher: Any) -> None:
    buffer = BytesIO()
    with ZipFile(buffer, "w", compression=8) as archive:
        for color in ("red", "white"):
            archive.writestr(f"winequality-{color}.csv", csv(SOME_WINE, ";"))
    damaged = bytearray(buffer.getvalue())
    # After the header of 30 bytes and the name of 19: blocks of a type there is not.
    damaged[49:53] = b"\xff" * 4
    publisher.files[WINE] = bytes(damaged)
    with pytest.raises(FetchError):
        fetch("wine")


def test_other_content_than_the_catalogs_warns(publisher: Any) -> None:
    publisher.files[WINE] = wine_zip(SOME_WINE)
    with pytest.warns(UserWarning, match=r"UCI 186: is not the copy.*will differ"):
        rows = load(DATA_SETS["wine"], None)
    assert list(rows.X) == ["pH", "alcohol"]
    assert rows.y.tolist() == [0, 0, 1]


def test_other_columns_than_the_catalogs_are_told_in_one_line(
    publisher: Any,
) -> None:
    publisher.files[BANK] = bank_zip(SOME_BANK.drop(columns="duration"))
    with pytest.warns(UserWarning, match="not the copy"), pytest.raises(InputError):
        load(DATA_SETS["bank"], None)


def test_celeba_is_to_be_had_from_its_authors(publisher: Any) -> None:
    with pytest.raises(FetchError, match="get it from its authors"):
        fetch("celeba")
    with pytest.raises(InputError, match=r"celeba: .* authors; put celeba_attributes"):
        load(DATA_SETS["celeba"], None)
    assert publisher.asked == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "path", "as_published"),
    [
        ("wine", WINE, wine_zip),
        ("bank", BANK, bank_zip),
        ("electric", ELECTRIC, electric_zip),
        ("diabetic", DIABETIC, diabetic_zip),
    ],
)
def test_what_is_fetched_is_what_the_folder_has(
    name: str, path: str, as_published: object, publisher: Any, data_folder: Path
) -> None:
    data = DATA_SETS[name]
    assert callable(as_published)
    publisher.files[path] = as_published(pd.read_parquet(data_folder / data.file))
    assert content_sha256(fetch(name)) == data.fingerprint
    fetched, local = load(data, None), load(data, data_folder)
    pd.testing.assert_frame_equal(fetched.X, local.X)
    np.testing.assert_array_equal(fetched.y, local.y)


GLUE = {
    "sst2": ["sentence"],
    "cola": ["sentence"],
    "rte": ["sentence1", "sentence2"],
    "mrpc": ["sentence1", "sentence2"],
}


@pytest.mark.parametrize(
    "name",
    [
        "sst2",
        "rte",
        "cola",
        "mrpc",
    ],
)
def test_a_fetched_task_of_glue_is_what_the_folder_has(
    name: str, publisher: Any, data_folder: Path
) -> None:
    data = DATA_SETS[name]
    local = pd.read_parquet(data_folder / data.file)
    parts = {"train": local["split"] == "train"}
    parts["validation" if name != "mrpc" else "test"] = ~parts["train"]
    if name == "mrpc":
        # GLUE's training and validation parts are the authors' training part.
        rows = np.arange(len(local))
        parts["validation"] = parts["train"] & (rows >= 3668)
        parts["train"] = parts["train"] & (rows < 3668)
    table = local.rename(
        columns=dict(zip(["text", "text_b"], GLUE[name], strict=False))
    )
    for part, rows in parts.items():
        path = f"/hf/nyu-mll/glue/resolve/main/{name}/{part}-00000-of-00001.parquet"
        publisher.files[path] = parquet(
            table.loc[rows, [*GLUE[name], "label"]].assign(idx=0)
        )
    fetched, expected = load(data, None), load(data, data_folder)
    pd.testing.assert_frame_equal(fetched.X, expected.X)
    np.testing.assert_array_equal(fetched.y, expected.y)


def test_news_is_fetched_without_what_else_the_table_has(publisher: Any) -> None:
    root = "/hf/fancyzhx/ag_news/resolve/main/data"
    train = pd.DataFrame({"label": [2, 0], "text": ["Oil — up", "Peace"], "idx": 7})
    test = pd.DataFrame({"text": ["A match"], "label": [1]})
    publisher.files = {
        f"{root}/train-00000-of-00001.parquet": parquet(train),
        f"{root}/test-00000-of-00001.parquet": parquet(test),
    }
    expected = pd.DataFrame(
        {
            "text": ["Oil — up", "Peace", "A match"],
            "label": [2, 0, 1],
            "split": ["train", "train", "test"],
        }
    )
    pd.testing.assert_frame_equal(fetch("ag_news"), expected)


def test_fetched_news_is_what_the_folder_has(publisher: Any, data_folder: Path) -> None:
    data = DATA_SETS["ag_news"]
    local = pd.read_parquet(data_folder / data.file)
    # The folder has part of the training rows, in several parts.
    for part, rows in local.groupby(local["split"] == "test"):
        name = "test" if part else "train"
        publisher.files[
            f"/hf/fancyzhx/ag_news/resolve/main/data/{name}-00000-of-00001.parquet"
        ] = parquet(rows[["text", "label"]])
    fetched, expected = load(data, None), load(data, data_folder)
    pd.testing.assert_frame_equal(fetched.X, expected.X)
    np.testing.assert_array_equal(fetched.y, expected.y)
