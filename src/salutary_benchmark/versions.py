"""Versions of the packages that figures were made with."""

from __future__ import annotations

import platform
from importlib.metadata import version

NUMERICAL = ("salutary", "numpy", "scipy", "scikit-learn")
"""Packages that every figure depends on."""


def versions_of(*further: str) -> dict[str, str]:
    """Versions of the numerical packages, and of further ones, by name."""
    return {package: version(package) for package in (*NUMERICAL, *further)}


def sentence(python: str, versions: dict[str, str]) -> str:
    """Versions in words.

    Examples
    --------
    >>> sentence("3.12.1", {"numpy": "2.4.6", "scipy": "1.17.1"})
    'Python 3.12.1, numpy 2.4.6, scipy 1.17.1'
    """
    named = [f"{package} {number}" for package, number in versions.items()]
    return ", ".join([f"Python {python}", *named])


def environment(*further: str) -> str:
    """The Python of this process and its packages' versions, in words."""
    return sentence(platform.python_version(), versions_of(*further))
