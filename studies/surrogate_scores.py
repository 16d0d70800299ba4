"""What surrogates say of groups of rows, for the study of surrogates.

A surrogate is a cheaper model whose influences stand in for those of a deep model. The
outside reference, EK-FAC, is by kronfluence.
"""

from __future__ import annotations

from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments
from kronfluence.task import Task
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch.utils.data import TensorDataset

from salutary import label_influence
from salutary.arrays import IntArray
from salutary.labeling.rows import LabeledRows
from salutary.labeling.tuning import best_C_by_validation

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Setup:
    """Rows and groups, which are the same for every seed of training.

    Parameters
    ----------
    X : sequence of rows
    y : ndarray of shape (n_rows,), dtype intp
    labeled, validation : ndarrays of row numbers
    groups : ndarray of shape (n_groups, 10), dtype intp
        Rows of each group.
    labels : ndarray of shape (n_groups, 10), dtype intp
        Their labels; of group g a share of g / (n_groups - 1) is right.
    """

    X: Any
    y: IntArray
    labeled: IntArray
    validation: IntArray
    groups: IntArray
    labels: IntArray

    def rows(self, numbers: IntArray) -> Any:
        """The rows with the given numbers."""
        return self.X.iloc[numbers] if hasattr(self.X, "iloc") else self.X[numbers]


def of_groups(influence: Scores, given: Setup) -> Scores:
    """Sum over each group of the influences of its rows' labels."""
    labels = given.labels.ravel()
    own = influence[np.arange(len(labels)), labels]
    sums: Scores = own.reshape(given.groups.shape).sum(axis=1)
    return sums


def _vectors(model: Any, given: Setup) -> list[NDArray[np.float64]]:
    parts = (given.groups.ravel(), given.labeled, given.validation)
    return [model.embed(given.rows(part)).astype(np.float64) for part in parts]


def by_regression(model: Any, given: Setup) -> tuple[Scores, Scores]:
    """Influences and probabilities of the groups' rows under every class.

    As in the fine-tuner: standardized embeddings, C by the validation rows.
    """
    pool, train, val = _vectors(model, given)
    scaler = StandardScaler().fit(np.vstack([pool, train]))
    pool, train, val = map(scaler.transform, (pool, train, val))
    classes = np.unique(given.y)
    y, y_val = given.y[given.labeled], given.y[given.validation]
    C = best_C_by_validation(
        LabeledRows(train, y, np.ones(len(y))),
        LabeledRows(val, y_val, np.ones(len(y_val))),
        classes,
    )
    regression = LogisticRegression(C=C, tol=1e-8, max_iter=10_000).fit(train, y)
    influence = label_influence(regression, pool, X_train=train, X_val=val, y_val=y_val)
    return influence, regression.predict_proba(pool)


def by_last_layer(model: Any, given: Setup) -> Scores:
    """Influence by the last layer's own weights in place of a regression's, C = 1."""
    pool, train, val = _vectors(model, given)
    if hasattr(model, "coef_"):
        coef, intercept = model.coef_, model.intercept_
    else:
        last = model.module_.last
        coef, intercept = (
            value.detach().double().numpy() for value in (last.weight, last.bias)
        )
    if len(coef) == 2:
        coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    layer = LogisticRegression(C=1.0)
    layer.classes_ = np.unique(given.y)
    layer.coef_, layer.intercept_ = coef, intercept
    layer.n_features_in_, layer.n_iter_ = coef.shape[1], np.ones(1, dtype=np.int32)
    influence = label_influence(
        layer, pool, X_train=train, X_val=val, y_val=given.y[given.validation]
    )
    return of_groups(influence, given)


class LogLoss(Task):
    """The loss, in the form that kronfluence needs."""

    def compute_train_loss(
        self, batch: Any, model: torch.nn.Module, sample: bool = False
    ) -> torch.Tensor:
        """Sum of the log losses; with ``sample``, of labels drawn at random."""
        *inputs, labels = batch
        logits = model(*inputs)
        if sample:
            with torch.no_grad():
                labels = torch.multinomial(logits.softmax(dim=1), 1).flatten()
        return torch.nn.functional.cross_entropy(logits, labels, reduction="sum")

    def compute_measurement(self, batch: Any, model: torch.nn.Module) -> torch.Tensor:
        """Sum of the log losses of validation rows."""
        return self.compute_train_loss(batch, model)

    def get_influence_tracked_modules(self) -> list[str] | None:
        """None: all layers that kronfluence supports."""
        return None


class WithLayer(torch.nn.Module):
    """A fine-tuned language model and its last layer, from tokens to logits."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model._tuned.model
        n_classes, n_features = model.coef_.shape
        self.last = torch.nn.Linear(n_features, n_classes)
        with torch.no_grad():
            self.last.weight.copy_(torch.from_numpy(model.coef_))
            self.last.bias.copy_(torch.from_numpy(model.intercept_))

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits by the mean over tokens."""
        hidden = self.model(input_ids=ids, attention_mask=mask)[0]
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        logits: torch.Tensor = self.last((hidden * weight).sum(1) / weight.sum(1))
        return logits


class OfLanguageModel(LogLoss):
    """The loss with only LoRA's matrices and the last layer."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names

    def get_influence_tracked_modules(self) -> list[str]:
        """Names of the layers that were trained."""
        return self.names


def by_ekfac(model: Any, given: Setup) -> Scores:
    """Influence by kronfluence, over all parameters that were trained."""
    task: LogLoss = LogLoss()
    if hasattr(model, "coef_"):
        network: torch.nn.Module = WithLayer(model)
        names = [
            name
            for name, layer in network.named_modules()
            if isinstance(layer, torch.nn.Linear)
            and ("lora_" in name or name == "last")
        ]
        task = OfLanguageModel(names)
    else:
        network = model.module_
    y = torch.from_numpy(given.y)
    flat = given.groups.ravel()
    sets = [
        TensorDataset(*_inputs(model, given, rows), labels)
        for rows, labels in (
            (given.labeled, y[given.labeled]),
            (given.validation, y[given.validation]),
            (flat, torch.from_numpy(given.labels.ravel())),
        )
    ]
    with TemporaryDirectory() as folder:
        analyzer = Analyzer(
            "study",
            prepare_model(network, task),
            task,
            cpu=True,
            output_dir=folder,
            disable_tqdm=True,
        )
        analyzer.fit_all_factors(
            "factors",
            sets[0],
            per_device_batch_size=50,
            factor_args=FactorArguments(strategy="ekfac"),
        )
        analyzer.compute_pairwise_scores(
            "scores",
            "factors",
            query_dataset=sets[1],
            train_dataset=sets[2],
            per_device_query_batch_size=50,
            per_device_train_batch_size=50,
        )
        scores = analyzer.load_pairwise_scores("scores")["all_modules"]
    mean = scores.double().mean(dim=0).numpy()
    sums: Scores = mean.reshape(given.groups.shape).sum(axis=1)
    return sums


def _inputs(model: Any, given: Setup, rows: IntArray) -> list[torch.Tensor]:
    if not hasattr(model, "coef_"):
        return [torch.from_numpy(np.ascontiguousarray(given.X[rows]))]
    tokens = model._tuned.tokenizer(
        given.X["text"].iloc[rows].tolist(),
        padding="max_length",
        truncation=True,
        max_length=model._tuned.max_length,
        return_tensors="pt",
    )
    return [tokens["input_ids"], tokens["attention_mask"]]
