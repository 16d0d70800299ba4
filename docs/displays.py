"""Draw the picture of docs/displays.md, from a run and an advice on real rows.

Usage: python -m docs.displays
"""

from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from salutary import (
    Advice,
    LabelDisplay,
    LearningCurveDisplay,
    PromiseDisplay,
    SalutaryClassifier,
    advise,
)
from salutary.files import write_whole

PICTURE = Path(__file__).resolve().parent / "pictures" / "displays.png"


def ran() -> tuple[SalutaryClassifier, Advice]:
    """A run on the breast-cancer rows of scikit-learn, and an advice on the same."""
    X, y = load_breast_cancer(return_X_y=True)
    names = np.array(["malignant", "benign"])[y]
    part = np.random.RandomState(0).choice(
        ["train", "validate", "pool"], len(y), p=[0.08, 0.22, 0.7]
    )
    train, validate, pool = (part == name for name in ("train", "validate", "pool"))
    rows = np.concatenate([X[train], X[pool]])
    marks = np.concatenate([names[train], [None] * pool.sum()])
    estimator = make_pipeline(StandardScaler(), LogisticRegression())
    model = SalutaryClassifier(estimator, budget=100, random_state=0)
    model.fit(rows, marks, X[validate], names[validate])
    advice = advise(
        *(X[train], names[train], X[validate], names[validate], X[pool]),
        random_state=0,
    )
    return model, advice


def plot(model: SalutaryClassifier, advice: Advice) -> Figure:
    """Draw the four displays."""
    figure = Figure(figsize=(13, 9), layout="constrained")
    panels = list(figure.subplots(2, 2).flat)
    LearningCurveDisplay.from_estimator(model).plot(panels[0])
    PromiseDisplay.from_estimator(model).plot(panels[1])
    LabelDisplay.from_estimator(model).plot(panels[2])
    advice.plot(panels[3])
    return figure


if __name__ == "__main__":
    picture = plot(*ran())
    write_whole(PICTURE, partial(picture.savefig, dpi=80, format="png"))
