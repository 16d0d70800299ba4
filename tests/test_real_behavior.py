"""What the rules do on real data, against plain scikit-learn loops."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from salutary import SalutaryClassifier

pytestmark = pytest.mark.slow


def split(y: np.ndarray, n_labeled: int, seed: int) -> tuple[np.ndarray, ...]:
    """Labeled, pool, validation (20%) and test (20%) rows, stratified."""
    rest, test = train_test_split(
        np.arange(len(y)), test_size=0.2, stratify=y, random_state=seed
    )
    rest, val = train_test_split(
        rest, test_size=0.25, stratify=y[rest], random_state=seed
    )
    labeled, pool = train_test_split(
        rest, train_size=n_labeled, stratify=y[rest], random_state=seed
    )
    return labeled, pool, val, test


def plain(X: np.ndarray, y: np.ndarray, C: float) -> LogisticRegression:
    return LogisticRegression(C=C, max_iter=10_000).fit(X, y)


def fitted(
    X: np.ndarray,
    y: np.ndarray,
    rows: tuple[np.ndarray, ...],
    C: float,
    **settings: Any,
) -> SalutaryClassifier:
    """After ten rounds of ten, or fewer."""
    labeled, pool, val, _ = rows
    model = SalutaryClassifier(
        LogisticRegression(C=C), budget=100, batch_size=10, random_state=0, **settings
    )
    marked = np.r_[y[labeled], np.full(len(pool), -1)]
    return model.fit(X[np.r_[labeled, pool]], marked, X[val], y[val])


def salutary(
    X: np.ndarray, y: np.ndarray, rows: tuple[np.ndarray, ...], rule: str, C: float
) -> float:
    """Test accuracy after ten rounds of ten."""
    model = fitted(X, y, rows, C, rule=rule, guard=False)
    assert (model.labeled_iter_ > 0).sum() == 100
    return model.score(X[rows[3]], y[rows[3]])


@pytest.fixture(scope="module")
def digits() -> dict[str, np.ndarray]:
    """Test accuracies at the start and after each rule, four seeds."""
    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    accuracies: dict[str, list] = {"start": [], "plausible": [], "paper": []}
    for seed in range(4):
        rows = split(y, 100, seed)
        labeled, _, _, test = rows
        start = plain(X[labeled], y[labeled], C=1.0)
        accuracies["start"].append(start.score(X[test], y[test]))
        for rule in ("plausible", "paper"):
            accuracies[rule].append(salutary(X, y, rows, rule, C=1.0))
    return {name: np.array(values) for name, values in accuracies.items()}


def test_the_plausible_rule_lifts_digits(digits: dict[str, np.ndarray]) -> None:
    assert 0.87 <= digits["start"].mean() <= 0.915
    assert digits["plausible"].mean() >= 0.93
    assert (digits["plausible"] > digits["start"]).all()


def test_the_papers_rule_harms_digits(digits: dict[str, np.ndarray]) -> None:
    assert digits["paper"].mean() < digits["start"].mean() - 0.03


def on_digits(seed: int, **settings: Any) -> tuple[Any, dict[str, tuple[float, float]]]:
    """A run at C = 1, and accuracy and log loss on test rows before and after it."""
    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    rows = split(y, 100, seed)
    labeled, _, _, test = rows
    after = fitted(X, y, rows, C=1.0, **settings)
    found = {}
    for name, model in (("start", plain(X[labeled], y[labeled], 1.0)), ("end", after)):
        loss = log_loss(y[test], model.predict_proba(X[test]))
        found[name] = model.score(X[test], y[test]), loss
    return after, found


@pytest.mark.parametrize("seed", range(3))
def test_the_guard_keeps_the_papers_rule_from_harming_digits(seed: int) -> None:
    model, found = on_digits(seed, rule="paper", guard=True)
    (accuracy_before, loss_before), (accuracy, loss) = found["start"], found["end"]
    assert accuracy >= accuracy_before - 0.01
    assert loss <= loss_before + 0.01
    assert model.termination_condition_ == "guard"
    assert model.history_[-1]["undone"]


@pytest.mark.parametrize("seed", range(3))
def test_the_defaults_lift_digits(seed: int) -> None:
    model, found = on_digits(seed)
    (accuracy_before, loss_before), (accuracy, loss) = found["start"], found["end"]
    assert accuracy >= accuracy_before + 0.02
    assert loss <= 0.85 * loss_before
    kept = [record for record in model.history_ if not record["undone"]]
    assert kept[-1]["canary_fall"] > 2 * kept[-1]["canary_se"]


def random_labels(
    X: np.ndarray, y: np.ndarray, rows: tuple[np.ndarray, ...], seed: int
) -> float:
    labeled, pool, _, test = rows
    drawn = np.random.default_rng(seed).choice(pool, 100, replace=False)
    known = np.r_[labeled, drawn]
    return plain(X[known], y[known], C=0.02).score(X[test], y[test])


def margin_sampling(
    X: np.ndarray, y: np.ndarray, rows: tuple[np.ndarray, ...]
) -> float:
    known, pool, _, test = rows
    for _ in range(10):
        model = plain(X[known], y[known], C=0.02)
        ranked = np.sort(model.predict_proba(X[pool]), axis=1)
        closest = np.argsort(ranked[:, -1] - ranked[:, -2])[:10]
        known, pool = np.r_[known, pool[closest]], np.delete(pool, closest)
    return plain(X[known], y[known], C=0.02).score(X[test], y[test])


def test_the_papers_rule_beats_true_labels_on_waveform(data_folder: Path) -> None:
    table = pd.read_parquet(data_folder / "waveform_40.parquet")
    y = table.pop("label").to_numpy()
    X = StandardScaler().fit_transform(table)
    accuracy = []
    for seed in range(5):
        rows = split(y, 300, seed)
        accuracy.append(
            (
                salutary(X, y, rows, "paper", C=0.02),
                random_labels(X, y, rows, seed),
                margin_sampling(X, y, rows),
            )
        )
    paper, random, margin = np.mean(accuracy, axis=0)
    assert paper > random
    assert paper > margin
