"""Compiled search for rows of a block that may be among the best, by Numba.

It scores float32 rows in one pass and tells those that `InfluenceScorer` has to look
at. Which rows are chosen, and all figures about them, come from there.
"""

from __future__ import annotations

import math

import numpy as np
from numba import config, njit
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

from salutary.arrays import FloatArray, IntArray
from salutary.labeling.standing import END_OF_BIN, FIRST_BIN

if config.DISABLE_JIT:  # type: ignore[attr-defined]
    raise ImportError("Numba's compiler is switched off, by NUMBA_DISABLE_JIT")

_TILE = 32
"""Rows that are scored at once, so that their figures for 100 classes stay in L1.

A constant, so that the compiler unrolls its loops. In the last tile, places without a
row keep what they had; nothing is told of them.
"""

_CLOSE = np.float32(1 - 1e-4)
"""Share of a floor, and of a row's best score, from which on a score is told.

`Keep` rounds scores to six digits, 5e-6, and takes others within 1e-5 for equal. A
power of a probability here and there differs by a few eps, 1e-6.
"""

_NOISE, _EPS = 32, np.finfo(np.float32).eps
"""Rounding error of an influence, in eps of a row's largest slope from the mean.

Where probabilities and slopes nearly cancel, an influence may be all rounding error.
Sums of K numbers err by K eps at most, and those of a few by a few.
"""

_LEAST = np.float32(1e-36)
"""Added to it, as numbers below 1e-38 have fewer digits, and products of them none."""

_ONE, _HALF, _ZERO = np.float32(1), np.float32(0.5), np.float32(0)
# Below it exp(x) is no normal float32. Such a probability is 1e-38 here, and less or
# zero in InfluenceScorer; `_LEAST` covers that.
_LEAST_LOGIT = np.float32(-87)

# exp(x) = 2^n exp(r) with |r| <= log(2) / 2. The compiler's own exp takes one number at
# a time; a polynomial takes eight. The high part of log(2) has few digits, so that its
# product with n is exact.
_LOG2_E = np.float32(1 / math.log(2))
_LOG_2 = np.float32(355 / 512)
_LOG_2_REST = np.float32(math.log(2) - 355 / 512)
_REACH = math.log(2) / 2
_EXP = (
    Chebyshev.interpolate(np.exp, 6, domain=[-_REACH, _REACH])
    .convert(kind=Polynomial)
    .coef.astype(np.float32)
)
_E0, _E1, _E2, _E3, _E4, _E5, _E6 = (np.float32(value) for value in _EXP)

_compile = njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"}
)


@_compile
def _take_two(
    start: int,
    n_rows: int,
    products: FloatArray,
    offset: FloatArray,
    logits: FloatArray,
    slopes: FloatArray,
) -> None:
    """Differences between two classes of some rows, in the second class's place."""
    for row in range(n_rows):
        logits[1, row] = products[start + row, 0] + offset[0]
        slopes[1, row] = products[start + row, 1] + offset[1]


@_compile
def _influences_of_two(
    probability: FloatArray,
    influence: FloatArray,
    mean: FloatArray,
    whole: NDArray[np.int32],
    power: FloatArray,
) -> None:
    """Turn differences into probabilities and influences, in their places.

    ``mean`` gets a number that is not finite where an influence is not.
    """
    for row in range(_TILE):
        probability[0, row] = -abs(probability[1, row])
        mean[row] = _ZERO
    _exponential(0, probability, mean, whole)
    for row in range(_TILE):
        odds = probability[0, row] * power[row]
        larger = _ONE / (_ONE + odds)
        is_second = probability[1, row] >= _ZERO
        mean[row] = probability[1, row] - influence[1, row]
        probability[0, row] = odds * larger if is_second else larger
        probability[1, row] = larger if is_second else odds * larger
        slope = influence[1, row]
        influence[0, row] = probability[1, row] * slope
        influence[1, row] = -probability[0, row] * slope


@_compile
def _take_many(
    start: int,
    n_rows: int,
    products: FloatArray,
    offset: FloatArray,
    logits: FloatArray,
    slopes: FloatArray,
) -> None:
    """Logits and slopes of some rows, each class in a row of the tile."""
    n_classes = len(logits)
    for row in range(n_rows):
        for label in range(n_classes):
            logits[label, row] = products[start + row, label] + offset[label]
        for label in range(n_classes):
            place = n_classes + label
            slopes[label, row] = products[start + row, place] + offset[place]


