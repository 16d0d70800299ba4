"""How messages show a user's values: whole where short, cut where long."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from salutary import SalutaryClassifier
from salutary.influence.label_values import shown, shown_all


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("no", "'no'"),
        ("x" * 60, repr("x" * 60)),
        ("x" * 61, repr("x" * 60 + "...")),
        (np.str_("no"), "'no'"),
        (np.int64(7), "7"),
        (np.float64(0.5), "0.5"),
        (10**70, "1" + "0" * 59 + "..."),
        (10**5000, "(a huge int)"),
        (Decimal("1.5"), "Decimal('1.5')"),
        (tuple(range(100)), repr(tuple(range(100)))[:60] + "..."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_shown_as_python_writes_it_but_cut(value: Any, text: str) -> None:
    assert shown(value) == text


def test_of_a_list_the_first_ten_are_shown() -> None:
    assert shown_all(["b", "x" * 5000]) == f"['b', {'x' * 60 + '...'!r}]"
    assert shown_all(range(1000)).endswith("9, and 990 more]")


@pytest.mark.parametrize("y_val", [["x" * 5000] * 4, ["other"] * 4])
def test_a_refusal_does_not_repeat_long_labels(y_val: list[str]) -> None:
    X, y = np.eye(4), ["x" * 5000 + "1", "b", "c", "d"]
    with pytest.raises(ValueError, match="known classes") as refused:
        SalutaryClassifier().fit(X, y, X, y_val)
    assert len(str(refused.value)) < 400
