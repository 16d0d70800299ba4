"""
Which rule, and when to stop?
=============================

A rule turns influences into a choice of rows and labels. The published one takes the
largest influences. The default weighs them by the label's probability, and a guard ends
the run where rows that it has not seen no longer gain.
"""

# %%
# Handwritten digits as a table of 64 numbers: 100 labeled, 359 to validate, 978 without
# labels, and 360 to test, which no run sees.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from salutary import SalutaryClassifier

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=360, random_state=0, stratify=y)
X, X_val, y, y_val = train_test_split(X, y, test_size=359, random_state=0, stratify=y)
marked = np.where(np.arange(len(y)) < 100, y, -1)  # -1 stands for no label
pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))

# %%
# The guard is switched off for the published rule, as the paper has none.
runs = {
    "published rule, no guard": SalutaryClassifier(
        pipeline, rule="paper", guard=False, random_state=0
    ),
    "default": SalutaryClassifier(pipeline, random_state=0),
}
for run in runs.values():
    run.fit(X, marked, X_val, y_val)

# %%
# What else could be done with the rows: train on the 100 labeled ones, or on these and
# the validation rows, without any pool.
alone = clone(pipeline).fit(X[:100], y[:100])
both = clone(pipeline).fit(np.vstack([X[:100], X_val]), np.append(y[:100], y_val))
models = {"train only": alone, "train + validation": both, **runs}
losses = {
    name: log_loss(y_test, model.predict_proba(X_test))
    for name, model in models.items()
}
for name, loss in losses.items():
    accuracy = models[name].score(X_test, y_test)
    print(f"{name:25} accuracy {accuracy:.3f}, log loss {loss:.3f} on test rows")

# %%
# Both rules lower the loss on the validation rows, which the labels are chosen for: the
# lines. On the test rows, at the ends, only one of them does.
figure, panel = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, run), color in zip(runs.items(), ("tab:red", "tab:blue"), strict=True):
    rounds = [record["round"] for record in run.history_]
    validation = [record["validation_loss"] for record in run.history_]
    panel.plot(rounds, validation, color=color, label=f"{name}: validation rows")
    panel.plot(rounds[-1], losses[name], "o", color=color, label=f"{name}: test rows")
for name, line in {"train only": ":", "train + validation": "--"}.items():
    panel.axhline(
        losses[name], color="gray", linestyle=line, label=f"{name}: test rows"
    )
panel.set_title("Log loss by rounds of ten labels")
panel.set_xlabel("round")
panel.set_ylabel("log loss")
panel.legend(fontsize="x-small", loc="upper center", ncols=2)
panel.set_ylim(0, 0.85)
plt.show()
