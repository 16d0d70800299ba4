"""
Label images by themselves
==========================

Which images get a label, and is it the right one? A logistic regression on the pixels
of scikit-learn's digits labels a pool.
"""

# %%
# 60 labeled images, 200 to validate, 1000 without labels and the rest to test. -1
# stands for no label.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.utils import shuffle

from salutary import SalutaryClassifier

X, y = shuffle(*load_digits(return_X_y=True), random_state=0)
X = X / 16
pool, validation, test = slice(0, 1060), slice(1060, 1260), slice(1260, None)
marked = np.where(np.arange(1060) < 60, y[pool], -1)
model = SalutaryClassifier(
    LogisticRegression(max_iter=1000), budget=60, random_state=0
).fit(X[pool], marked, X[validation], y[validation])
print(model.verdict_.sentence)

# %%
# The labels that stay, those of largest influence first. A label is given because it
# helps this model, and need not be the truth.
labeled = np.flatnonzero(model.labeled_iter_ > 0)
labeled = labeled[np.argsort(-model.influence_[labeled])]
given = model.transduction_[labeled]
print(f"{(given == y[labeled]).sum()} of {len(labeled)} labels are the truth")

figure, panels = plt.subplots(3, 8, figsize=(9, 4.4), layout="constrained")
figure.suptitle("Labels that images got (red: not the truth)")
for panel, row in zip(panels.flat, labeled, strict=False):
    label = model.transduction_[row]
    panel.imshow(X[row].reshape(8, 8), cmap="gray_r")
    panel.set_title(
        f"{label}" if label == y[row] else f"{label}, is {y[row]}",
        color="black" if label == y[row] else "firebrick",
        fontsize="medium",
    )
    panel.set_axis_off()
plt.show()

# %%
# What that brought on images that took no part, beside training on the labeled and the
# validation images and no pool:
plain = LogisticRegression(max_iter=1000)
scores = {"train only": plain.fit(X[:60], y[:60]).score(X[test], y[test])}
scores["salutary labels"] = model.score(X[test], y[test])
both = np.r_[0:60, 1060:1260]
scores["train + validation"] = plain.fit(X[both], y[both]).score(X[test], y[test])
for name, score in scores.items():
    print(f"{name:18} {score:.3f}")
