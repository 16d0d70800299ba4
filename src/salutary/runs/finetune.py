"""``salutary finetune``: labels for a pool of texts, and a fine-tuned adapter."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import clone

from salutary.advice.after_run import train_on_both
from salutary.arrays import IntArray
from salutary.deep.loop import (
    FineTuning,
    advance,
    fine_tuned,
    logits_of,
    mean_loss,
    part_validation,
    run_surrogate,
    start,
    surrogate,
    with_validation,
    worth_adding,
)
from salutary.deep.lora_classifier import LoraClassifier, warn_of_cut
from salutary.deep.texts import as_texts
from salutary.deep.vectors import FILE
from salutary.errors import InputError
from salutary.files import write_json, write_text
from salutary.influence.labels import absent_classes
from salutary.labeling.fitting import Snapshot
from salutary.labeling.loop import Canary, State
from salutary.labeling.rules import find_rule
from salutary.progress import Stage, reporting
from salutary.runs.artifacts import ADAPTER, COLUMNS, LABELS, METRICS
from salutary.runs.entries import RoundEntry
from salutary.runs.kind import Finished, Request, RunKind
from salutary.runs.label import agreement_of, write_labels
from salutary.runs.ledger import Ledger
from salutary.runs.report import counts_by_class
from salutary.runs.resume import whole_rounds
from salutary.tables.encoding import count_recurring
from salutary.tables.reading import Tables, read_tables
from salutary.tables.sources import Sources

ROUNDS = "rounds"
MADE_OF = "made_of.json"
ADAPTER_FILES = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "layer.safetensors",
    "classifier.json",
)
VECTORS = (FILE, f"{FILE}-wal", f"{FILE}-shm")


@dataclass(frozen=True)
class FineTuneSettings:
    """What a run does with its tables; see ``salutary finetune --help``."""

    rule: str
    batch_size: int
    guard: bool
    seed: int
    refit_on_validation: bool
    rank: int
    learning_rate: float
    epochs: int
    max_length: int | None


@dataclass(frozen=True)
class TextProblem:
    """A run's problem, and what leads back from it to the tables.

    Parameters
    ----------
    problem : FineTuning
        Its rows are those of the pool, then the training, then the validation table's.
    tables : Tables
    embedder : str
        Fingerprint of the language model as it comes.
    """

    problem: FineTuning
    tables: Tables
    embedder: str

    @property
    def ids(self) -> pa.Array:
        """Names of the pool's rows."""
        return self.tables.ids

    @property
    def label_type(self) -> pa.DataType:
        """Of the target column."""
        return self.tables.label_type

    @property
    def pool_labels(self) -> NDArray[Any] | None:
        """The pool's own labels, where it has them."""
        return self.tables.pool_labels

    @property
    def n_rows(self) -> dict[str, int]:
        """Rows of each table."""
        return {name: len(frame) for name, frame in self.tables.features.items()}


def prepare(request: Request, stage: Stage) -> TextProblem:
    """Read and check three tables and the language model.

    Raises
    ------
    InputError
        For anything that cannot be used.
    """
    sources, settings = request.sources, request.settings
    with stage("reading the tables"):
        tables = read_tables(sources)
        frames = [tables.features[name] for name in ("pool", "train", "validation")]
        texts = [text for frame in frames for text in as_texts(frame)]
    n_pool, n_train, n_val = map(len, frames)
    classifier = _classifier(request)
    with stage("loading the language model"):
        model = classifier.load_base()
        base = model.fingerprint.hex()
    warn_of_cut(model, texts)
    rng = np.random.RandomState(settings.seed)
    codes = np.concatenate(
        [
            np.zeros(n_pool, dtype=np.intp),
            tables.train_labels,
            tables.validation_labels,
        ]
    )
    validation = n_pool + n_train + np.arange(n_val)
    own, canary = part_validation(validation, codes[validation], settings.guard, rng)
    problem = FineTuning(
        fine_tune=Rounds(request.out / ROUNDS, classifier, base, stage).fine_tune,
        X=texts,
        codes=codes,
        labeled=n_pool + np.arange(n_train),
        pool=np.arange(n_pool),
        own=own,
        canary=canary,
        classes=tables.classes,
        rule=find_rule(settings.rule),
        batch_size=settings.batch_size,
        seed=settings.seed,
        stage=stage,
    )
    return TextProblem(problem, tables, base)


