"""Names that callers choose from, each set closed."""

from typing import Literal

RuleName = Literal["tempered", "plausible", "paper"]
"""From a row's influences to a score for each of its classes."""

ObjectiveName = Literal["log_loss", "balanced", "worst_group"]
"""What labels are to lower on the validation rows."""

EstimateName = Literal["first_order", "newton", "refit"]
"""How the effect of adding a row is estimated."""

HessianRows = Literal["train", "pool", "both"]
"""Rows whose curvature enters the Hessian."""
