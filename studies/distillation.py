"""What a deep model gains by learning from a teacher of its frozen embeddings.

    python -m studies.distillation

trains a small CNN on images and fine-tunes all-MiniLM-L6-v2 by LoRA on texts, on a
hundred labels, with and without what the better regression on embeddings of the model
as it comes says of the pool. It writes ``docs/studies/distillation`` and resumes from
the measurements it finds. Sets may be named: ``python -m studies.distillation mnist``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from salutary.advice.options import train_and_validation, whole_pool
from salutary.advice.task import AdviceTask
from salutary.arrays import Float64Array, IntArray
from salutary.deep.distillation import distill
from salutary.deep.final_model import final_model, trained
from salutary.deep.fine_tuning import FineTuning
from salutary.deep.lesson import Lesson
from salutary.deep.soft_labels import arguments_of
from salutary.labeling.fitting import Snapshot
from salutary.labeling.rows import LabeledRows
from salutary.names import FROZEN, FROZEN_POOL
from salutary_benchmark.experiments.experiment import Display
from studies.finetuning import Ways
from studies.finetuning_runs import (
    N_POOL,
    N_TEST,
    all_epochs,
    draw,
    small,
    task_of,
    trainer,
)
from studies.paired import difference, reach
from studies.writing import environment, write_study

SETS = ("mnist", "ag_news", "sst2", "cifar10")
SEEDS = range(10, 15)
"""Not 0 to 3: on those of MNIST the weight of the pool was chosen."""

N_LABELED, N_VALIDATION = 100, 100
EPOCHS = {"mnist": 20, "cifar10": 20, "ag_news": 2, "sst2": 2}
"""Epochs with the pool; without it there are the trainer's 50, or 5."""

LABELED, BOTH = "labeled only", "train + validation"
DISTILLED = "labeled, distilled"
KEPT = "the better of both on canary rows"
BOTH_DISTILLED = "train + validation, distilled"
ALL_EPOCHS = "train + validation, all epochs, not calibrated"
LEFT = "train + validation, the way that cross-validation prefers"
EACH_AS_MUCH = "labeled, distilled, a pool row as a labeled one"


def measure(data: str, seed: int) -> Iterator[dict[str, Any]]:
    """Train in every way, once."""
    torch.set_num_threads(1)
    drawn = draw(data, N_VALIDATION, seed)
    drawn = replace(drawn, labeled=drawn.labeled[:N_LABELED])
    with TemporaryDirectory() as folder:
        model = trainer(data, seed, folder)

        def fine_tune(lesson: Lesson) -> Any:
            epochs = lesson.epochs or model.epochs
            if lesson.soft is not None:
                epochs = min(epochs, EPOCHS[data])
            return (
                clone(model)
                .set_params(epochs=epochs)
                .fit(
                    *(lesson.X, lesson.y, lesson.X_val, lesson.y_val),
                    **arguments_of(lesson.soft),
                )
            )

        task = small(task_of(data, drawn, seed, folder), drawn)
        task = replace(
            task, fine_tune=fine_tune, distills=True, embed_frozen=model.embed_frozen
        )
        yield from _regressions(task)
        yield from _networks(task, data)


def _regressions(task: FineTuning) -> Iterator[dict[str, Any]]:
    """Regressions on embeddings of the model as it comes, of all rows with a label."""
    assert task.embed_frozen is not None
    vectors = StandardScaler().fit_transform(task.embed_frozen(task.X))
    vectors = vectors.astype(np.float64)

    def with_labels(rows: IntArray) -> LabeledRows:
        return LabeledRows(vectors[rows], task.codes[rows], np.ones(len(rows)))

    validation = np.concatenate([task.own_rows, task.canary_rows])
    advice = AdviceTask(
        classes=task.classes,
        train=with_labels(task.labeled),
        validation=with_labels(validation),
        pool=vectors[task.pool],
        budget=0,
        batch_size=10,
        seed=0,
    )
    test, truth = vectors[_test(task)], task.codes[_test(task)]
    fitted = {
        FROZEN: train_and_validation(advice),
        FROZEN_POOL: whole_pool("information_maximization", advice),
    }
    for name, found in fitted.items():
        yield _figures(name, found.model.predict_proba(test), truth)


def _networks(task: FineTuning, data: str) -> Iterator[dict[str, Any]]:
    """The deep model in every way."""
    first = task.first()[0]
    found = distill(task, first)
    yield _judged(LABELED, task, first)
    yield _judged(ALL_EPOCHS, task, replace(first, model=all_epochs(task, first)))
    # Without a teacher the model stays the one of the labeled rows.
    own = first if found.snapshot is None else found.snapshot
    # By which another rule of which model to keep can be tried.
    canary = {name: (found.figures or {}).get(name) for name in ("decrease", "se")}
    yield {**_judged(DISTILLED, task, own), **canary}
    yield _judged(KEPT, task, found.best(first))
    yield from _with_validation(task, first)
    if data == "mnist":
        yield _judged(EACH_AS_MUCH, task, _each_as_much(task, first))


def _with_validation(task: FineTuning, first: Snapshot) -> Iterator[dict[str, Any]]:
    """The best ways to train on the validation rows too, and the better of them."""
    ways = final_model(task, first, distilled=True).ways
    found = {}
    for name, distilled in ((BOTH, False), (BOTH_DISTILLED, True)):
        way = next(way for way in ways if way.distilled is distilled)
        model = trained(task, first, way)
        found[distilled] = _judged(name, task, replace(first, model=model))
        yield {**found[distilled], "epochs": way.epochs, "temperature": way.temperature}
    yield {**found[ways[0].distilled], "trained_on": LEFT}


