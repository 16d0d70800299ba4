"""Labels as a dataset of Hugging Face in a folder, and such folders read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from salutary.errors import InputError
from salutary.export import columns
from salutary.export.flat import HUGGING_FACE, flat_table, read_parquet, rows_of_table
from salutary.export.labeled_rows import LabeledRows
from salutary.files import write_text
from salutary.tables.conversion import as_plain

DATA = Path("data", "train.parquet")
CARD = "README.md"

CARD_TEXT = """\
---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train.parquet
tags:
- salutary
---

# Labels that no person gave

{source} assigned the {n_rows} labels of this data set by their influence on a
validation loss, in the run {run}. The columns that start with `salutary_` are the
run's: `salutary_label` is the label, and the others say where it comes from. What
people say of these labels is in `reviewed` and `reviewed_label`, for {n_reviewed} rows;
both are empty where nobody has decided. All other columns are the rows' own.
"""
"""What the folder says about itself. Nothing of the user's tables stands in it."""


def write(rows: LabeledRows, folder: Path) -> None:
    """Write a Parquet file and a dataset card into a new folder.

    Parameters
    ----------
    rows : LabeledRows
    folder : Path
    """
    own = rows.typed()
    plain = pa.table([as_plain(values) for values in own.columns], own.column_names)
    table = flat_table(rows, plain)
    for name in (columns.LABEL, columns.REVIEWED_LABEL):
        codes = [
            None if label is None else rows.classes.index(label)
            for label in table[name].to_pylist()
        ]
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(codes, pa.int64()))
    of_class = {"names": list(rows.classes), "_type": "ClassLabel"}
    features = {columns.LABEL: of_class, columns.REVIEWED_LABEL: of_class}
    noted = json.dumps({"info": {"features": features}})
    table = table.replace_schema_metadata({HUGGING_FACE: noted})
    (folder / DATA).parent.mkdir()
    pa.parquet.write_table(table, (folder / DATA).absolute())
    text = CARD_TEXT.format(
        source=rows.given[columns.SOURCE][0].as_py(),
        n_rows=table.num_rows,
        run=rows.run,
        n_reviewed=rows.n_reviewed,
    )
    write_text(folder / CARD, text)


def read(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The rows of a folder of Parquet files, or of one by `Dataset.save_to_disk`.

    Yields
    ------
    path : Path
        The file of the row.
    row : dict

    Raises
    ------
    InputError
    """
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".parquet", ".arrow") and path.is_file()
    ]
    if not files:
        raise InputError(f"{folder}: holds no .parquet or .arrow file; pass another")
    for path in files:
        read = read_parquet if path.suffix == ".parquet" else _read_arrow
        yield from ((path, row) for row in read(path))


def _read_arrow(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with pa.OSFile(str(path.absolute())) as file:
            table = pa.ipc.open_stream(file).read_all()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read: {error}; save it again") from None
    yield from rows_of_table(path, table)
