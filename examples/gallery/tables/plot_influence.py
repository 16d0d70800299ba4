"""
What is the influence of a label?
=================================

The influence of a row and a class says how fast the validation loss falls as the row,
with that class as its label, gains weight in training. :func:`salutary.label_influence`
computes it for every row and class at once, without a refit.
"""

# %%
# Two measurements of scikit-learn's iris data, so that all of it can be drawn: twelve
# labeled flowers of two kinds, and forty to validate.
import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.utils import shuffle

from salutary import label_influence

iris = load_iris()
two = iris.target > 0
X, y = shuffle(iris.data[two, 2:], iris.target[two], random_state=3)
X_train, y_train, X_val, y_val = X[:12], y[:12], X[12:52], y[12:52]
model = LogisticRegression(tol=1e-10, max_iter=1000).fit(X_train, y_train)

# %%
# Influence at every point of the plane, for either label.
lengths, widths = np.meshgrid(np.linspace(2.5, 7.5, 90), np.linspace(0.7, 2.8, 90))
plane = np.column_stack([lengths.ravel(), widths.ravel()])
influence = label_influence(model, plane, X_train=X_train, X_val=X_val, y_val=y_val)

# %%
# Blue: a flower there, with that label, would lower the validation loss. Red: it would
# raise it.
import matplotlib.pyplot as plt

highest = np.abs(influence).max()
figure, panels = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
for panel, values, kind in zip(panels, influence.T, model.classes_, strict=True):
    drawn = panel.pcolormesh(
        lengths,
        widths,
        values.reshape(lengths.shape),
        cmap="RdBu",
        vmin=-highest,
        vmax=highest,
    )
    for each, marker in zip(model.classes_, "os", strict=True):
        rows = X_train[y_train == each]
        panel.scatter(*rows.T, c="black", marker=marker, label=iris.target_names[each])
    panel.set_title(f"influence of the label {iris.target_names[kind]}")
    panel.set_xlabel("petal length (cm)")
panels[0].set_ylabel("petal width (cm)")
panels[0].legend(title="labeled", loc="upper left")
figure.colorbar(drawn, ax=panels, label="nats per unit of weight")
plt.show()

# %%
# Is it true? Add one flower with a tiny weight, refit, and look at the loss.
flower, weight = np.array([[4.8, 1.4]]), 1e-3
before = log_loss(y_val, model.predict_proba(X_val))
refitted = LogisticRegression(tol=1e-10, max_iter=1000).fit(
    np.vstack([X_train, flower]),
    np.append(y_train, 1),
    sample_weight=np.append(np.ones(12), weight),
)
after = log_loss(y_val, refitted.predict_proba(X_val))
(estimated,) = label_influence(
    model, flower, X_train=X_train, X_val=X_val, y_val=y_val
)[:, 0]
print(f"by refitting {(before - after) / weight:.5f}, by influence {estimated:.5f}")
