"""Rows of one table in another, against pandas."""

import numpy as np
import pandas as pd
import pytest

from salutary.tables.recurring import count_recurring, count_twins, share_of_twins


def mixed(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"size": rng.normal(50, 20, n), "color": rng.choice(["red", "green"], n)}
    ).astype({"color": object})
    frame.loc[rng.random(n) < 0.2, "size"] = np.nan
    frame.loc[rng.random(n) < 0.2, "color"] = None
    frame["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.permutation(n), "D")
    return frame


def test_recurring_rows_are_those_pandas_finds() -> None:
    frames = [mixed(40, seed) for seed in range(3)]
    frames[0]["day"] += pd.Timedelta(1000, "D")
    rows = pd.concat([frames[0], frames[1][:4], frames[2][5:7]], ignore_index=True)
    # pandas joins missing values, too.
    joined = rows.merge(pd.concat(frames[1:]).drop_duplicates(), how="inner")
    assert count_recurring(rows, *frames[1:]) == len(joined) == 6
    assert count_recurring(frames[0], *frames[1:]) == 0


def test_twins_are_the_rows_that_pandas_finds_again() -> None:
    rows = mixed(40, 0)
    assert share_of_twins(rows) == 0
    twice = pd.concat([rows, rows[:10]], ignore_index=True)
    assert count_twins(twice) == 20
    assert share_of_twins(twice) == 20 / 50 == twice.duplicated(keep=False).mean()


@pytest.mark.parametrize("dtype", ["float64", "float32", "Float64"])
def test_minus_zero_is_zero_also_where_bits_are_compared(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pd.DataFrame({"a": [-0.0, 1.0, 2.0], "b": ["x", "x", "y"]})
    rows = rows.astype({"a": dtype})
    other = rows.assign(a=rows["a"].abs())

    def by_bits(frame: pd.DataFrame, index: bool) -> pd.Series:
        """As pandas before 3 hashes numbers."""
        cells = frame["a"].to_numpy(dtype=float), frame["b"]
        pairs = zip(cells[0].tolist(), cells[1], strict=True)
        return pd.Series([hash((number.hex(), text)) for number, text in pairs])

    for _ in range(2):
        assert count_recurring(rows, other) == 3
        assert count_twins(pd.concat([rows, other], ignore_index=True)) == 6
        monkeypatch.setattr(pd.util, "hash_pandas_object", by_bits)
