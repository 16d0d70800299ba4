"""Wrong labels among the labeled rows: drawn at random, or given by people."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from salutary.errors import InputError
from salutary_benchmark.data.loading import read_arrays

Noise = Literal["none", "symmetric", "class-dependent", "aggre", "random1", "worse"]
"""What makes labels wrong; the last three are label sets of CIFAR-10N."""

FILE = "cifar10n_labels.npz"
SHA256 = "3b11f9447e6297442edd0bb1c665249e7f84bc49890b47f948a083c966d99400"
"""Hash of the file's arrays, one after the other in the order of their names."""


def with_wrong_labels(
    y: NDArray[np.intp], kind: Noise, rate: float, n_classes: int, seed: int
) -> NDArray[np.intp]:
    """Make a random part of the labels wrong.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        True classes, 0 to ``n_classes`` - 1.
    kind : {"symmetric", "class-dependent"}
        Symmetric: every row is equally likely to get a wrong label, which is equally
        likely to be any other class. Class-dependent: a wrong label is the next class
        (of the last class, the first), and a row of class c gets one with a probability
        proportional to ``n_classes`` - c.
    rate : float
        Part of the rows that get a wrong label, rounded to a whole number of rows.
    n_classes, seed : int

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    rng = np.random.RandomState(seed)
    n_wrong = round(rate * len(y))
    noisy = y.copy()
    if kind == "symmetric":
        wrong = rng.choice(len(y), n_wrong, replace=False)
        by = rng.randint(1, n_classes, n_wrong)
    else:
        weight = n_classes - y
        wrong = rng.choice(len(y), n_wrong, replace=False, p=weight / weight.sum())
        by = np.ones(n_wrong, dtype=np.intp)
    noisy[wrong] = (y[wrong] + by) % n_classes
    return noisy


def human_labels(
    folder: Path | None, kind: Noise, y: NDArray[np.intp]
) -> NDArray[np.intp]:
    """The labels that people gave the training images of ``cifar10_subset.npz``.

    Wei et al., Learning with Noisy Labels Revisited, ICLR 2022.

    Parameters
    ----------
    folder : Path or None
        Folder of the data sets.
    kind : {"aggre", "random1", "worse"}
        Of the three labels of each image: the majority, the first, or a wrong one where
        there is one.
    y : ndarray of shape (10000,)
        True classes of the images; the file must agree with them.

    Raises
    ------
    InputError
        If the file is missing or damaged, or is not about these images.
    """
    remedy = f"put {FILE} of CIFAR-10N, with subset_index, in the folder of --data"
    path = None if folder is None else folder / FILE
    if path is None or not path.is_file():
        raise InputError(f"{path or FILE}: no such file; {remedy}")
    try:
        labels = read_arrays(path)
    except Exception:
        raise InputError(f"{path}: is damaged; {remedy}") from None
    digest = hashlib.sha256()
    for _, array in sorted(labels.items()):
        digest.update(np.ascontiguousarray(array).tobytes())
    if digest.hexdigest() != SHA256:
        raise InputError(f"{path}: is not the copy that results were made on; {remedy}")
    images = labels["subset_index"]
    if not np.array_equal(labels["clean_label"][images], y):
        raise InputError(f"{path}: is not about these images; {remedy}")
    name = "random_label1" if kind == "random1" else f"{kind}_label"
    return np.asarray(labels[name][images], dtype=np.intp)