def _classifier(request: Request) -> LoraClassifier:
    texts, settings = request.sources.texts, request.settings
    assert texts is not None
    is_folder = Path(texts.embedder).is_dir()
    return LoraClassifier(
        str(Path(texts.embedder).resolve()) if is_folder else texts.embedder,
        pooling=texts.pooling,
        max_length=settings.max_length,
        rank=settings.rank,
        learning_rate=settings.learning_rate,
        epochs=settings.epochs,
        device=texts.device,
        cache_dir=str(request.out),
        random_state=settings.seed,
    )


@dataclass(frozen=True)
class Rounds:
    """Fine-tunes each round once: what comes of it lies in a folder of its own.

    Parameters
    ----------
    folder : Path
    classifier : LoraClassifier
        Not fine-tuned.
    base : str
        Fingerprint of its model.
    stage : callable
        Shows what is going on.
    """

    folder: Path
    classifier: LoraClassifier
    base: str
    stage: Stage

    def fine_tune(self, number: int, X: Any, y: Any, X_val: Any, y_val: Any) -> Any:
        """The classifier of a round, from its folder if that is of the same rows."""
        name = str(number) if number >= 0 else "final"
        folder, made_of = self.folder / name, self._made_of(X, y, X_val, y_val)
        if _made_of(folder) == made_of:
            kept = self.classifier.get_params()
            places = {name: kept[name] for name in ("model", "device", "cache_dir")}
            # One that is damaged is made again.
            with suppress(InputError):
                return LoraClassifier.load(folder, **places)
        with self.stage(f"fine-tuning on {len(y)} rows") as report, reporting(report):
            model = clone(self.classifier).fit(X, y, X_val, y_val)
        beside = self.folder / f".{name}.part"
        shutil.rmtree(beside, ignore_errors=True)
        model.save(beside)
        write_json(beside / MADE_OF, {"sha256": made_of})
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
        return model

    def _made_of(self, *rows: Any) -> str:
        """Digest of all that a round's classifier comes of."""
        parameters = self.classifier.get_params()
        for place in ("model", "device", "cache_dir"):
            parameters.pop(place)
        parts = [None if part is None else list(part) for part in rows]
        content = [self.base, sorted(parameters.items()), *parts]
        return hashlib.sha256(repr(content).encode()).hexdigest()


