"""
Fine-tune a network on images
=============================

Influence cannot be taken of a network. :class:`salutary.SalutaryFineTuner` takes it of
a logistic regression on the network's embeddings, labels rows by that, and trains the
network again.
"""

# %%
# scikit-learn's digits, as images of one channel: 100 labeled, 500 in the pool, 200 to
# validate and 400 to test.
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.utils import shuffle

from salutary import SalutaryFineTuner, TorchClassifier

images, y = shuffle(*load_digits(return_X_y=True), random_state=0)
images = (images / 16).reshape(-1, 1, 8, 8)
marked = np.where(np.arange(600) < 100, y[:600], -1)  # -1 stands for no label
X_val, y_val = images[600:800], y[600:800]
X_test, y_test = images[800:1200], y[800:1200]

# %%
# A small network, whose layer "4" is taken for the embedding. It need not be trained
# before.
torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Conv2d(1, 16, 3, padding=1),
    torch.nn.ReLU(),
    torch.nn.MaxPool2d(2),
    torch.nn.Flatten(),
    torch.nn.Linear(256, 32),
    torch.nn.ReLU(),
    torch.nn.Linear(32, 10),
)
trainer = TorchClassifier(
    network, "4", learning_rate=0.01, epochs=12, device="cpu", random_state=0
)
tuner = SalutaryFineTuner(trainer, budget=100, random_state=0)
tuner.fit(images[:600], marked, X_val, y_val)
print(tuner.verdict_.sentence)

# %%
# Beside it: the same network trained on the 100 labeled images, and on these and the
# validation images, with no pool.
scores = {
    "train only": trainer.fit(images[:100], y[:100]).score(X_test, y_test),
    "salutary labels": tuner.score(X_test, y_test),
    "train + validation": trainer.fit(
        np.concatenate([images[:100], X_val]), np.append(y[:100], y_val)
    ).score(X_test, y_test),
}
for name, score in scores.items():
    print(f"{name:18} {score:.3f}")

# %%
# What the network makes of the images: its embeddings of the test images, in two
# dimensions.
import matplotlib.pyplot as plt
from sklearn.decomposition import PCA

plane = PCA(2).fit_transform(tuner.embed(X_test))
figure, panel = plt.subplots(figsize=(6, 5), layout="constrained")
points = panel.scatter(*plane.T, c=y_test, cmap="tab10", s=14)
panel.legend(*points.legend_elements(), title="digit", loc="upper right")
panel.set_title("embeddings of the fine-tuned network")
panel.set_xticks([])
panel.set_yticks([])
plt.show()
