"""Ten labels for a model that has learned from its whole pool, on handwritten digits.

Usage: python examples/labels_for_a_pool_model.py

Of each split, 1,000 images train, 100 of them labeled, 300 validate and 497 judge.
"""

import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import scale

from salutary import SemiSupervisedClassifier, label_influence

SPLITS, LABELS = 16, 10


def main() -> None:
    """Print the losses of all splits."""
    X, y = load_digits(return_X_y=True)
    # Of a class with fewer than five labels, a fit warns that it leaves the pool alone.
    warnings.filterwarnings("ignore", message="of class")
    results = np.array([one_split(scale(X), y, seed) for seed in range(SPLITS)])
    names = ["no more labels", "by its own influence", "by the plain model's"]
    print(f"log loss of unseen images, mean and standard error of {SPLITS} splits")
    for number, name in enumerate(names):
        losses = results[:, number]
        line = f"{name:22}{losses.mean():.3f} ± {losses.std(ddof=1) / SPLITS**0.5:.3f}"
        if number:
            lower = int((losses < results[:, 0]).sum())
            right = results[:, number + 2].mean()
            line += f"   lower in {lower}, {right:.0%} of the labels right"
        print(line)


def one_split(X: np.ndarray, y: np.ndarray, seed: int) -> list[float]:
    """Losses without more labels and with both kinds, and shares of right labels."""
    order = np.random.default_rng(seed).permutation(len(y))
    X, y = X[order], y[order]
    marked = np.where(np.arange(1000) < 100, y[:1000], -1)
    rows = {"X_val": X[1000:1300], "y_val": y[1000:1300]}
    model = fit(X[:1000], marked)
    plain = LogisticRegression(C=model.C_, tol=1e-8, max_iter=10_000)
    plain.fit(X[:100], y[:100])
    by_pool = model.label_influence(X[:1000], X_train=X[:1000], y_train=marked, **rows)
    by_plain = label_influence(plain, X[:1000], X_train=X[:100], **rows)
    losses, right = [log_loss(y[1300:], model.predict_proba(X[1300:]))], []
    for judge, influence in ((model, by_pool), (plain, by_plain)):
        # Influence alone would choose implausible labels.
        score = influence * judge.predict_proba(X[:1000])
        score[:100] = -np.inf
        best = np.argsort(-score.max(axis=1))[:LABELS]
        more = marked.copy()
        more[best] = score[best].argmax(axis=1)
        again = fit(X[:1000], more)
        losses.append(log_loss(y[1300:], again.predict_proba(X[1300:])))
        right.append(float((more[best] == y[best]).mean()))
    return losses + right


def fit(X: np.ndarray, marked: np.ndarray) -> SemiSupervisedClassifier:
    """Fit labeled rows, and unlabeled ones that are marked -1."""
    return SemiSupervisedClassifier(random_state=0).fit(X, marked)


if __name__ == "__main__":
    main()
