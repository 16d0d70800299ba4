"""From three tables to a problem: what enters where, and what never does."""

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from salutary.errors import InputError
from salutary.progress import Report, silent
from salutary.runs.kind import Request
from salutary.runs.label import LABELING
from salutary.runs.table_problem import Settings, TableProblem
from salutary.tables.sources import Sources

TABLES = ("train", "validation", "pool")
COLORS = np.array(["red", "green", "blue"])


@pytest.fixture
def frames() -> dict[str, pd.DataFrame]:
    """Tables of a number and a category, all with a target."""
    rng = np.random.default_rng(0)
    frames = {}
    for name, n in zip(TABLES, (40, 50, 60), strict=True):
        kind = rng.integers(0, 3, n)
        frames[name] = pd.DataFrame(
            {
                "size": kind + rng.normal(size=n),
                "color": COLORS[rng.integers(0, 3, n)],
                "kind": np.array(["bird", "cat", "dog"])[kind],
            }
        )
    return frames


def with_text(frames: dict[str, pd.DataFrame]) -> None:
    """Add a column of texts that hardly repeat."""
    rng = np.random.default_rng(1)
    for frame in frames.values():
        frame["note"] = [f"{rng.integers(10**6)} x{row}" for row in range(len(frame))]


def prepared(
    folder: Path,
    frames: dict[str, pd.DataFrame],
    *,
    id_column: str | None = None,
    guard: bool = False,
    seed: int = 0,
) -> TableProblem:
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    sources = Sources(*(folder / f"{name}.csv" for name in TABLES), "kind", id_column)
    settings = Settings("plausible", 0.5, 7, guard, seed)
    request = Request(sources, settings, 10, folder / "run", resume=False)
    return LABELING.prepare(request, silent)


