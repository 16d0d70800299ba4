"""A fine-tuned classifier in a folder: adapter and layer as safetensors, and JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from peft.utils import set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_tensors

from salutary.errors import InputError
from salutary.files import write_json
from salutary.surrogate.low_rank import with_changes

if TYPE_CHECKING:
    from salutary.surrogate.language_model import LanguageModel
    from salutary.surrogate.lora_classifier import LoraClassifier

ADAPTER = "adapter_model.safetensors"
LAYER = "layer.safetensors"
CLASSIFIER = "classifier.json"
FORMAT = 1

PLACES = ("device", "cache_dir")
"""Parameters of a machine, not of a model."""


def write_adapter(classifier: LoraClassifier, folder: Path) -> None:
    """Write a fitted classifier into a folder, new or empty."""
    folder.mkdir(parents=True, exist_ok=True)
    model = classifier._tuned.model
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)  # peft's form, not filled in
    layer = {"coef": classifier.coef_, "intercept": classifier.intercept_}
    save_file(layer, folder / LAYER)
    parameters = {
        name: value
        for name, value in classifier.get_params(deep=False).items()
        if name not in (*PLACES, "random_state")
    }
    parameters["model"] = str(parameters["model"])
    changed = model.peft_config["default"].target_modules
    parameters["target_modules"] = sorted(changed)
    content = {
        "format": FORMAT,
        "parameters": parameters,
        "classes": classifier.classes_.tolist(),
        "n_epochs": classifier.n_epochs_,
        "base_fingerprint": classifier.base_fingerprint_,
        "fingerprint": classifier._tuned.fingerprint.hex(),
    }
    write_json(folder / CLASSIFIER, content)


def read_adapter(
    kind: type[LoraClassifier], folder: Path, parameters: dict[str, Any]
) -> LoraClassifier:
    """Read a classifier from its folder, see `LoraClassifier.load`."""
    content, layer = _content(folder)
    try:
        classifier = kind(**{**content["parameters"], **parameters})
        classifier.classes_ = np.array(content["classes"])
        classifier.n_epochs_ = int(content["n_epochs"])
        classifier.base_fingerprint_ = str(content["base_fingerprint"])
        classifier.coef_, classifier.intercept_ = layer["coef"], layer["intercept"]
        if classifier.coef_.shape[0] != len(classifier.classes_):
            raise ValueError("classes")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder}: is damaged ({error!r}); restore it") from None
    base = classifier.load_base()
    if base.fingerprint.hex() != classifier.base_fingerprint_:
        raise InputError(
            f"{classifier.model}: is not the model that {folder} was made for; put "
            "that one there"
        )
    tuned = _with_adapter(base, classifier, folder)
    if tuned.fingerprint.hex() != content.get("fingerprint"):
        raise InputError(f"{folder}: is not as it was written; restore it")
    classifier._tuned = tuned
    return classifier


def _content(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    missing = [
        name for name in (CLASSIFIER, LAYER, ADAPTER) if not (folder / name).is_file()
    ]
    if missing:
        raise InputError(
            f"{folder}: holds no {missing[0]}; pass the folder of an adapter"
        )
    try:
        content = json.loads((folder / CLASSIFIER).read_text("utf-8"))
        if content["format"] != FORMAT:
            raise InputError(
                f"{folder}: is of another version of salutary; use that one"
            )
        return content, load_file(folder / LAYER)
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(f"{folder}: is damaged ({error!r}); restore it") from None


def _with_adapter(
    base: LanguageModel, classifier: LoraClassifier, folder: Path
) -> LanguageModel:
    try:
        # Not by the folder's own configuration, which may ask for more than LoRA.
        model = with_changes(base.model, classifier.rank, classifier.target_modules)
        set_peft_model_state_dict(model, load_tensors(folder / ADAPTER))
    except (ValueError, KeyError, RuntimeError, SafetensorError) as error:
        cause = " ".join(str(error).split())[:200]
        raise InputError(f"{folder}: is damaged ({cause}); restore it") from None
    return replace(base, model=model.eval())
