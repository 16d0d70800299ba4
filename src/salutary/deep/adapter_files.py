"""A fine-tuned classifier in a folder: adapter and layer as safetensors, and JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from peft.utils import set_peft_model_state_dict
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_tensors

from salutary.deep.lora import with_changes
from salutary.deep.training import seeded
from salutary.errors import InputError
from salutary.files import write_json

if TYPE_CHECKING:
    from salutary.deep.language_model import LanguageModel
    from salutary.deep.lora_classifier import LoraClassifier

ADAPTER = "adapter_model.safetensors"
LAYER = "layer.safetensors"
CLASSIFIER = "classifier.json"
FORMAT = 1

KEPT = (
    *("model", "pooling", "max_length", "rank", "target_modules", "learning_rate"),
    *("epochs", "patience", "batch_size", "weight_decay"),
)
"""Parameters of a classifier that belong to the model, not to a machine or a caller."""

LABELS = (str, bool, int, float)
"""What JSON can hold of classes."""


def write_adapter(classifier: LoraClassifier, folder: Path) -> None:
    """Write a fitted classifier into a folder, new or empty; see `LoraClassifier.save`.

    Raises
    ------
    InputError
        If there is something in the folder, or classes are neither texts nor numbers.
    """
    classes = classifier.classes_.tolist()
    if not all(isinstance(label, LABELS) for label in classes):
        raise InputError(
            f"classes of type {type(classes[0]).__name__} cannot be saved; use texts "
            "or numbers"
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; pass a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; pass a new folder")
    model = classifier._tuned.model
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)  # peft's form, not filled in
    layer = {"coef": classifier.coef_, "intercept": classifier.intercept_}
    save_file(layer, folder / LAYER)
    parameters = {name: classifier._fitted_with[name] for name in KEPT}
    parameters["model"] = str(parameters["model"])
    parameters["target_modules"] = sorted(model.peft_config["default"].target_modules)
    content = {
        "format": FORMAT,
        "parameters": parameters,
        "classes": classes,
        "n_epochs": classifier.n_epochs_,
        "base_fingerprint": classifier.base_fingerprint_,
        "fingerprint": _fingerprint(classifier, classifier._tuned),
    }
    write_json(folder / CLASSIFIER, content)
    for name in (ADAPTER, LAYER):
        (folder / name).chmod((folder / CLASSIFIER).stat().st_mode)


def read_adapter(
    kind: type[LoraClassifier], folder: Path, parameters: dict[str, Any]
) -> LoraClassifier:
    """Read a classifier from its folder, see `LoraClassifier.load`."""
    for name in (CLASSIFIER, LAYER, ADAPTER):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder}: holds no {name}; pass the folder of a whole adapter"
            )
    kind(**{"model": "", **parameters})  # refuses what is no parameter
    try:
        return _read(kind, folder, parameters)
    except InputError:
        raise
    except Exception as error:
        # A hostile or torn file can fail in any way; none of it ran.
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{folder}: is damaged ({cause}); restore it") from None


def _read(
    kind: type[LoraClassifier], folder: Path, parameters: dict[str, Any]
) -> LoraClassifier:
    content = json.loads((folder / CLASSIFIER).read_text("utf-8"))
    if content["format"] != FORMAT:
        raise InputError(f"{folder}: is of another version of salutary; use that one")
    saved = {name: content["parameters"][name] for name in KEPT}
    classifier = kind(**{**saved, **parameters})
    classifier.classes_ = _classes(content["classes"])
    classifier.n_epochs_ = int(content["n_epochs"])
    classifier.base_fingerprint_ = str(content["base_fingerprint"])
    layer = load_file(folder / LAYER)
    classifier.coef_, classifier.intercept_ = layer["coef"], layer["intercept"]
    try:
        classifier._plan()  # refuses numbers out of range
        base = classifier.load_base()
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    if base.fingerprint.hex() != classifier.base_fingerprint_:
        raise InputError(
            f"{classifier.model}: is not the model that {folder} was made for; put "
            "that one there"
        )
    tuned = _with_adapter(base, classifier, folder)
    if _fingerprint(classifier, tuned) != content["fingerprint"]:
        raise ValueError("not as it was written")
    classifier._tuned, classifier._fitted_with = tuned, classifier.get_params()
    return classifier


def _classes(labels: list[Any]) -> NDArray[Any]:
    classes = np.array(labels)
    if classes.ndim != 1 or not all(isinstance(label, LABELS) for label in labels):
        raise ValueError("classes")
    return classes


def _fingerprint(classifier: LoraClassifier, model: LanguageModel) -> str:
    """Digest of the model with its changes, of the layer and of the classes."""
    digest = hashlib.sha256(model.fingerprint)
    for values in (classifier.coef_, classifier.intercept_):
        digest.update(f"{values.dtype} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    digest.update(json.dumps(classifier.classes_.tolist()).encode())
    return digest.hexdigest()


def _with_adapter(
    base: LanguageModel, classifier: LoraClassifier, folder: Path
) -> LanguageModel:
    # Not by the folder's own configuration, which may ask for more than LoRA.
    with seeded(0, base.device):
        model = with_changes(base.model, classifier.rank, classifier.target_modules)
    set_peft_model_state_dict(model, load_tensors(folder / ADAPTER))
    return replace(base, model=model.eval())
