"""The folder of a fine-tuned classifier: safetensors and JSON, never a pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from salutary.errors import InputError, needs
from salutary.files import write_json

if TYPE_CHECKING:
    from salutary.deep.language_model import LanguageModel

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
LAYER = "layer.safetensors"
CLASSIFIER = "classifier.json"

ADAPTER_FILES = (CONFIG, WEIGHTS, LAYER, CLASSIFIER)
"""Names of all files of a folder. The first two are peft's."""

FORMAT = 1

SAVED_PARAMETERS = (
    *("model", "pooling", "max_length", "rank", "target_modules", "learning_rate"),
    *("epochs", "patience", "batch_size", "weight_decay"),
)
"""Parameters that are saved. The others belong to one machine or one call."""

CLASS_TYPES = (str, bool, int, float)
"""Types of class labels that JSON can hold."""


@dataclass(frozen=True)
class SavedAdapter:
    """What a folder holds of a fine-tuned classifier, besides LoRA's weights.

    Parameters
    ----------
    parameters : dict
        Constructor parameters of the classifier.
    classes : ndarray of shape (n_classes,)
    n_epochs : int
        Number of epochs that were kept.
    base_fingerprint : str
        SHA-256 of the base model, in hexadecimal digits.
    coef : ndarray of shape (n_classes, n_features), float64
        Coefficients of the linear layer.
    intercept : ndarray of shape (n_classes,), float64
        Intercepts of the linear layer.
    fingerprint : str
        `classifier_sha256` of the fine-tuned model, the layer and the classes.
    """

    parameters: dict[str, Any]
    classes: NDArray[Any]
    n_epochs: int
    base_fingerprint: str
    coef: NDArray[Any]
    intercept: NDArray[Any]
    fingerprint: str


def classifier_sha256(
    model: LanguageModel,
    coef: NDArray[Any],
    intercept: NDArray[Any],
    classes: NDArray[Any],
) -> str:
    """SHA-256 of a fine-tuned model, its linear layer and its classes, in hexadecimal.

    Parameters
    ----------
    model : LanguageModel
        With LoRA's weights.
    coef : ndarray of shape (n_classes, n_features)
    intercept : ndarray of shape (n_classes,)
    classes : ndarray of shape (n_classes,)
    """
    digest = hashlib.sha256(model.fingerprint)
    for values in (coef, intercept):
        digest.update(f"{values.dtype} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    digest.update(json.dumps(classes.tolist()).encode())
    return digest.hexdigest()


def write_adapter(saved: SavedAdapter, model: Any, folder: Path) -> None:
    """Write a fine-tuned classifier into a new or empty folder.

    Parameters
    ----------
    saved : SavedAdapter
    model : PeftModel
        Its LoRA weights and their configuration are written by peft.
    folder : Path
        Created if it does not exist.

    Raises
    ------
    InputError
        If the folder is not empty, or the classes are neither strings nor numbers.
    """
    with needs("text"):
        from safetensors.numpy import save_file
    classes = saved.classes.tolist()
    if not all(isinstance(label, CLASS_TYPES) for label in classes):
        raise InputError(
            f"classes of type {type(classes[0]).__name__} cannot be saved; fit with "
            "strings or numbers as labels"
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; pass a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; pass a new folder")
    # peft has the layers as a set, whose order is another in each process.
    config = model.peft_config["default"]
    config.target_modules = sorted(config.target_modules)
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card
    save_file({"coef": saved.coef, "intercept": saved.intercept}, folder / LAYER)
    content = {
        "format": FORMAT,
        "parameters": saved.parameters,
        "classes": classes,
        "n_epochs": saved.n_epochs,
        "base_fingerprint": saved.base_fingerprint,
        "fingerprint": saved.fingerprint,
    }
    write_json(folder / CLASSIFIER, content)
    # safetensors makes files that only their owner may read.
    for name in (WEIGHTS, LAYER):
        (folder / name).chmod((folder / CLASSIFIER).stat().st_mode)


def read_adapter(folder: Path) -> SavedAdapter:
    """Read what `write_adapter` has written, except LoRA's weights.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    SavedAdapter

    Raises
    ------
    InputError
        If a file is missing, or was written by another version of salutary.
    Exception
        Of any kind if a file is damaged; to be called in a block of `damage_refused`.
    """
    with needs("text"):
        from safetensors.numpy import load_file
    for name in (CLASSIFIER, LAYER, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder}: holds no {name}; pass a folder that LoraClassifier.save "
                "has written"
            )
    content = json.loads((folder / CLASSIFIER).read_text("utf-8"))
    if content["format"] != FORMAT:
        raise InputError(
            f"{folder}: is written in another format than this version of salutary "
            "reads; load it with the version that wrote it"
        )
    layer = load_file(folder / LAYER)
    return SavedAdapter(
        parameters=dict(content["parameters"]),
        classes=_classes(content["classes"]),
        n_epochs=int(content["n_epochs"]),
        base_fingerprint=str(content["base_fingerprint"]),
        coef=layer["coef"],
        intercept=layer["intercept"],
        fingerprint=str(content["fingerprint"]),
    )


def read_lora(
    saved: SavedAdapter,
    folder: Path,
    base: LanguageModel,
    name: str,
    rank: int,
    target_modules: list[str] | None,
) -> LanguageModel:
    """Add the LoRA weights of a folder to their base model.

    Parameters
    ----------
    saved : SavedAdapter
        The rest of the folder.
    folder : Path
    base : LanguageModel
        Changed in place.
    name : str
        What the caller calls the base model, for the message.
    rank : int
    target_modules : list of str or None
        As of `add_lora`.

    Returns
    -------
    LanguageModel
        In evaluation mode.

    Raises
    ------
    InputError
        If it is another base model.
    ValueError
        If the weights are not those that were written.
    """
    if base.fingerprint.hex() != saved.base_fingerprint:
        raise InputError(
            f"{name}: is not the base model that {folder} was fine-tuned from; put "
            "that model there, or pass its folder or name as model"
        )
    with needs("text"):
        from peft.utils import set_peft_model_state_dict
        from safetensors.torch import load_file

        from salutary.deep.lora import add_lora
        from salutary.deep.training import seeded
    # peft's own configuration file is not read: it may ask for more than LoRA.
    with seeded(0, base.device):
        model = add_lora(base.model, rank, target_modules)
    set_peft_model_state_dict(model, load_file(folder / WEIGHTS))
    tuned = replace(base, model=model.eval())
    found = classifier_sha256(tuned, saved.coef, saved.intercept, saved.classes)
    if found != saved.fingerprint:
        raise ValueError("its content is not what was written")
    return tuned


@contextmanager
def damage_refused(folder: Path) -> Iterator[None]:
    """Turn any error of reading a folder into one that says the folder is damaged.

    Raises
    ------
    InputError
        One raised in the block passes unchanged.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        # A torn or hostile file can raise anything. Nothing in it is ever executed.
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"{folder}: is damaged ({cause}); restore it from a copy, or fit and save "
            "the classifier again"
        ) from None


def _classes(labels: list[Any]) -> NDArray[Any]:
    classes = np.array(labels)
    known = all(isinstance(label, CLASS_TYPES) for label in labels)
    if classes.ndim != 1 or not known:
        raise ValueError("the classes are neither strings nor numbers")
    return classes
