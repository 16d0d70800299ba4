"""
What are these rows best used for?
==================================

A few labeled rows, some validation rows and a pool without labels can be used in
several ways. :func:`salutary.advise` fits each, judges it by validation rows that it
has not seen, and says what to do.
"""

# %%
# scikit-learn's breast cancer data: 40 labeled rows, 100 to validate, 300 in the pool.
from sklearn.datasets import load_breast_cancer
from sklearn.utils import shuffle

from salutary import advise

X, y = shuffle(*load_breast_cancer(return_X_y=True, as_frame=True), random_state=0)
advice = advise(
    X[:40],
    y[:40],
    X[40:140],
    y[40:140],
    X_pool=X[140:440],
    budget=50,
    splits=4,
    repeats=1,
    random_state=0,
)
print(advice.sentence)

# %%
# The table has a row for each option. ``difference`` is how much higher its log loss is
# than that of the advised one. Training on the training and the validation rows, with
# no pool at all, is often the best use of them.
table = advice.table.set_index("option")
table[["loss", "difference", "lower", "upper", "accuracy", "C"]].round(3)

# %%
# Where an interval holds zero, the option may be as good as the advised one.
import matplotlib.pyplot as plt

others = table.drop(index=advice.option).iloc[::-1]
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.errorbar(
    others["difference"],
    others.index,
    xerr=[
        others["difference"] - others["lower"],
        others["upper"] - others["difference"],
    ],
    fmt="o",
    capsize=3,
)
axes.set_title("The other ways to use the rows")
axes.axvline(0, color="gray", linestyle="--")
axes.set_xlabel(f"log loss above that of '{advice.option}', with 95% interval")
plt.show()

# %%
# The advised model is fitted on all rows that it may use, and predicts new ones.
new = X[440:], y[440:]
print(f"accuracy on {len(new[1])} other rows: {advice.model_.score(*new):.3f}")