def test_rows_and_classes_stand_in_the_tables_order(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    found = prepared(tmp_path, frames)
    problem = found.problem
    assert problem.classes.tolist() == ["bird", "cat", "dog"]
    assert found.n_rows == {"train": 40, "validation": 50, "pool": 60}
    for rows, name in ((problem.labeled, "train"), (problem.validation, "validation")):
        kinds = problem.classes[rows.labels]
        assert kinds.tolist() == frames[name]["kind"].tolist()
    # The first feature is the number, standardized over train and pool.
    numbers = np.concatenate([frames["train"]["size"], frames["pool"]["size"]])
    expected = (numbers - numbers.mean()) / numbers.std()
    matrix = np.vstack([problem.labeled.X, problem.pool.X])
    np.testing.assert_allclose(matrix[:, 0], expected, atol=1e-5)
    assert matrix.dtype == np.float32
    assert problem.pool.unlabeled.all()
    assert (problem.estimator.C, problem.batch_size) == (0.5, 7)


def test_features_are_the_encoders(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    with_text(frames)
    found = prepared(tmp_path, frames)
    encoder = found.model(LogisticRegression())[:-1]
    for name, X in (
        ("train", found.problem.labeled.X),
        ("validation", found.problem.validation.X),
        ("pool", found.problem.pool.X),
    ):
        np.testing.assert_allclose(
            encoder.transform(frames[name]), X, atol=1e-4, err_msg=name
        )


def test_the_encoder_never_sees_validation_rows(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    with_text(frames)
    before = prepared(tmp_path, frames).problem
    frames["validation"]["size"] = 1e6
    frames["validation"]["note"] = "nothing of the kind"
    after = prepared(tmp_path, frames).problem
    np.testing.assert_array_equal(before.labeled.X, after.labeled.X)
    np.testing.assert_array_equal(before.pool.X, after.pool.X)
    assert not np.array_equal(before.validation.X, after.validation.X)


@pytest.mark.parametrize("which", ["target", "id"])
def test_target_and_id_are_no_features(
    which: str, frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    expected = prepared(tmp_path, frames).problem.pool.X
    if which == "target":
        frames["pool"] = frames["pool"].drop(columns="kind")
        found = prepared(tmp_path, frames)
        assert found.pool_labels is None
    else:
        frames["pool"]["key"] = np.arange(60) * 10
        frames["train"]["key"] = 5
        found = prepared(tmp_path, frames, id_column="key")
        assert found.ids.to_pylist() == list(range(0, 600, 10))
    np.testing.assert_array_equal(found.problem.pool.X, expected)


def test_the_pools_own_labels_are_kept_aside(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    found = prepared(tmp_path, frames)
    assert found.pool_labels.tolist() == frames["pool"]["kind"].tolist()
    frames["pool"]["kind"] = None
    assert prepared(tmp_path, frames).pool_labels is None
    frames["pool"]["kind"] = ["a class of its own"] * 60
    assert set(prepared(tmp_path, frames).pool_labels) == {"a class of its own"}


def test_the_guard_parts_the_validation_rows_by_class(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    problem = prepared(tmp_path, frames, guard=True).problem
    rows = problem.validation
    assert len(rows) == 50
    assert len(problem.folds) == 3
    counts = np.array(
        [np.bincount(fold.canary.labels, minlength=3) for fold in problem.folds]
    )
    assert counts.sum(axis=0).tolist() == np.bincount(rows.labels).tolist()
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 1

    def keys(X: np.ndarray) -> list[bytes]:
        return [row.tobytes() for row in X]

    everywhere = sorted(keys(rows.X))
    for fold in problem.folds:
        assert not set(keys(fold.own.X)) & set(keys(fold.canary.X))
        assert sorted([*keys(fold.own.X), *keys(fold.canary.X)]) == everywhere
    canaries = [key for fold in problem.folds for key in keys(fold.canary.X)]
    assert sorted(canaries) == everywhere
    assert prepared(tmp_path, frames).problem.folds == ()


def test_the_seed_draws_other_parts_for_the_guard(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    first, second, other = (
        prepared(tmp_path, frames, guard=True, seed=seed).problem.folds[0].canary.X
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first[:, 0], other[:, 0])


def test_a_number_column_that_a_text_makes_text_is_warned_of(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    frames["train"]["size"] = frames["train"]["size"].astype(object)
    frames["train"].loc[4, "size"] = "n.a."
    words = r"train\.csv: column 'size' is taken as text.* 'n\.a\.' in row 4;"
    with pytest.warns(UserWarning, match=words):
        prepared(tmp_path, frames)


def test_columns_may_stand_in_any_order(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    expected = prepared(tmp_path, frames).problem
    for name in ("validation", "pool"):
        frames[name] = frames[name][frames[name].columns[::-1]]
    found = prepared(tmp_path, frames).problem
    np.testing.assert_array_equal(found.pool.X, expected.pool.X)
    np.testing.assert_array_equal(found.validation.X, expected.validation.X)


def test_a_column_empty_everywhere_or_in_train_alone_is_no_obstacle(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    expected = prepared(tmp_path, frames).problem.pool.X
    for frame in frames.values():
        frame["nothing"] = None
    np.testing.assert_array_equal(prepared(tmp_path, frames).problem.pool.X, expected)
    frames["pool"]["nothing"] = np.arange(60) % 2
    found = prepared(tmp_path, frames).problem
    assert np.isfinite(found.labeled.X).all()
    assert np.isfinite(found.validation.X).all()


def test_unseen_and_recurring_rows_are_counted(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    frames["pool"].loc[[2, 5], "color"] = "mauve"
    shared = pd.concat([frames["train"][:2], frames["pool"][5:8]])
    frames["validation"] = pd.concat([frames["validation"], shared])
    found = prepared(tmp_path, frames)
    assert found.unseen == {"color": 2}
    assert found.recurring == 5


def test_the_stages_are_told(frames: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    prepared(tmp_path, frames)
    told = []

    def stage(name: str) -> AbstractContextManager[Report]:
        told.append(name)
        return silent(name)

    sources = Sources(*(tmp_path / f"{name}.csv" for name in TABLES), "kind", None)
    settings = Settings("paper", 1.0, 5, False, 0)
    request = Request(sources, settings, 10, tmp_path / "run", resume=False)
    LABELING.prepare(request, stage)
    assert told == [
        "reading the tables",
        "encoding the columns",
        "checking the tables",
    ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("train", None, r"train\.csv: target column 'kind' is empty in row 3"),
        (
            "validation",
            None,
            r"validation\.csv: target column 'kind' is empty in row 3",
        ),
        ("validation", "cow", r"validation\.csv: column 'kind' has the class 'cow'"),
        (
            "pool",
            None,
            r"pool\.csv: target column 'kind' is only partly filled \(row 3",
        ),
    ],
)
def test_a_target_that_cannot_be_used_is_refused(
    name: str,
    value: str | None,
    words: str,
    frames: dict[str, pd.DataFrame],
    tmp_path: Path,
) -> None:
    frames[name].loc[3, "kind"] = value
    with pytest.raises(InputError, match=words):
        prepared(tmp_path, frames)


def test_a_value_too_large_for_the_encoder_is_named(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    frames["pool"].loc[3, "size"] = 1e300
    with pytest.raises(InputError, match=r"pool\.csv: column 'size', row 3"):
        prepared(tmp_path, frames)


def test_tables_without_a_value_are_refused(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    for frame in frames.values():
        frame[["size", "color"]] = None
    with pytest.raises(InputError, match="no feature has a value"):
        prepared(tmp_path, frames)
