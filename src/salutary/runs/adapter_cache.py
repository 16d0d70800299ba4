"""A cache of fine-tuned models, with a folder for each round."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from salutary.deep.lesson import Lesson
from salutary.deep.lora_classifier import LoraClassifier
from salutary.deep.soft_labels import arguments_of
from salutary.deep.texts import cuts_told
from salutary.deep.vectors import Vectors
from salutary.errors import InputError
from salutary.files import read_json, write_json
from salutary.progress import Stage, reporting

MADE_OF = "made_of.json"
"""File with the digest of all that a folder's classifier was made from."""

PLACES = ("model", "device", "cache_dir")
"""Parameters of a classifier that are places, and do not change its predictions."""


@dataclass(frozen=True)
class AdapterCache:
    """Fine-tunes the classifier of a round once, and keeps it in a folder.

    Parameters
    ----------
    folder : Path
        Holds a folder for each round.
    classifier : LoraClassifier
        Not fine-tuned.
    base : str
        Fingerprint of the classifier's language model.
    max_length : int
        Maximum number of tokens of a text, as in that fingerprint.
    stage : callable
        Displays which step is running.
    """

    folder: Path
    classifier: LoraClassifier
    base: str
    max_length: int
    stage: Stage

    def fine_tune(self, lesson: Lesson) -> Any:
        """The classifier of a lesson, loaded if its folder is of the same."""
        folder, made_of = self.folder / lesson.name, self._made_of(lesson)
        # A damaged classifier is fine-tuned again.
        with suppress(InputError):
            return self._loaded(folder, made_of)
        step = f"fine-tuning on {len(lesson.y)} rows"
        if lesson.soft is not None:
            step += f" and a teacher's labels of {len(lesson.soft.chance)}"
        with self.stage(step) as report, reporting(report):
            parameters = {**self._parameters(lesson), "max_length": self.max_length}
            model = clone(self.classifier).set_params(**parameters)
            with cuts_told():
                model.fit(
                    *(lesson.X, lesson.y, lesson.X_val, lesson.y_val),
                    **arguments_of(lesson.soft),
                )
        beside = self.folder / f".{lesson.name}.part"
        shutil.rmtree(beside, ignore_errors=True)
        model.save(beside)
        write_json(beside / MADE_OF, {"sha256": made_of})
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
        return model

    def embed_frozen(self, X: Any) -> Vectors:
        """Vectors of texts under the language model, before any fine-tuning."""
        model = clone(self.classifier).set_params(max_length=self.max_length)
        with cuts_told():
            vectors: Vectors = model.embed_frozen(X)
        return vectors

    def kept(self, lesson: Lesson) -> Any:
        """The classifier of a lesson, which is loaded and never fine-tuned.

        Raises
        ------
        InputError
            If it is gone, damaged or of other rows.
        """
        return self._loaded(self.folder / lesson.name, self._made_of(lesson))

    def _parameters(self, lesson: Lesson) -> dict[str, Any]:
        """Parameters of a lesson's classifier."""
        parameters: dict[str, Any] = self.classifier.get_params()
        if lesson.epochs is not None:
            parameters["epochs"] = lesson.epochs
        return parameters

    def _loaded(self, folder: Path, made_of: str) -> LoraClassifier:
        if _made_of(folder) != made_of:
            raise InputError(
                f"{folder}: is gone, or not the model that this round left; restore it"
            )
        parameters = self.classifier.get_params()
        return LoraClassifier.load(
            folder, **{place: parameters[place] for place in PLACES}
        )

    def _made_of(self, lesson: Lesson) -> str:
        """Digest of all that a lesson's classifier is made from."""
        parameters = self._parameters(lesson)
        for place in PLACES:
            parameters.pop(place)
        rows, soft = (lesson.X, lesson.y, lesson.X_val, lesson.y_val), lesson.soft
        parts = [None if part is None else list(part) for part in rows]
        content: list[Any] = [self.base, sorted(parameters.items()), *parts]
        if soft is not None:
            # As training has them: in more digits, a fit of the same rows may differ.
            chance = soft.chance.astype(np.float32).tobytes().hex()
            content += [list(soft.X), chance, soft.weight]
        return hashlib.sha256(repr(content).encode()).hexdigest()


def check_rounds(folder: Path) -> None:
    """Refuse a folder of rounds that is a file or a link, or has one in it.

    Raises
    ------
    InputError
        Names the file or link.
    """
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in (folder, *inside):
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise InputError(
                f"{path}: is not a folder, which a run keeps its models in; remove it"
            )


def _made_of(folder: Path) -> str | None:
    """Digest of all that a folder's classifier was made from; None without one."""
    try:
        return str(read_json(folder / MADE_OF)["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
