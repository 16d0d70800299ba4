"""Texts that a language model read, as people get to see them."""

import json
from pathlib import Path

import pytest

from salutary.cli.main import main
from tests.cli.test_label_texts import arguments, of_texts, tables

pytestmark = pytest.mark.slow


def test_people_see_the_text_and_the_other_columns_beside_it(
    tmp_path: Path, decoder: str
) -> None:
    for name, frame in tables(0).items():
        frame = frame.drop(columns="kind") if name == "pool" else frame
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    words = [*arguments(tmp_path), *of_texts(tmp_path, decoder)]
    main([*words, "--quiet", "--no-report"])
    for to in ("label-studio", "argilla"):
        folder = tmp_path / to
        words = ["export", str(tmp_path / "run"), "--to", to, "--out", str(folder)]
        main([*words, "--quiet"])
    pool = tables(0)["pool"]["text"]
    config = (tmp_path / "label-studio" / "labeling_config.xml").read_text("utf-8")
    assert '<Text name="text" value="$text" />' in config
    assert 'toName="text"' in config
    tasks = json.loads((tmp_path / "label-studio" / "tasks.json").read_text("utf-8"))
    records = json.loads((tmp_path / "argilla" / "records.json").read_text("utf-8"))
    for task, record in zip(tasks, records, strict=True):
        text = pool[task["data"]["salutary_row"]]
        assert task["data"]["text"] == record["fields"]["text"] == text
        assert task["data"]["columns"] == record["fields"]["columns"] == {"text": text}
        assert task["predictions"][0]["result"][0]["to_name"] == "text"
    settings = (tmp_path / "argilla" / ".argilla" / "settings.json").read_text("utf-8")
    fields = json.loads(settings)["fields"]
    assert [field["name"] for field in fields] == ["text", "columns"]
