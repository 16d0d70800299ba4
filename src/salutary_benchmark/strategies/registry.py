"""All strategies by name, in the order of tables and pictures."""

from __future__ import annotations

from collections.abc import Iterable

from salutary_benchmark.strategies.no_labels import CONTROLS, NO_LABELS
from salutary_benchmark.strategies.task import Strategy
from salutary_benchmark.strategies.true_labels import TRUE_LABELS
from salutary_benchmark.strategies.variants import VARIANTS

COMPARED: dict[str, Strategy] = {**TRUE_LABELS, **NO_LABELS, **CONTROLS}
"""Strategies that suites compare under one setting."""

STRATEGIES: dict[str, Strategy] = {**COMPARED, **VARIANTS}


def in_order(names: Iterable[str]) -> list[str]:
    """Names in the order of `STRATEGIES`, then unknown names."""
    present = set(names)
    known = [name for name in STRATEGIES if name in present]
    return known + sorted(present - set(known))