def _made_of(folder: Path) -> str | None:
    """Digest of all that a folder's classifier comes of, if it holds one."""
    try:
        return str(json.loads((folder / MADE_OF).read_text("utf-8"))["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def first_entry(task: FineTuning, state: State) -> RoundEntry:
    """Round 0: the model fine-tuned on the labeled rows."""
    canary = mean_loss(task, state.canary.start, task.canary)
    return RoundEntry(
        round=0,
        n_labeled=len(task.labeled),
        validation_loss=mean_loss(
            task, logits_of(task, state.latest, task.own), task.own
        ),
        canary_loss=None if np.isnan(canary) else canary,
        canary_fall=None,
        canary_se=None,
        largest_influence=None,
        variant=None,
        verdict="kept",
        seconds=0.0,
        model=(state.latest.model.coef_, state.latest.model.intercept_),
        folds=(),
    )


def restored(ledger: Ledger, task: FineTuning, budget: int) -> State:
    """The state after the ledger's last round, from which the run goes on."""
    record = whole_rounds(ledger, len(task.classes), task.batch_size, budget)

    def snapshot(entry: RoundEntry) -> Snapshot:
        return fine_tuned(task, entry.round, *record.labels_by(entry))

    start, kept = snapshot(record.entries[0]), snapshot(record.best)
    return State(
        latest=snapshot(record.entries[-1]),
        folds=(),
        rounds=record.entries[-1].round,
        best=kept,
        best_round=record.best.round,
        canary=Canary(
            logits_of(task, start, task.canary), logits_of(task, kept, task.canary)
        ),
        termination=record.termination,
    )


def write(finished: Finished) -> None:
    """Write the labels, the metrics and the adapter."""
    request, task = finished.request, finished.prepared.problem
    write_labels(finished)
    lines = [json.dumps(metrics) for metrics in _metrics(finished)]
    write_text(request.out / METRICS, "".join(f"{line}\n" for line in lines))
    model = finished.state.best.model
    if request.settings.refit_on_validation:
        model = with_validation(task, final_chain(finished))
    beside, folder = request.out / f".{ADAPTER}.part", request.out / ADAPTER
    shutil.rmtree(beside, ignore_errors=True)
    model.save(beside)
    write_json(beside / COLUMNS, {"columns": list(request.sources.documents)})
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


def final_chain(finished: Finished) -> Snapshot:
    """What the adapter is fine-tuned on, besides the validation table if it is."""
    task, kept = finished.prepared.problem, finished.state.best
    if not finished.request.settings.refit_on_validation:
        return kept
    none = task.pool[:0]
    return worth_adding(task, fine_tuned(task, 0, none, none), kept)


def _metrics(finished: Finished) -> Iterator[dict[str, Any]]:
    """Figures of each round's deep model."""
    task, labels = finished.prepared.problem, finished.assigned
    for entry in finished.entries:
        n_labels = int(np.searchsorted(labels.rounds, entry.round, side="right"))
        snapshot = fine_tuned(
            task, entry.round, labels.rows[:n_labels], labels.classes[:n_labels]
        )
        yield {
            "round": entry.round,
            "n_labeled": entry.n_labeled,
            "epochs": snapshot.model.n_epochs_,
            "validation_loss": entry.validation_loss,
            "validation_accuracy": _accuracy(task, snapshot, task.own),
            "canary_loss": entry.canary_loss,
            "canary_accuracy": _accuracy(task, snapshot, task.canary),
            "canary_fall": entry.canary_fall,
            "canary_se": entry.canary_se,
            "verdict": entry.verdict,
            "seconds": entry.seconds,
        }


def _accuracy(task: FineTuning, snapshot: Snapshot, rows: IntArray) -> float | None:
    if not len(rows):
        return None
    guesses = logits_of(task, snapshot, rows).argmax(axis=1)
    return float(np.mean(guesses == task.codes[rows]))


def outcome(finished: Finished) -> dict[str, Any]:
    """Figures for the report."""
    prepared, state = finished.prepared, finished.state
    task: FineTuning = prepared.problem
    first, last = finished.entries[0], finished.entries[state.best_round]
    features = dict(prepared.tables.features)
    validation = features.pop("validation")
    return {
        "termination": state.ending,
        "rounds": state.rounds,
        "refused_rounds": state.rounds - state.best_round,
        "labels": len(finished.labels.rows),
        "labels_trained_on": len(final_chain(finished)),
        "labels_by_class": counts_by_class(task.classes, finished.labels.classes),
        "validation_rows": len(task.own),
        "validation_loss": [first.validation_loss, last.validation_loss],
        "canary_rows": len(task.canary),
        "canary_loss": [first.canary_loss, last.canary_loss],
        "canary_se": last.canary_se,
        "both_tables": _both_tables(finished),
        "agreement": agreement_of(finished),
        "recurring_validation_rows": count_recurring(validation, *features.values()),
        "classes_not_validated": absent_classes(task.classes, task.codes[task.own]),
    }


def _both_tables(finished: Finished) -> dict[str, Any] | None:
    """What training on both tables does to the first surrogate, beside its labels."""
    task: FineTuning = finished.prepared.problem
    none = task.pool[:0]
    problem, _ = surrogate(task, fine_tuned(task, 0, none, none))
    state, _ = run_surrogate(problem, min(task.batch_size, finished.request.limit))
    both = train_on_both(problem, state.canary.best)
    return None if both is None else asdict(both)


def results(sources: Sources) -> tuple[str, ...]:
    """Names of the labels, the metrics and the adapter's files."""
    files = (*ADAPTER_FILES, COLUMNS)
    return LABELS, METRICS, *(f"{ADAPTER}/{name}" for name in files)


FINE_TUNING = RunKind(
    "finetune",
    prepare,
    results,
    write,
    outcome,
    start,
    advance,
    first_entry,
    restored,
    (*VECTORS, ROUNDS),
)
