"""The columns that an export adds to the rows' own."""

from __future__ import annotations

ROW = "salutary_row"
LABEL = "salutary_label"
RUN = "salutary_run"
PROBABILITY = "salutary_probability"
INFLUENCE = "salutary_influence"
INFLUENCE_SE = "salutary_influence_se"
ROUND = "salutary_round"
RULE = "salutary_rule"
SOURCE = "salutary_source"
STARTED = "salutary_started"

PROVENANCE = (
    *(ROW, LABEL, PROBABILITY, INFLUENCE, INFLUENCE_SE, ROUND),
    *(RULE, SOURCE, STARTED, RUN),
)
"""What the run says of a row: which it is, its label, and where that comes from."""

REVIEWED = "reviewed"
REVIEWED_LABEL = "reviewed_label"

REVIEW = (REVIEWED, REVIEWED_LABEL)
"""What a person says of the label: accept, change or reject; and the class they hold
right. Both are empty until someone has decided."""


def influence_of(label: str) -> str:
    """The column of the influence that a class would have."""
    return f"{INFLUENCE}_of_{label}"
