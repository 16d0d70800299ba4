"""``salutary finetune``: labels for a pool of texts, and a fine-tuned adapter."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from salutary.deep.adapter_files import ADAPTER_FILES
from salutary.deep.canary import part_validation
from salutary.deep.distillation import distill
from salutary.deep.final_model import FinalModel, final_model
from salutary.deep.fine_tuning import FineTuning
from salutary.deep.lora_classifier import LoraClassifier
from salutary.deep.texts import as_texts, warn_of_cut_in
from salutary.deep.vectors import FILE
from salutary.files import write_json
from salutary.labeling.fitting import Snapshot
from salutary.labeling.rules import find_rule
from salutary.names import RuleName
from salutary.progress import Stage
from salutary.runs.adapter_cache import AdapterCache, check_rounds
from salutary.runs.artifacts import ADAPTER, COLUMNS, LABELS
from salutary.runs.kind import FinishedRun, Request
from salutary.runs.label import agreement_of, write_labels
from salutary.runs.report import counts_by_class, figures_of, run_figures
from salutary.runs.table_problem import recurring_rows
from salutary.tables.checks import Checks, check_tables
from salutary.tables.reading import Tables, read_tables
from salutary.tables.sources import Sources

ROUNDS = "rounds"
"""Folder of the models of all rounds."""

VECTORS = (FILE, f"{FILE}-wal", f"{FILE}-shm")
"""Files of the cache of embeddings."""


@dataclass(frozen=True)
class FineTuneSettings:
    """Settings of a run, see ``salutary finetune --help``."""

    rule: RuleName
    batch_size: int
    guard: bool
    seed: int
    refit_on_validation: bool
    distill: bool
    rank: int
    learning_rate: float
    epochs: int
    max_length: int | None


@dataclass(frozen=True)
class TextProblem:
    """The problem of a run, and the tables it was made from.

    Parameters
    ----------
    problem : FineTuning
        Its rows are those of the pool, the training table and the validation table, in
        this order.
    tables : Tables
    embedder : str
        Fingerprint of the language model before fine-tuning.
    checks : Checks
        Without drift, as the texts have no vectors yet.
    cache : AdapterCache
        The fine-tuned models of the rounds.
    """

    problem: FineTuning
    tables: Tables
    embedder: str
    checks: Checks
    cache: AdapterCache

    @property
    def ids(self) -> pa.Array:
        """Names of the pool rows."""
        return self.tables.ids

    @property
    def label_type(self) -> pa.DataType:
        """Arrow type of the target column."""
        return self.tables.label_type

    @property
    def pool_labels(self) -> NDArray[Any] | None:
        """Labels that the pool came with, or None."""
        return self.tables.pool_labels

    @property
    def n_rows(self) -> dict[str, int]:
        """Number of rows of each table."""
        return self.tables.n_rows

    @property
    def recurring(self) -> int:
        """Number of validation rows that the training table or the pool has as well."""
        return recurring_rows(self.tables)


class FineTuneRun:
    """A `RunKind` that labels pool rows, and fine-tunes a language model on them."""

    name = "finetune"
    scratch = (*VECTORS, ROUNDS)

    def prepare(self, request: Request, stage: Stage) -> TextProblem:
        """Read and check the three tables and the language model.

        Raises
        ------
        InputError
            If a table or the language model cannot be used.
        """
        check_rounds(request.out / ROUNDS)
        with stage("reading the tables"):
            tables = read_tables(request.sources)
            texts_of = {
                name: as_texts(tables.features[name])
                for name in ("pool", "train", "validation")
            }
            texts = [text for part in texts_of.values() for text in part]
        classifier = _classifier(request)
        assert request.sources.texts is not None
        with stage("loading the language model"):
            model = classifier.load_base(request.sources.texts.fingerprint)
            base = model.fingerprint.hex()
        called = request.sources.names()
        warn_of_cut_in({called[name]: texts_of[name] for name in texts_of}, model)
        folder = request.out / ROUNDS
        cache = AdapterCache(folder, classifier, base, model.max_length, stage)
        problem = _problem(request, tables, texts, cache)
        return TextProblem(problem, tables, base, check_tables(tables), cache)

    def results(self, sources: Sources) -> tuple[str, ...]:
        """Names of the files of the labels and the adapter."""
        files = (*ADAPTER_FILES, COLUMNS)
        return LABELS, *(f"{ADAPTER}/{name}" for name in files)

    def write(self, finished: FinishedRun) -> None:
        """Write the labels and the adapter."""
        request = finished.request
        write_labels(finished)
        final = _with_validation(finished)
        model = final_snapshot(finished).model if final is None else final.model
        beside, folder = request.out / f".{ADAPTER}.part", request.out / ADAPTER
        shutil.rmtree(beside, ignore_errors=True)
        model.save(beside)
        write_json(beside / COLUMNS, {"columns": list(request.sources.documents)})
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)

    def outcome(self, finished: FinishedRun) -> dict[str, Any]:
        """Figures of the run for its report."""
        task: FineTuning = finished.prepared.problem
        final = _with_validation(finished)
        return {
            **run_figures(finished, task.codes[task.own_rows]),
            "train_by_class": counts_by_class(task.classes, task.codes[task.labeled]),
            "labels_trained_on": (
                len(final_snapshot(finished)) if final is None else final.n_labels
            ),
            "epochs": _epochs(finished),
            "verdict": _verdict(finished),
            "baselines": task.baselines(),
            "distillation": distill(task, finished.state.best).figures,
            "refit": None if final is None else final.figures(),
            "agreement": agreement_of(finished),
        }


FINE_TUNING = FineTuneRun()


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


def _problem(
    request: Request, tables: Tables, texts: list[Any], cache: AdapterCache
) -> FineTuning:
    """Make the problem of all rows; the pool comes first, and its codes are unused."""
    settings = request.settings
    n_train, n_val = len(tables.train_labels), len(tables.validation_labels)
    n_pool = len(texts) - n_train - n_val
    codes = np.concatenate(
        [
            np.zeros(n_pool, dtype=np.intp),
            tables.train_labels,
            tables.validation_labels,
        ]
    )
    validation = n_pool + n_train + np.arange(n_val)
    rng = np.random.RandomState(settings.seed)
    own, canary = part_validation(validation, codes[validation], settings.guard, rng)
    return FineTuning(
        fine_tune=cache.fine_tune,
        X=texts,
        codes=codes,
        labeled=n_pool + np.arange(n_train),
        pool=np.arange(n_pool),
        own_rows=own,
        canary_rows=canary,
        classes=tables.classes,
        rule=find_rule(settings.rule),
        batch_size=settings.batch_size,
        seed=settings.seed,
        stage=cache.stage,
        embed_frozen=cache.embed_frozen,
        distills=settings.distill,
        epochs=settings.epochs,
    )


def final_snapshot(finished: FinishedRun) -> Snapshot:
    """The model that is left if it is not trained on the validation table too."""
    task: FineTuning = finished.prepared.problem
    best = finished.state.best
    return distill(task, best).best(best)


def _with_validation(finished: FinishedRun) -> FinalModel | None:
    """The final model, if it is fine-tuned on the validation table too.

    It has the run's labels only if they help besides that table.
    """
    if not finished.request.settings.refit_on_validation:
        return None
    task: FineTuning = finished.prepared.problem
    first, _ = task.first()
    kept = task.worth_adding(first, finished.state.best)
    return final_model(task, kept, distill(task, finished.state.best).is_better)


def _epochs(finished: FinishedRun) -> list[int]:
    """Epochs that the deep model was fine-tuned for in each round, from round 0."""
    task: FineTuning = finished.prepared.problem
    record = finished.record
    return [
        task.fine_tuned(entry.round, *record.labels_by(entry)).model.n_epochs_
        for entry in record.entries
    ]


def _verdict(finished: FinishedRun) -> dict[str, Any] | None:
    """The verdict on labels of the first model's surrogate."""
    task: FineTuning = finished.prepared.problem
    first, _ = task.first()
    return figures_of(task.verdict(first, finished.request.limit))
