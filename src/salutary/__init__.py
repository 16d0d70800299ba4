"""Labels for a pool by their influence on the validation loss, without a person.

Salutary Labeling with Zero Human Annotation, arXiv 2405.17627, repaired and extended.
"""

from salutary.classifier import SalutaryClassifier
from salutary.influence.direction import InfluenceWarning
from salutary.influence.label_influence import label_influence

__version__ = "0.1.0"

__all__ = ["InfluenceWarning", "SalutaryClassifier", "label_influence"]
