"""Influences by kronfluence: EK-FAC, which approximates the Hessian of a layer.

Its scores are of rows with the labels they have, so each pool row is passed once for
each class, all in one pass: between its steps kronfluence collects garbage, which took
most of the time of a pass for each class. Validation rows are summed as it goes.
"""

from __future__ import annotations

import tempfile

import numpy as np
import torch
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset, TensorDataset

from speed.peers.problem import Problem
from speed.peers.serving import Work, serve

Batch = tuple[Tensor, Tensor]
PRECISE = torch.float64


class Classification(Task):
    """The summed log loss, and labels drawn from the model for its Fisher matrix."""

    def compute_train_loss(
        self, batch: Batch, model: Module, sample: bool = False
    ) -> Tensor:
        X, labels = batch
        logits = model(X)
        if sample:
            chances = logits.detach().softmax(dim=1)
            labels = torch.multinomial(chances, num_samples=1).flatten()
        return cross_entropy(logits, labels, reduction="sum")

    def compute_measurement(self, batch: Batch, model: Module) -> Tensor:
        return self.compute_train_loss(batch, model)


class EveryLabel(Dataset[Batch]):
    """Every row under every class, class by class, without copies of the rows."""

    def __init__(self, X: Tensor, n_classes: int) -> None:
        self._X, self._labels = X, torch.arange(n_classes)

    def __len__(self) -> int:
        return len(self._X) * len(self._labels)

    def __getitem__(self, number: int) -> Batch:
        label, row = divmod(number, len(self._X))
        return self._X[row], self._labels[label]


def _model(problem: Problem) -> Module:
    n_classes, n_features = problem.coef.shape
    layer = torch.nn.Linear(n_features, n_classes, bias=False, dtype=PRECISE)
    layer.load_state_dict({"weight": torch.from_numpy(problem.coef)})
    return torch.nn.Sequential(layer)


def influences(problem: Problem) -> Work:
    n_train, n_val = len(problem.X_train), len(problem.X_val)
    factors = FactorArguments(
        strategy="ekfac",
        activation_covariance_dtype=PRECISE,
        gradient_covariance_dtype=PRECISE,
        per_sample_gradient_dtype=PRECISE,
        lambda_dtype=PRECISE,
    )
    scores = ScoreArguments(
        damping_factor=problem.l2 / n_train,
        aggregate_query_gradients=True,
        per_sample_gradient_dtype=PRECISE,
        precondition_dtype=PRECISE,
        score_dtype=PRECISE,
    )

    train, validation = (
        TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
        for X, y in (
            (problem.X_train, problem.y_train),
            (problem.X_val, problem.y_val),
        )
    )
    pool = EveryLabel(torch.from_numpy(problem.X_pool), problem.n_classes)

    def scored(folder: str) -> Tensor:
        torch.manual_seed(0)
        task = Classification()
        analyzer = Analyzer(
            "peers",
            prepare_model(_model(problem), task),
            task,
            cpu=True,
            disable_tqdm=True,
            output_dir=folder,
        )
        analyzer.fit_all_factors(
            "factors", train, per_device_batch_size=n_train, factor_args=factors
        )
        analyzer.compute_pairwise_scores(
            "scores",
            "factors",
            validation,
            pool,
            per_device_query_batch_size=n_val,
            per_device_train_batch_size=4096,
            score_args=scores,
        )
        found: Tensor = analyzer.load_pairwise_scores("scores")["all_modules"]
        return found

    def work() -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            found = scored(folder).numpy()
        return found.reshape(problem.n_classes, -1).T / n_val / n_train

    return work


WAYS = {"EK-FAC": influences}

if __name__ == "__main__":
    serve(WAYS, "kronfluence", "torch", "numpy")
