"""
Which training labels are wrong?
================================

:func:`salutary.relabel` switches training labels where that lowers the loss on rows
whose labels you trust.
"""

# %%
# scikit-learn's digits from 0 to 5, as a table: 300 training rows, a fifth of them with
# a wrong label, and 200 rows that are right.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.utils import shuffle

from salutary import relabel

X, y = shuffle(*load_digits(n_class=6, return_X_y=True), random_state=0)
X = X / 16
rng = np.random.default_rng(0)
wrong = rng.permutation(300)[:60]
given = y[:300].copy()
given[wrong] = (given[wrong] + rng.integers(1, 6, len(wrong))) % 6

found = relabel(X[:300], given, X[300:500], y[300:500], random_state=0)

# %%
# What became of the labels, which only an example knows:
switched = found.y != given
right = found.y == y[:300]
print(f"wrong labels: {(given != y[:300]).sum()} before, {(~right).sum()} after")
print(f"switched to the truth: {(switched & right).sum()} of {switched.sum()}")

# %%
# The first switches, with the label that was given and the one that was found.
first = found.switches.head(12)
figure, panels = plt.subplots(2, 6, figsize=(8, 3.4), layout="constrained")
figure.suptitle("the label given → the label found")
for panel, switch in zip(panels.flat, first.itertuples(), strict=True):
    panel.imshow(X[switch.row].reshape(8, 8), cmap="gray_r")
    mark = "" if switch.label == y[switch.row] else " (not right)"
    panel.set_title(f"{switch.old_label} → {switch.label}{mark}", fontsize="medium")
    panel.set_axis_off()
plt.show()
