"""Names that callers choose from, each set closed."""

from typing import Literal

RuleName = Literal["tempered", "plausible", "paper"]
ObjectiveName = Literal["log_loss", "balanced", "worst_group"]
EstimateName = Literal["first_order", "newton", "refit"]
HessianRows = Literal["train", "pool", "both"]
