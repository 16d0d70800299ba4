"""
Label texts by their words
==========================

Texts need no language model where their words tell them apart: a pipeline that ends in
a logistic regression is enough.
"""

# %%
# Texts that come with installed packages: what functions and classes say about
# themselves. Which package does a sentence come from?
import inspect
import re

import numpy as np
import pandas as pd
from sklearn import cluster, ensemble, linear_model, metrics, preprocessing
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import shuffle

from salutary import SalutaryClassifier

HOMES = {
    "numpy": [np, np.linalg, np.ma],
    "pandas": [pd, pd.DataFrame, pd.Series],
    "scikit-learn": [cluster, ensemble, linear_model, metrics, preprocessing],
}
NAMES = re.compile(r"(?i)numpy|pandas|scikit-learn|sklearn")

found = {}
for package, homes in HOMES.items():
    for home in homes:
        for name in filter(str.islower, dir(home)):
            about = inspect.getdoc(getattr(home, name)) or ""
            sentence = " ".join(about.split("\n\n")[0].split())
            if not name.startswith("_") and 5 <= len(sentence.split()) <= 40:
                sentence = NAMES.sub("it", sentence)
                words = frozenset(re.findall(r"\w\w+", sentence.lower()))
                found[words] = sentence, package  # the same words only once
texts, y = np.array(shuffle(list(found.values()), random_state=0)[:700]).T
print(f"{len(texts)} sentences, for instance: {texts[0]} ({y[0]})")

# %%
# 40 sentences with a label, 150 to validate, 150 to test, and the rest without labels:
# None.
labeled, validation, test = slice(0, 40), slice(40, 190), slice(190, 340)
rows = np.r_[0:40, 340 : len(y)]
marked = np.where(rows < 40, y[rows], None)
pipeline = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10))
model = SalutaryClassifier(pipeline, budget=60, random_state=0)
model.fit(texts[rows], marked, texts[validation], y[validation])
print(model.verdict_.sentence)
print("\nlabels of largest influence:")
for row in np.argsort(-np.nan_to_num(model.influence_))[:5]:
    print(f"{model.transduction_[row]:13} {texts[rows][row][:75]}")

# %%
# Three models on the sentences that took no part. The third needs no pool.
import matplotlib.pyplot as plt

both = slice(0, 190)
scores = {
    "train only": pipeline.fit(texts[labeled], y[labeled]).score(texts[test], y[test]),
    "salutary labels": model.score(texts[test], y[test]),
    "train + validation": pipeline.fit(texts[both], y[both]).score(
        texts[test], y[test]
    ),
}
figure, panel = plt.subplots(figsize=(6, 2.5), layout="constrained")
bars = panel.barh(list(scores), list(scores.values()))
panel.bar_label(bars, fmt="%.3f", padding=3)
panel.set_title("Which package is a sentence from?")
panel.set_xlim(0, 1)
panel.set_xlabel("accuracy on 150 other sentences")
panel.invert_yaxis()
plt.show()
