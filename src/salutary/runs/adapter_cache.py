"""The fine-tuned model of each round, kept in a folder of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.base import clone

from salutary.deep.lora_classifier import LoraClassifier
from salutary.errors import InputError
from salutary.files import write_json
from salutary.progress import Stage, reporting

MADE_OF = "made_of.json"

PLACES = ("model", "device", "cache_dir")
"""Parameters of a classifier that say where, not what."""


@dataclass(frozen=True)
class AdapterCache:
    """Fine-tunes each round once: what comes of it stays in a folder of its own.

    Parameters
    ----------
    folder : Path
    classifier : LoraClassifier
        Not fine-tuned.
    base : str
        Fingerprint of its model.
    stage : callable
        Shows what is going on.
    """

    folder: Path
    classifier: LoraClassifier
    base: str
    stage: Stage

    def fine_tune(self, number: int, X: Any, y: Any, X_val: Any, y_val: Any) -> Any:
        """The classifier of a round, from its folder if that is of the same rows."""
        name = str(number) if number >= 0 else "final"
        folder, made_of = self.folder / name, self._made_of(X, y, X_val, y_val)
        if _made_of(folder) == made_of:
            parameters = self.classifier.get_params()
            # One that is damaged is made again.
            with suppress(InputError):
                return LoraClassifier.load(
                    folder, **{place: parameters[place] for place in PLACES}
                )
        with self.stage(f"fine-tuning on {len(y)} rows") as report, reporting(report):
            model = clone(self.classifier).fit(X, y, X_val, y_val)
        beside = self.folder / f".{name}.part"
        shutil.rmtree(beside, ignore_errors=True)
        model.save(beside)
        write_json(beside / MADE_OF, {"sha256": made_of})
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
        return model

    def _made_of(self, *rows: Any) -> str:
        """Digest of all that a round's classifier comes of."""
        parameters = self.classifier.get_params()
        for place in PLACES:
            parameters.pop(place)
        parts = [None if part is None else list(part) for part in rows]
        content = [self.base, sorted(parameters.items()), *parts]
        return hashlib.sha256(repr(content).encode()).hexdigest()


def _made_of(folder: Path) -> str | None:
    """Digest of all that a folder's classifier comes of, if it holds one."""
    try:
        return str(json.loads((folder / MADE_OF).read_text("utf-8"))["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
