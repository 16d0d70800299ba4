"""
Which rule, and when to stop?
=============================

A rule turns influences into a choice of rows and labels. The published one takes the
largest influences. The default weighs them by the label's probability, and a guard ends
the run where rows that it has not seen no longer gain.
"""

# %%
# Handwritten digits as a table of 64 numbers: 100 labeled, 359 to validate, the rest of
# 1437 without labels, and 360 to test, which no run sees.
import matplotlib.pyplot as plt
import numpy as np
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
# Both lower the loss on the validation rows, which the labels are chosen for. On the
# test rows only one does.
figure, panel = plt.subplots(figsize=(7, 4), layout="constrained")
start = pipeline.fit(X[:100], y[:100])
both = pipeline.fit(np.vstack([X[:100], X_val]), np.append(y[:100], y_val))
test_both = log_loss(y_test, both.predict_proba(X_test))
for color, (name, run) in zip(("tab:red", "tab:blue"), runs.items(), strict=True):
    rounds = [record["round"] for record in run.history_]
    losses = [record["validation_loss"] for record in run.history_]
    panel.plot(rounds, losses, color=color, label=f"{name}: validation rows")
    test = log_loss(y_test, run.predict_proba(X_test))
    panel.plot(
        rounds[-1], test, "o", color=color, label=f"{name}: test rows, at the end"
    )
    print(f"{name}: {run.score(X_test, y_test):.3f} of the test rows right")
panel.axhline(
    test_both, color="gray", linestyle="--", label="train + validation: test rows"
)
panel.set_xlabel("round of ten labels")
panel.set_ylabel("log loss")
panel.legend(fontsize="small")
plt.show()

# %%
# The dashed line is what training on both tables gives, without any pool.
print(f"train + validation: {both.score(X_test, y_test):.3f} of the test rows right")