@_compile
def _influences_of_many(
    probability: FloatArray,
    influence: FloatArray,
    top: FloatArray,
    total: FloatArray,
    mean: FloatArray,
    whole: NDArray[np.int32],
    power: FloatArray,
) -> None:
    """Turn logits into probabilities and slopes into influences, in their places.

    The mean of the slopes is subtracted twice, as by `InfluenceScorer`. The second one
    stays in ``mean``; it is not finite where an influence is not.
    """
    n_classes = len(probability)
    for row in range(_TILE):
        top[row] = probability[0, row]
        total[row] = _ZERO
        mean[row] = _ZERO
    for label in range(1, n_classes):
        for row in range(_TILE):
            top[row] = max(top[row], probability[label, row])
    for label in range(n_classes):
        _exponential(label, probability, top, whole)
        for row in range(_TILE):
            found = probability[label, row] * power[row]
            probability[label, row] = found
            total[row] += found
            mean[row] += found * influence[label, row]
    for row in range(_TILE):
        total[row] = _ONE / total[row]
        top[row] = mean[row] * total[row]
        mean[row] = _ZERO
    for label in range(n_classes):
        for row in range(_TILE):
            probability[label, row] *= total[row]
            influence[label, row] = top[row] - influence[label, row]
            mean[row] += probability[label, row] * influence[label, row]
    for label in range(n_classes):
        for row in range(_TILE):
            influence[label, row] -= mean[row]


@_compile
def _exponential(
    label: int, values: FloatArray, top: FloatArray, whole: NDArray[np.int32]
) -> None:
    """Exponentials of a class's numbers less ``top``, in two factors.

    One replaces the numbers, and the bits of the other, as a float32, are ``whole``. No
    number may be above ``top``; those more than 87 below give exp(-87).
    """
    for row in range(_TILE):
        value = max(values[label, row] - top[row], _LEAST_LOGIT)
        n = np.floor(value * _LOG2_E + _HALF)
        rest = (value - n * _LOG_2) - n * _LOG_2_REST
        found = _E6
        found = found * rest + _E5
        found = found * rest + _E4
        found = found * rest + _E3
        found = found * rest + _E2
        found = found * rest + _E1
        values[label, row] = found * rest + _E0
        whole[row] = (np.int32(n) + np.int32(127)) << np.int32(23)  # 2^n


@_compile
def _weigh(
    class_weight: FloatArray,
    error: float,
    influence: FloatArray,
    weight: FloatArray,
    top: FloatArray,
    noise: FloatArray,
) -> None:
    """Weigh influences by class; the largest of each row, and how far a score may err.

    A class may err by as much as the slopes of others are large, so the error is that
    before weights, and by the largest of them.
    """
    for row in range(_TILE):
        top[row] = -np.float32(np.inf)
        noise[row] = _ZERO
    for label in range(len(influence)):
        for row in range(_TILE):
            noise[row] = max(noise[row], abs(influence[label, row]))
            influence[label, row] *= class_weight[label]
            top[row] = max(top[row], influence[label, row])
    for row in range(_TILE):
        noise[row] = noise[row] * error * weight[row] + _LEAST


@_compile
def _tell(
    exponent: int,
    lowest: float,
    variant: int,
    floors: FloatArray,
    probability: FloatArray,
    influence: FloatArray,
    weight: FloatArray,
    noise: FloatArray,
    best: FloatArray,
    told: NDArray[np.int32],
) -> None:
    """Tell rows whose best score by a variant may reach the floor of its class.

    ``lowest`` is the variant's lowest floor.
    """
    n_classes = len(influence)
    one = np.float32(exponent == 0)  # p^exponent, without a branch
    first = np.float32(exponent == 1)
    second = np.float32(exponent == 2)
    for row in range(_TILE):
        best[row] = _ZERO
    for label in range(n_classes):
        for row in range(_TILE):
            p = probability[label, row]
            score = influence[label, row] * (one + p * (first + p * second))
            best[row] = max(best[row], score * weight[row])
    any_row = np.int32(0)
    for row in range(_TILE):
        any_row |= np.int32(best[row] + noise[row] >= lowest * _CLOSE)
    if any_row == 0:
        return
    for label in range(n_classes):
        floor = floors[variant, label] * _CLOSE
        for row in range(_TILE):
            p = probability[label, row]
            score = influence[label, row] * (one + p * (first + p * second))
            score = score * weight[row] + noise[row]
            reached = (score >= floor) & (score >= best[row] * _CLOSE)
            told[row] |= np.int32(reached)


