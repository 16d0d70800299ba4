"""Influences by kronfluence: EK-FAC, which approximates the Hessian of a layer.

Its scores are of rows with the labels they have, so the pool is passed once for each
class. Scores of the validation rows are summed as it goes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import numpy as np
import torch
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import cross_entropy
from torch.utils.data import TensorDataset

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

    def rows(X: np.ndarray, y: np.ndarray) -> TensorDataset:
        return TensorDataset(torch.from_numpy(X), torch.from_numpy(y))

    def of_classes(folder: str) -> Iterator[Tensor]:
        torch.manual_seed(0)
        n_classes, n_features = problem.coef.shape
        model = torch.nn.Sequential(
            torch.nn.Linear(n_features, n_classes, bias=False, dtype=PRECISE)
        )
        model.load_state_dict({"0.weight": torch.from_numpy(problem.coef)})
        task = Classification()
        analyzer = Analyzer(
            "peers",
            prepare_model(model, task),
            task,
            cpu=True,
            disable_tqdm=True,
            output_dir=folder,
        )
        analyzer.fit_all_factors(
            "factors",
            rows(problem.X_train, problem.y_train),
            per_device_batch_size=n_train,
            factor_args=factors,
        )
        for label in range(n_classes):
            analyzer.compute_pairwise_scores(
                f"scores of {label}",
                "factors",
                rows(problem.X_val, problem.y_val),
                rows(problem.X_pool, np.full(len(problem.X_pool), label)),
                per_device_query_batch_size=n_val,
                per_device_train_batch_size=4096,
                score_args=scores,
            )
            yield analyzer.load_pairwise_scores(f"scores of {label}")["all_modules"][0]

    def work() -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            found = torch.stack(list(of_classes(folder)), dim=1).numpy()
        return found / n_val / n_train

    return work


WAYS = {"EK-FAC": influences}

if __name__ == "__main__":
    serve(WAYS, "kronfluence", "torch", "numpy")
