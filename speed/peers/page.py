"""The page of a comparison, in Markdown."""

from __future__ import annotations

import os
import platform
import textwrap
from collections.abc import Callable, Sequence

from speed.peers.comparison import (
    Comparison,
    largest_difference,
    rank_correlation,
    shared,
)
from speed.peers.problem import Sizes
from speed.peers.process import Found

INTRODUCTION = """\
The same work by salutary and by others, in one run of one command:

    make peers

makes the environment that the others need, times everything and writes this page.

Each tool has a process of its own with one thread, and is timed in turn with
salutary, after a run of each that does not count. **Times** is the median ratio of
its seconds to those of salutary beside it, with the range over the pairs: below 1 it
is faster than salutary. The seconds are medians of each side, so their quotient
differs a little. **Memory** is the peak of its process, by the system's account,
beyond that of its imports."""

ABOUT_INFLUENCES = """\
**Difference** is the largest of all rows and classes, in standard deviations of
salutary's influences, and **ranks** Spearman's correlation over all of them.

- NumPy, one product, is what salutary computes without its checks, its care for
  rounding and its bounded memory. The loop makes the gradient of each row under each
  class. Both have the Hessian in closed form, as has `jvp`, which makes no gradient
  of a row.
- `vmap(grad)` and pyDVL differentiate automatically, for the Hessian too.
- pyDVL solves once, for the mean of the validation rows, which it is given as one
  sample; else it would solve for each of them. Its conjugate gradients have their
  default tolerance.
- EK-FAC approximates the Hessian, even of one layer. It is made for networks that are
  too large for a Hessian. Its scores are of rows with the labels they have, so it is
  given each pool row once for each class."""

ABOUT_QUERIES = """\
**As margin** counts the rows that are among the ten of scikit-learn's margin.
small-text is made for texts. It was given vectors in place of them, under its
classifier for scikit-learn."""

ABOUT_FITS = """\
Around queries stand fits of the model. A whole fit of salutary, here of one round that
labels ten rows, has two of them. With the guard, which is the default, it makes three
more runs, and compares its labels with what people's labels alone would give. Times are
those of salutary's choice of ten rows, as above."""


def page(
    sizes: Sizes, influences: Comparison, queries: Comparison, fits: Comparison
) -> str:
    """All of the page."""
    setting = _prose(
        f"{sizes.pool:,} pool rows of {sizes.features} features under {sizes.classes} "
        f"classes, with {sizes.train:,} training and {sizes.validation:,} validation "
        "rows, all in float64. Every tool has the same fitted coefficients, without an "
        "intercept, and the same objective: the log loss and an L2 penalty. Timed is "
        "everything from the coefficients to all influences, the Hessian included."
    )
    queried = _prose(
        f"Ten rows of the same pool, by `LogisticRegression` as fitted on the "
        f"{sizes.train:,} training rows; its fit is not timed. Salutary solves, scores "
        "all rows under all classes, and picks ten rows one by one with their labels, "
        "as a round without a guard does. The others pick rows for a person to label, "
        "which is less work."
    )
    parts = (
        "# Beside other libraries",
        INTRODUCTION,
        machine(),
        "## Influences of all classes",
        setting,
        table(influences, {"difference": _difference, "ranks": _ranks}),
        faster(influences),
        ABOUT_INFLUENCES,
        "## Ten rows to label",
        queried,
        table(queries, {"as margin": _as_margin}),
        faster(queries),
        ABOUT_QUERIES,
        "## Whole fits",
        ABOUT_FITS,
        table(fits, {}),
        "## Versions",
        versions(influences, queries, fits),
    )
    return "\n\n".join(parts) + "\n"


def machine() -> str:
    busy = os.getloadavg()[1]
    return _prose(
        f"Python {platform.python_version()}, {os.cpu_count()} cores. Over the last "
        f"five minutes the load was {busy:.1f}, of which the run itself makes 1."
    )


Column = Callable[[Comparison, Found], str]


def _difference(comparison: Comparison, found: Found) -> str:
    return f"{largest_difference(found.values, comparison.reference.values):.1g}"


def _ranks(comparison: Comparison, found: Found) -> str:
    return f"{rank_correlation(found.values, comparison.reference.values):.4f}"


def _as_margin(comparison: Comparison, found: Found) -> str:
    margin = comparison.measured[0].found
    return "" if margin is None else str(shared(found.values, margin.values))


def table(comparison: Comparison, columns: dict[str, Column]) -> str:
    """A line for the reference, and one for each tool; then why others have none."""

    def line(name: str, seconds: float, times: str, found: Found) -> list[str]:
        shown = [column(comparison, found) for column in columns.values()]
        return [name, f"{seconds:.3f}", times, *shown, f"{found.peak / 2**20:.0f} MiB"]

    lines = [line(comparison.tool.name, comparison.seconds, "1", comparison.reference)]
    failed = []
    for each in comparison.measured:
        if each.ratio is None or each.found is None:
            failed.append(f"{each.tool.name} could not be run: `{each.error}`")
            continue
        timed = each.ratio
        middle, low, high = map(
            _two_digits, (timed.median, timed.smallest, timed.largest)
        )
        times = f"{middle} ({low} to {high})"
        lines.append(line(each.tool.name, timed.seconds, times, each.found))
    header = ["", "seconds", "times", *columns, "memory"]
    return "\n\n".join([_markdown(header, lines), *failed])


def _two_digits(number: float) -> str:
    """A number to two digits, without an exponent."""
    return f"{float(f'{number:.2g}'):,g}"


def _markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))


def faster(comparison: Comparison) -> str:
    """Which tools took less time than the reference."""
    names = [
        each.tool.name
        for each in comparison.measured
        if each.ratio is not None and each.ratio.median < 1
    ]
    return _prose(f"Faster than salutary: {'; '.join(names) or 'none'}.")


def versions(*comparisons: Comparison) -> str:
    """Packages of this environment, and of that of the peers."""
    found: dict[bool, set[str]] = {False: set(), True: set()}
    for comparison in comparisons:
        found[False].update(comparison.reference.versions)
        for each in comparison.measured:
            if each.found is not None:
                found[each.tool.elsewhere].update(each.found.versions)
    here, there = (", ".join(sorted(names, key=str.lower)) for names in found.values())
    apart = "In the environment of pyDVL, kronfluence, modAL and small-text: "
    return "\n\n".join(
        [_prose(f"{here}."), *([_prose(f"{apart}{there}.")] * bool(there))]
    )


def _prose(text: str) -> str:
    return textwrap.fill(text, 88, break_long_words=False, break_on_hyphens=False)