# With types, so that it is compiled when this file is imported, and whatever prevents
# that is known before a pass begins.
@njit(
    "void(f4[:, :], f4[::1], f4[::1], f4[::1], intp[::1], f4[:, ::1], "
    "f4[::1], b1[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
    fastmath={"contract", "nsz"},
)
def _screen(
    products: FloatArray,
    offset: FloatArray,
    class_weight: FloatArray,
    row_weight: FloatArray,
    exponents: IntArray,
    floors: FloatArray,
    largest: FloatArray,
    near: NDArray[np.bool_],
) -> None:
    # All views of arrays are made here, as each costs as much as a row.
    n_classes = floors.shape[1]
    probability = np.zeros((n_classes, _TILE), dtype=np.float32)
    influence = np.zeros((n_classes, _TILE), dtype=np.float32)
    of_row = np.ones((6, _TILE), dtype=np.float32)
    weight, top, total, mean = of_row[0], of_row[1], of_row[2], of_row[3]
    noise, best = of_row[4], of_row[5]
    whole = np.empty(_TILE, dtype=np.int32)
    power = whole.view(np.float32)
    told = np.empty(_TILE, dtype=np.int32)
    lowest = np.array([floors[variant].min() for variant in range(len(floors))])
    error = np.float32(max(_NOISE, n_classes) * _EPS) * class_weight.max()
    for start in range(0, len(products), _TILE):
        n_rows = min(_TILE, len(products) - start)
        for row in range(n_rows):
            weight[row] = row_weight[start + row]
        if n_classes == 2:
            _take_two(start, n_rows, products, offset, probability, influence)
            _influences_of_two(probability, influence, mean, whole, power)
        else:
            _take_many(start, n_rows, products, offset, probability, influence)
            _influences_of_many(probability, influence, top, total, mean, whole, power)
        for row in range(_TILE):  # what is not finite is for InfluenceScorer to judge
            told[row] = np.int32(mean[row] - mean[row] != _ZERO)
        _weigh(class_weight, error, influence, weight, top, noise)
        for row in range(n_rows):
            largest[start + row] = top[row] + (mean[row] - mean[row])
        for variant in range(len(exponents)):
            _tell(
                exponents[variant], lowest[variant], variant, floors,
                probability, influence, weight, noise, best, told,
            )  # fmt: skip
        for row in range(n_rows):
            near[start + row] = told[row] != 0


@njit("void(f4[::1], intp[::1], f4[::1], intp[::1])", cache=True, nogil=True)
def _count(
    largest: FloatArray, first_bin: IntArray, end_of_bin: FloatArray, counts: IntArray
) -> None:
    bits = largest.view(np.uint32)
    for row in range(len(largest)):
        place = bits[row] >> np.uint32(16)
        counts[first_bin[place] + (largest[row] >= end_of_bin[place])] += 1


def screen(
    products: FloatArray,
    offset: FloatArray,
    class_weight: FloatArray | None,
    row_weight: FloatArray | None,
    exponents: tuple[float, ...],
    floors: FloatArray,
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Largest influence of each row, and whether it may be kept.

    Parameters
    ----------
    products : ndarray of shape (n_rows, 2 n_classes), or (n_rows, 2), float32
        Products of the rows with `InfluenceScorer.weights`.
    offset : ndarray of shape (2 n_classes,), or (2,), float32
        `InfluenceScorer.offset`.
    class_weight : ndarray of shape (n_classes,), float32, optional
    row_weight : ndarray of shape (n_rows,), float32, optional
    exponents : tuple of float
        That of each variant of the rule, see `Tempered`: 0, 1 or 2.
    floors : ndarray of shape (n_variants, n_classes), float32
        The score that the best label of a row must reach, if it is this class.

    Returns
    -------
    largest : ndarray of shape (n_rows,), float32
        Influence of each row's best label.
    near : ndarray of shape (n_rows,), dtype bool
        Which rows may reach a floor, by any variant. None that does is missing; some of
        them are below it by rounding, or by little more.

    Notes
    -----
    Costs O(n_rows n_classes n_variants) in one pass over tiles of rows.
    """
    n_rows, n_classes = len(products), floors.shape[1]
    largest = np.empty(n_rows, dtype=np.float32)
    near = np.empty(n_rows, dtype=np.bool_)
    if class_weight is None:
        class_weight = np.ones(n_classes, dtype=np.float32)
    if row_weight is None:
        row_weight = np.ones(n_rows, dtype=np.float32)
    weights = offset, class_weight, row_weight
    powers = np.array(exponents, dtype=np.intp)
    _screen(products, *weights, powers, floors, largest, near)
    return largest, near


def count(largest: FloatArray, counts: IntArray) -> None:
    """As `salutary.labeling.standing.count`."""
    _count(largest, FIRST_BIN, END_OF_BIN, counts)
