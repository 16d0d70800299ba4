"""Labels for a pool by their influence on the validation loss, without a person.

Salutary Labeling with Zero Human Annotation, arXiv 2405.17627, repaired and extended.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from salutary.array_advice import advise
    from salutary.artifacts import load
    from salutary.classifier import SalutaryClassifier
    from salutary.fine_tuner import SalutaryFineTuner
    from salutary.influence.add_one_in import add_one_in
    from salutary.influence.direction import InfluenceWarning
    from salutary.influence.label_influence import label_influence
    from salutary.objective import ExpectedCost, WorstGroup
    from salutary.relabeling import Relabeling, relabel
    from salutary.surrogate.lora_classifier import LoraClassifier
    from salutary.surrogate.torch_classifier import TorchClassifier
    from salutary.surrogate.torch_embedder import TorchEmbedder
    from salutary.surrogate.transformer_embedder import TransformerEmbedder

__version__ = "0.1.0"

__all__ = [
    "ExpectedCost",
    "InfluenceWarning",
    "LoraClassifier",
    "Relabeling",
    "SalutaryClassifier",
    "SalutaryFineTuner",
    "TorchClassifier",
    "TorchEmbedder",
    "TransformerEmbedder",
    "WorstGroup",
    "add_one_in",
    "advise",
    "label_influence",
    "load",
    "relabel",
]

_HOMES = {
    "ExpectedCost": "salutary.objective",
    "InfluenceWarning": "salutary.influence.direction",
    "LoraClassifier": "salutary.surrogate.lora_classifier",
    "Relabeling": "salutary.relabeling",
    "SalutaryClassifier": "salutary.classifier",
    "SalutaryFineTuner": "salutary.fine_tuner",
    "TorchClassifier": "salutary.surrogate.torch_classifier",
    "TorchEmbedder": "salutary.surrogate.torch_embedder",
    "TransformerEmbedder": "salutary.surrogate.transformer_embedder",
    "WorstGroup": "salutary.objective",
    "add_one_in": "salutary.influence.add_one_in",
    "advise": "salutary.array_advice",
    "label_influence": "salutary.influence.label_influence",
    "load": "salutary.artifacts",
    "relabel": "salutary.relabeling",
}


def __getattr__(name: str) -> Any:
    # Imported when first used: the command line answers at once, and skops and pyarrow
    # are left alone by those who load no run.
    if name not in _HOMES:
        raise AttributeError(f"module 'salutary' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
