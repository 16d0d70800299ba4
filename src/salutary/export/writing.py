"""Labels of a run out, in a format that the user names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from salutary.errors import InputError
from salutary.export import argilla, hugging_face, label_studio
from salutary.export.flat import write_csv, write_json_lines, write_parquet
from salutary.export.labeled_rows import read_labeled_rows
from salutary.files import write_folder
from salutary.names import ExportFormat


@dataclass(frozen=True)
class Exported:
    """What was written.

    Parameters
    ----------
    path : Path
    format : str
    labels : int
    reviewed : int
        How many of the labels people have decided about.
    """

    path: Path
    format: ExportFormat
    labels: int
    reviewed: int

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON holds it."""
        return {
            "path": str(self.path),
            "format": self.format,
            "labels": self.labels,
            "reviewed": self.reviewed,
        }


def export_labels(
    run_dir: Path,
    to: ExportFormat,
    out: Path,
    *,
    all_influences: bool = False,
    user: str | None = None,
) -> Exported:
    """Write the labels of a run with the rows' own columns, whole or not at all.

    Parameters
    ----------
    run_dir : Path
        Directory of a run of label, relabel or finetune, finished or not.
    to : {"label-studio", "argilla", "huggingface", "csv", "jsonl", "parquet"}
    out : Path
        A file, or for the first three a folder, that is not there yet.
    all_influences : bool, default=False
        Whether to write the influence of every class.
    user : str, optional
        For Argilla, id of the user whose responses people's decisions become.

    Raises
    ------
    InputError
    """
    if user is not None:
        user = _checked_user(user, to)
    if out.exists() or out.is_symlink():
        raise InputError(f"{out}: is there already; remove it, or pass another --out")
    rows = read_labeled_rows(run_dir, all_influences=all_influences)
    files = {"csv": write_csv, "jsonl": write_json_lines, "parquet": write_parquet}
    if to in files:
        files[to](rows, out)
    elif to == "argilla":
        write_folder(out, lambda beside: argilla.write(rows, beside, user))
    else:
        folder = label_studio if to == "label-studio" else hugging_face
        write_folder(out, lambda beside: folder.write(rows, beside))
    return Exported(out, to, len(rows.given), rows.n_reviewed)


def _checked_user(user: str, to: ExportFormat) -> str:
    if to != "argilla":
        raise InputError(f"--user {user}: is for --to argilla only; leave it out")
    try:
        return str(UUID(user))
    except ValueError:
        raise InputError(
            f"--user {user}: is no id of a user of Argilla; pass one such as "
            "00000000-0000-0000-0000-000000000000"
        ) from None
