"""Label unlabeled rows by their influence on the validation loss, without a person.

The method is that of Xiao and Liu, Salutary Labeling with Zero Human Annotation (arXiv
2405.17627), repaired and extended. Public is what ``__all__`` names.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from salutary.advice.verdict import Verdict
    from salutary.callbacks.mlflow import MLflowCallback
    from salutary.deep.lora_classifier import LoraClassifier
    from salutary.deep.torch_classifier import TorchClassifier
    from salutary.deep.torch_embedder import TorchEmbedder
    from salutary.deep.trainer import Trainer
    from salutary.deep.transformer_embedder import TransformerEmbedder
    from salutary.displays.advice import AdviceDisplay
    from salutary.displays.labels import LabelDisplay
    from salutary.displays.learning_curve import LearningCurveDisplay
    from salutary.displays.promise import PromiseDisplay
    from salutary.errors import InputError
    from salutary.estimators.advice import Advice
    from salutary.estimators.advising import advise
    from salutary.estimators.classifier import SalutaryClassifier
    from salutary.estimators.fine_tuner import SalutaryFineTuner
    from salutary.estimators.relabeling import Relabeling, relabel
    from salutary.estimators.semi_supervised import SemiSupervisedClassifier
    from salutary.influence.add_one_in import add_one_in
    from salutary.influence.direction import InfluenceWarning
    from salutary.influence.label_influence import label_influence
    from salutary.influence.objectives import ExpectedCost, WorstGroup
    from salutary.labeling.callbacks import (
        FoldEnd,
        RoundEnd,
        RunBegin,
        RunCallback,
        RunEnd,
    )
    from salutary.runs.artifacts import load

# Whoever imports the library decides what becomes of its log lines.
logging.getLogger("salutary").addHandler(logging.NullHandler())

__version__ = "0.2.0.dev0"

__all__ = [
    "Advice",
    "AdviceDisplay",
    "ExpectedCost",
    "FoldEnd",
    "InfluenceWarning",
    "InputError",
    "LabelDisplay",
    "LearningCurveDisplay",
    "LoraClassifier",
    "MLflowCallback",
    "PromiseDisplay",
    "Relabeling",
    "RoundEnd",
    "RunBegin",
    "RunCallback",
    "RunEnd",
    "SalutaryClassifier",
    "SalutaryFineTuner",
    "SemiSupervisedClassifier",
    "TorchClassifier",
    "TorchEmbedder",
    "Trainer",
    "TransformerEmbedder",
    "Verdict",
    "WorstGroup",
    "add_one_in",
    "advise",
    "label_influence",
    "load",
    "relabel",
]

_HOMES = {
    "Advice": "salutary.estimators.advice",
    "AdviceDisplay": "salutary.displays.advice",
    "ExpectedCost": "salutary.influence.objectives",
    "FoldEnd": "salutary.labeling.callbacks",
    "InfluenceWarning": "salutary.influence.direction",
    "InputError": "salutary.errors",
    "LabelDisplay": "salutary.displays.labels",
    "LearningCurveDisplay": "salutary.displays.learning_curve",
    "LoraClassifier": "salutary.deep.lora_classifier",
    "MLflowCallback": "salutary.callbacks.mlflow",
    "PromiseDisplay": "salutary.displays.promise",
    "Relabeling": "salutary.estimators.relabeling",
    "RoundEnd": "salutary.labeling.callbacks",
    "RunBegin": "salutary.labeling.callbacks",
    "RunCallback": "salutary.labeling.callbacks",
    "RunEnd": "salutary.labeling.callbacks",
    "SalutaryClassifier": "salutary.estimators.classifier",
    "SalutaryFineTuner": "salutary.estimators.fine_tuner",
    "SemiSupervisedClassifier": "salutary.estimators.semi_supervised",
    "TorchClassifier": "salutary.deep.torch_classifier",
    "TorchEmbedder": "salutary.deep.torch_embedder",
    "Trainer": "salutary.deep.trainer",
    "TransformerEmbedder": "salutary.deep.transformer_embedder",
    "Verdict": "salutary.advice.verdict",
    "WorstGroup": "salutary.influence.objectives",
    "add_one_in": "salutary.influence.add_one_in",
    "advise": "salutary.estimators.advising",
    "label_influence": "salutary.influence.label_influence",
    "load": "salutary.runs.artifacts",
    "relabel": "salutary.estimators.relabeling",
}


def __getattr__(name: str) -> Any:
    # A name is imported when it is first used, so that the command line answers at once
    # and only those who load a run import skops and pyarrow.
    if name not in _HOMES:
        raise AttributeError(f"module 'salutary' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    # What is imported here to do its work is no name of the library.
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
