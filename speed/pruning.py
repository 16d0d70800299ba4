"""How many row visits exact pruning between rounds could save at most.

    python -m speed.pruning

makes ten rounds of ten labels on CelebA and on MNIST, by the default rule and by
"plausible", keeps the model and the direction
of every round, and asks afterwards which rows need not have been scored. A row that was
scored in an earlier round has, in this one, scores of at most its bound: the earlier
influence, plus what the change of the model's and the direction's parameters can add to
it along a row of its norm, times the probability it can reach at most. It is skipped if
no bound reaches what the class's shortlist ends at. That is known here, from the scores
of the round, but a method could know it only after its visits. So it saves no more.

The bounds. With logits z and products s = u x, the influence of class c is p·s - s_c.
Let a row's logits change by at most a = max_j |dw_j| |x|, and its products by at most
b = max_j |du_j| |x|. Then the influence changes by at most 2 b + min(a, 2) (max s - min
s) / 2, as softmax moves by at most a in the sum of absolute values, and a probability
grows by a factor of at most exp(2 a).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from salutary import SalutaryClassifier
from salutary.arrays import Float64Array
from salutary.labeling import problem as rounds
from salutary.labeling.scoring import ScoredPool, View, score_pool
from studies.worth_data import draw_rows
from studies.writing import real_data

SETS = ("celeba", "mnist")
N_LABELS, N_ROUNDS = 600, 10
"""Labeled and validation rows together; rounds of ten labels."""


@dataclass(frozen=True)
class Scored:
    """What one round would know of every row of the pool.

    Parameters
    ----------
    weights, direction : ndarrays of shape (n_classes, n_features + 1)
    influence, products, probability : ndarrays of shape (n_pool, n_classes)
    """

    weights: Float64Array
    direction: Float64Array
    influence: Float64Array
    products: Float64Array
    probability: Float64Array

    @classmethod
    def of(cls, view: View, X: Float64Array) -> Scored:
        weights = view.factored.model.parameters
        products = X @ view.direction.T
        probability = softmax(X @ weights.T, axis=1)
        mean = np.sum(probability * products, axis=1, keepdims=True)
        found = mean - products, products, probability
        return cls(weights, view.direction, *found)

    def bounds(self, now: Scored, norms: Float64Array) -> tuple[Float64Array, ...]:
        """The largest influences and probabilities of rows in a later round."""
        a = norms * np.linalg.norm(now.weights - self.weights, axis=1).max()
        b = norms * np.linalg.norm(now.direction - self.direction, axis=1).max()
        moved = 2 * b + np.minimum(a, 2) * np.ptp(self.products, axis=1) / 2
        grown = np.exp(np.minimum(2 * a, 50.0))
        influence = self.influence + moved[:, None]
        return influence, np.minimum(1.0, self.probability * grown[:, None])


def views_of(data: str, rule: str) -> tuple[list[View], Float64Array]:
    """The run's view of the pool in each round; the pool's rows, a one after each."""
    rows = draw_rows(data, N_LABELS, 0.0, 0)
    X = np.vstack([rows.train.X, rows.pool.X]).astype(np.float64)
    y = np.concatenate([rows.train.labels, np.full(len(rows.pool), -1)])
    seen: list[View] = []

    def noted(views: list[View], n_jobs: int | None = None) -> ScoredPool:
        seen.append(views[0])
        return score_pool(views, n_jobs)

    model = SalutaryClassifier(
        rule=rule, budget=10 * N_ROUNDS, batch_size=10, guard=False, random_state=0
    )
    rounds.score_pool = noted
    try:
        model.fit(X, y, rows.validation.X.astype(np.float64), rows.validation.labels)
    finally:
        rounds.score_pool = score_pool
    pool = X[len(rows.train) :]
    return seen, np.hstack([pool, np.ones((len(pool), 1))])


@dataclass(frozen=True)
class Pruned:
    """What rounds after the first had to visit, and why.

    Parameters
    ----------
    visited : ndarray of shape (n_rounds,)
        Part of the rows that had to be scored.
    turned : ndarray of shape (n_rounds,)
        Change of the direction u since the round before, as a part of its norm.
    """

    visited: Float64Array
    turned: Float64Array


def pruned(data: str, rule: str) -> Pruned:
    """Rows that a method with the best possible order of visits could not skip."""
    views, X = views_of(data, rule)
    norms = np.linalg.norm(X, axis=1)
    last = [Scored.of(views[0], X)]
    since: NDArray[np.intp] = np.zeros(len(X), dtype=np.intp)
    visits, turned = [], []
    for view in views[1:]:
        now = Scored.of(view, X)
        free = np.isin(np.arange(len(X)), view.taken, invert=True)
        visited = np.zeros(len(X), dtype=bool)
        bounds = [scored.bounds(now, norms) for scored in last]
        influence, probability = (
            np.stack([bound[part] for bound in bounds])[since, np.arange(len(X))]
            for part in (0, 1)
        )
        for variant in view.problem.variants.values():
            scores = np.where(free[:, None], variant(now.influence, now.probability), 0)
            most = variant(np.maximum(influence, 0), probability)
            assert (scores <= most + 1e-9)[free].all()
            visited |= free & (most > _least(view, scores)).any(axis=1)
        moved = np.linalg.norm(now.direction - last[-1].direction)
        turned.append(moved / np.linalg.norm(last[-1].direction))
        last.append(now)
        since[visited] = len(last) - 1
        visits.append(visited[free].mean())
    return Pruned(np.array(visits), np.array(turned))


def _least(view: View, scores: Float64Array) -> Float64Array:
    """What a row's score for each class has to be above to come onto the shortlist."""
    size, n_classes = view.keep.size, scores.shape[1]
    if not view.keep.of_each_class:
        return np.full(n_classes, np.sort(scores.max(axis=1))[-size])
    best, least = scores.argmax(axis=1), np.zeros(n_classes)
    for label in range(n_classes):
        own = np.sort(scores[best == label, label])
        if len(own) >= size:
            least[label] = max(own[-size], 0.0)
    return least


def main() -> None:
    """Print the figures of every data set."""
    real_data()
    for data in SETS:
        for rule in ("tempered", "plausible"):
            found = pruned(data, rule)
            print(
                f"{data}, {rule}: {found.visited.min():.2f} to "
                f"{found.visited.max():.2f} of the rows in each of "
                f"{len(found.visited)} rounds; the direction changed by "
                f"{found.turned.min():.2f} to {found.turned.max():.2f} of its norm"
            )


if __name__ == "__main__":
    main()
