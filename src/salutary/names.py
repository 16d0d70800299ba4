"""Names a user chooses from or reads, written down once.

The library and the command line take their choices from here; the module imports
nothing, so that ``salutary --help`` stays quick.
"""

from __future__ import annotations

from typing import Literal

RuleName = Literal["tempered", "plausible", "paper"]
"""How a row's influences become a score for each of its labels.

- ``"tempered"``: influence times a power of the label's probability; the guard chooses
  the power anew in every round.
- ``"plausible"``: influence times the label's probability.
- ``"paper"``: influence alone, as published.
"""

ObjectiveName = Literal["log_loss", "balanced", "worst_group"]
"""What labels are to lower on the validation rows.

- ``"log_loss"``: their mean log loss.
- ``"balanced"``: the mean over the classes of each class's mean log loss.
- ``"worst_group"``: a smooth maximum of the groups' mean log losses.

A mean cost has no name here, because it needs a table of costs
(`salutary.ExpectedCost`); the command line calls it ``cost``.
"""

EstimateName = Literal["first_order", "newton", "refit"]
"""How the effect of adding one labeled row is estimated.

- ``"first_order"``: by its influence, the slope of the loss as the row gains weight.
- ``"newton"``: by Newton steps towards the model that is fitted with the row.
- ``"refit"``: by fitting that model, which is exact.
"""

HessianRows = Literal["train", "pool", "both"]
"""The rows over which the Hessian of an influence is summed.

- ``"train"``: the training rows, whose loss the model minimizes.
- ``"pool"``: the pool rows, as published.
- ``"both"``: the training and the pool rows.
"""

SemiSupervisedMethod = Literal[
    "information_maximization", "self_training", "label_spreading"
]
"""How a whole pool of rows without a label takes part in a fit.

- ``"information_maximization"``: predictions of pool rows are drawn to certainty, and
  their mean to the class frequencies.
- ``"self_training"``: shares of the pool are labeled by the model itself.
- ``"label_spreading"``: the pool is labeled along its nearest neighbors.
"""

EngineName = Literal["local", "ray"]
"""Where the rows of a large pool are encoded and scored.

- ``"local"``: on this machine.
- ``"ray"``: on the machines of a Ray cluster.
"""

Pooling = Literal["mean", "cls", "last"]
"""How the vectors of a text's tokens become one vector.

- ``"mean"``: their mean.
- ``"cls"``: the first token's, for encoders trained with one for the whole text.
- ``"last"``: the last token's, for decoders.
"""

ExportFormat = Literal[
    "label-studio", "argilla", "huggingface", "csv", "jsonl", "parquet"
]
"""As what labels leave a run, and come back to it.

- ``"label-studio"``: a folder of tasks for Label Studio, with its labeling config.
- ``"argilla"``: a folder that Argilla 2 reads with ``Dataset.from_disk``.
- ``"huggingface"``: a folder that ``datasets.load_dataset`` reads.
- ``"csv"``, ``"jsonl"``, ``"parquet"``: one file, a row for each label.
"""

TRAIN_ONLY = "train only"
VALIDATION_ONLY = "validation only"
TRAIN_AND_VALIDATION = "train + validation"
WEIGHTED_VALIDATION = "train + weighted validation"
"""The baselines: a model of these rows, without any pool."""

SALUTARY = "salutary"
RELABELED = "relabeled"
"""Options whose labels no person gave: added to pool rows, or switched."""

WHOLE_POOL = "whole pool"
"""The option that trains on both tables and lets all of the pool take part."""

POOL_METHODS: dict[SemiSupervisedMethod, str] = {
    "information_maximization": "information maximization",
    "self_training": "self-training",
    "label_spreading": "label spreading",
}
"""How a whole pool may take part, in words."""

FROZEN = "frozen embeddings"
"""The option of a fine-tuning that fits both tables under the model as it comes."""

FROZEN_POOL = f"{FROZEN}, whole pool"
"""The same by information maximization with the whole pool."""

TAKING_POOL = (WHOLE_POOL, FROZEN_POOL)
"""Options in which pool rows take part without a label."""