def _each_as_much(task: FineTuning, first: Snapshot) -> Snapshot:
    """The distilled model where a row of the pool weighs as much as a labeled one."""

    def heavier(lesson: Lesson) -> Any:
        soft = lesson.soft
        if soft is not None:
            soft = replace(soft, weight=1.0)
        return task.fine_tune(replace(lesson, soft=soft))

    found = distill(replace(task, fine_tune=heavier), first)
    assert found.snapshot is not None
    return found.snapshot


def _test(task: FineTuning) -> IntArray:
    """The test rows, which come after the pool's."""
    begin = len(task.labeled) + len(task.pool)
    return np.arange(begin, begin + N_TEST)


def _judged(name: str, task: FineTuning, snapshot: Snapshot) -> dict[str, Any]:
    rows = _test(task)
    chance = snapshot.model.predict_proba(task.rows(rows))
    return _figures(name, chance, task.codes[rows])


def _figures(name: str, chance: Float64Array, truth: IntArray) -> dict[str, Any]:
    classes = np.arange(chance.shape[1])
    loss = log_loss(truth, np.clip(chance, 1e-300, 1), labels=classes)
    accuracy = float(np.mean(chance.argmax(axis=1) == truth))
    return {"trained_on": name, "accuracy": accuracy, "log_loss": float(loss)}


@dataclass(frozen=True)
class Gains:
    """Differences between two ways to train, draw by draw.

    Parameters
    ----------
    found : DataFrame
    """

    found: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Mean differences with 95% intervals; below zero the first has less loss."""
        rows = []
        for data, part in self.found.groupby("data", sort=False):
            for one, other in PAIRS:
                row: dict[str, Any] = {"data": data, "of": one, "beside": other}
                for figure in ("accuracy", "log_loss"):
                    row[figure] = _paired(difference(part, one, other, figure))
                loss = difference(part, one, other)
                row["less loss in"] = f"{int((loss < 0).sum())} of {len(loss)}"
                rows.append(row)
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Every draw's difference in log loss."""
        figure = Figure(figsize=(9, 4), layout="constrained")
        axes = figure.subplots()
        by_data = self.found.groupby("data", sort=False)
        for color, (data, part) in enumerate(by_data):
            style: dict[str, Any] = {"color": f"C{color}", "alpha": 0.6, "label": data}
            for place, (one, other) in enumerate(PAIRS):
                loss = difference(part, one, other)
                axes.plot(loss, np.full(len(loss), place), "o", **style)
        axes.axvline(0, color="gray", linewidth=0.8)
        names = [f"{one}\nbeside {other}" for one, other in PAIRS]
        axes.set_yticks(range(len(PAIRS)), names, fontsize=7)
        axes.invert_yaxis()
        axes.set_xlabel("difference in log loss on test rows, draw by draw")
        lines, labels = axes.get_legend_handles_labels()
        own = dict(zip(labels, lines, strict=True))
        figure.legend(own.values(), own.keys(), loc="outside upper right", fontsize=7)
        return figure


PAIRS = (
    (DISTILLED, LABELED),
    (KEPT, LABELED),
    (DISTILLED, FROZEN_POOL),
    (BOTH, ALL_EPOCHS),
    (BOTH_DISTILLED, BOTH),
    (LEFT, BOTH),
    (LEFT, FROZEN_POOL),
)


def _paired(found: pd.Series[float]) -> str:
    mean, width = found.mean(), reach(found)
    if len(found) < 2:
        return f"{mean:+.3f}"
    return f"{mean:+.3f} ({mean - width:+.3f} to {mean + width:+.3f})"


def shown(found: pd.DataFrame) -> dict[str, Display]:
    """What it gains first, then every way to train."""
    return {
        "What it gains": Gains(found),
        "Accuracy": Ways(found),
        "Log loss": Ways(found, "log_loss"),
    }


READING = f"""\
{N_LABELED} labeled rows, {N_VALIDATION} validation rows, a pool of {N_POOL}, {N_TEST}
test rows, drawn anew for each seed from {SEEDS[0]} to {SEEDS[-1]}. Three in ten
validation rows are the canary rows. Images: a CNN of three convolutions from random
weights, 50 epochs, 20 with the pool. Texts: all-MiniLM-L6-v2 with LoRA of rank 8, five
epochs, two with the pool, of AG News 32 tokens, of SST-2 48. What is trained on labeled
rows alone stops early by the canary rows. What is trained on all validation rows has
the number of epochs (of all, half, ...) and the temperature that cross-validation
finds, but for "{ALL_EPOCHS}". The teacher of the
former has not seen the canary rows; that of the latter, and the regressions on frozen
embeddings, have.
All pool rows weigh as much as all labeled rows. "A pool row as a labeled one" has them
weigh ten times as much instead. The weight was chosen of three on four other draws of
MNIST. No run assigns labels here: the model of the labeled rows stands for the best
round."""


def reading(found: pd.DataFrame) -> str:
    """How it was done, and what has not been."""
    left = [name for name in SETS if name not in set(found["data"])]
    missing = f"\n\nNot measured yet: {', '.join(left)}." if left else ""
    versions = (
        f"{environment()}, torch {version('torch')}, transformers "
        f"{version('transformers')}, peft {version('peft')}"
    )
    return f"{versions}.\n\n{READING}{missing}"


def main() -> None:
    """Measure the data sets named on the command line, by default all."""
    write_study(
        "distillation",
        {"data": sys.argv[1:] or [*SETS], "seed": SEEDS},
        measure,
        shown,
        heading=("What a deep model gains by a teacher", reading),
    )


if __name__ == "__main__":
    main()
