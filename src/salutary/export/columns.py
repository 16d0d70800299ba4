"""The columns that an export adds to the rows' own."""

from __future__ import annotations

import re

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


CONTROL = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
"""Characters that names of columns and XML cannot hold, or that are changed there; and
the mark of what stands for them."""


def named(label: str) -> str:
    r"""A class as a name: itself, but for control characters, written as in Python.

    No two classes are written alike.

    Examples
    --------
    >>> print(named("cat"), named("a\nb"), named("a\\nb"))
    cat a\nb a\\nb
    """
    return CONTROL.sub(_escaped, label)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def influence_of(label: str) -> str:
    """The column of the influence that a class would have."""
    return f"{INFLUENCE}_of_{named(label)}"
