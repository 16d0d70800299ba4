"""Write tables whole, or with the labels of some rows changed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from salutary.files import write_whole


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table whole, as Parquet."""
    write_whole(path, lambda beside: pa.parquet.write_table(table, beside))


def _cleaned_csv(train: Path, target: str, source: dict[int, int]) -> str:
    """A .csv file with the labels of some rows taken from others."""
    limit = csv.field_size_limit(train.stat().st_size + 1)
    try:
        with train.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = (row for row in csv.reader(file) if row)
    finally:
        csv.field_size_limit(limit)
    column = header.index(target)
    labels = [row[column] for row in rows]
    for row, other in source.items():
        rows[row][column] = labels[other]
    return "".join(
        ",".join(_quoted(value) for value in row) + "\n" for row in (header, *rows)
    )


def _quoted(value: str) -> str:
    if any(mark in value for mark in ',"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


def _cleaned_json(content: str, target: str, source: dict[int, int]) -> str:
    """JSON lines with the labels of some rows taken from others."""
    decoder, rows, texts, place = json.JSONDecoder(), [], [], _skip_blank(content, 0)
    while place < len(content):
        row, end = decoder.raw_decode(content, place)
        rows.append(row)
        texts.append(content[place:end])
        place = _skip_blank(content, end)
    for row, other in source.items():
        changed = {**rows[row], target: rows[other][target]}
        texts[row] = json.dumps(changed, ensure_ascii=False)
    return "".join(f"{text}\n" for text in texts)


def _skip_blank(content: str, place: int) -> int:
    while place < len(content) and content[place].isspace():
        place += 1
    return place
