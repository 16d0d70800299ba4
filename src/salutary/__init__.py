"""Labels for a pool by their influence on the validation loss, without a person.

Salutary Labeling with Zero Human Annotation, arXiv 2405.17627, repaired and extended.
"""

from typing import TYPE_CHECKING, Any

from salutary.classifier import SalutaryClassifier
from salutary.influence.add_one_in import add_one_in
from salutary.influence.direction import InfluenceWarning
from salutary.influence.label_influence import label_influence

if TYPE_CHECKING:
    from salutary.artifacts import load

__version__ = "0.1.0"

__all__ = [
    "InfluenceWarning",
    "SalutaryClassifier",
    "add_one_in",
    "label_influence",
    "load",
]


def __getattr__(name: str) -> Any:
    # skops and pyarrow are imported only by those who load a run.
    if name == "load":
        from salutary.artifacts import load

        return load
    raise AttributeError(f"module 'salutary' has no attribute {name!r}")
