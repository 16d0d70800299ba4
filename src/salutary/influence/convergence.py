"""Whether a model is the optimum of the rows it is said to be fitted on."""

from __future__ import annotations

import warnings

import numpy as np

from salutary.arrays import Float64Array
from salutary.influence.direction import InfluenceWarning
from salutary.influence.factored import FactoredModel
from salutary.influence.training import TrainingRows, training_objective

LARGEST_EXCESS = 1e-6
"""How far a converged model's objective may be above its minimum, relative to it."""


def warn_unless_converged(factored: FactoredModel, rows: TrainingRows) -> None:
    """Warn if the training objective is noticeably above its minimum.

    Half the squared Newton decrement estimates how far above. Relative to the
    objective, it depends neither on the units of the features nor on how confident the
    model is. The relative error of influences is about its square root.

    Parameters
    ----------
    factored : FactoredModel
        With the Hessian of any rows that it may have been fitted on.
    rows : TrainingRows
        The rows that it is said to be fitted on, in float64.

    Warns
    -----
    InfluenceWarning
    """
    excess = relative_excess(factored, *training_objective(factored.model, rows))
    if excess > LARGEST_EXCESS:
        warnings.warn(
            "the model was fitted on other rows than these training rows, or has not "
            f"converged: its objective on them is about {excess:.1g} of its value "
            "above the minimum, so influences are off. If the rows, labels and weights "
            "are those it was fitted on, with the same C, refit it with a smaller tol, "
            "for instance tol=1e-8, and a larger max_iter; if they are not, pass those",
            InfluenceWarning,
            stacklevel=3,
        )


def relative_excess(
    factored: FactoredModel, value: float, gradient: Float64Array
) -> float:
    """How far an objective of that value and gradient is above its minimum.

    Half the squared Newton decrement, relative to the value, which is not negative.
    """
    reduced = factored.hessian.basis @ gradient
    decrement = float(np.vdot(reduced, factored.solver.solve(reduced).value))
    return decrement / 2 / max(value, float(np.finfo(np.float64).tiny))
