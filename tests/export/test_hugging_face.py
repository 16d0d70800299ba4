"""A folder of Hugging Face, loaded and changed by its own library."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from salutary.cli.main import main
from salutary.displays.frames import RunFrames
from salutary.export.columns import named
from salutary.ledgers.decisions import current_decisions
from salutary.ledgers.run_ledger import Ledger

BOTH = pytest.mark.parametrize("which", ["run_dir", "hostile_run"])


@pytest.fixture(scope="session")
def datasets() -> Any:
    library = pytest.importorskip("datasets", reason="needs salutary[test]")
    library.disable_progress_bars()
    return library


def loaded(datasets: Any, run_dir: Path, *further: str, name: str = "labels") -> Any:
    """The export of a run as the library loads it."""
    folder = run_dir.parent / name
    words = ["--to", "huggingface", "--out", str(folder), "--quiet"]
    main(["export", str(run_dir), *words, *further])
    cache = run_dir.parent / f"{name}-cache"
    (split,) = datasets.load_dataset(str(folder), cache_dir=str(cache)).values()
    return split


@BOTH
def test_the_library_loads_the_folder(
    which: str, datasets: Any, request: pytest.FixtureRequest
) -> None:
    run_dir = request.getfixturevalue(which)
    pool = request.getfixturevalue("pool" if which == "run_dir" else "hostile_pool")
    found = loaded(datasets, run_dir, "--all")
    frames = RunFrames.of_run(run_dir)
    labels = frames.labels
    feature = found.features["salutary_label"]
    assert isinstance(feature, datasets.ClassLabel)
    assert feature.names == frames.classes
    assert found.features["reviewed_label"] == feature
    assert feature.int2str(found["salutary_label"][:]) == labels["label"].tolist()
    assert found["reviewed_label"][:] == [None] * len(labels)
    own = pool.iloc[labels["row"]]
    for name in pool.columns:
        expected = own[name].astype(object).where(own[name].notna(), None).tolist()
        assert found[name][:] == expected, name
    influence = np.column_stack(
        [found[f"salutary_influence_of_{named(name)}"][:] for name in frames.classes]
    )
    assert influence.ravel().tolist() == frames.scores["influence"].tolist()
    assert found["salutary_influence"][:] == labels["influence"].tolist()


def half_changed(found: Any, row: dict[str, Any], place: int) -> dict[str, Any]:
    """The row as a person would leave it who changes, accepts and rejects in turn."""
    feature = found.features["reviewed_label"]
    after = (row["salutary_label"] + 1) % feature.num_classes
    changes = [
        {"reviewed_label": after},
        {"reviewed": "accept"},
        {"reviewed": "reject"},
    ]
    return {} if place % 2 else changes[place // 2 % 3]


@BOTH
@pytest.mark.parametrize("how", ["saved", "parquet"])
def test_what_its_map_has_changed_comes_back(
    which: str, how: str, datasets: Any, request: pytest.FixtureRequest
) -> None:
    run_dir = request.getfixturevalue(which)
    found = loaded(datasets, run_dir)
    changed = found.map(
        lambda row, place: half_changed(found, row, place),
        with_indices=True,
        load_from_cache_file=False,
        features=found.features,
    )
    file = run_dir.parent / ("saved" if how == "saved" else "changed.parquet")
    if how == "saved":
        changed.save_to_disk(str(file))
    else:
        changed.to_parquet(str(file))
    main(["import", str(run_dir), str(file), "--quiet"])
    frames = RunFrames.of_run(run_dir)
    expected = {}
    for place, (row, label) in enumerate(
        zip(frames.labels["row"], frames.labels["label"], strict=True)
    ):
        number = (frames.classes.index(label) + 1) % len(frames.classes)
        answers = [("change", frames.classes[number]), ("accept", label)]
        if place % 2 == 0:
            expected[row] = [*answers, ("reject", None)][place // 2 % 3]
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        holds = current_decisions(ledger.decisions())
    assert {row: (one.decision, one.label) for row, one in holds.items()} == expected
    again = loaded(datasets, run_dir, name="again")
    assert again["salutary_label"][:] == found["salutary_label"][:]
    names = again.features["reviewed_label"].names
    for row, decision, code in zip(
        frames.labels["row"], again["reviewed"], again["reviewed_label"], strict=True
    ):
        label = None if code is None else names[code]
        assert (decision, label) == expected.get(row, (None, None))


def test_the_card_says_who_gave_the_labels(run_dir: Path, tmp_path: Path) -> None:
    main(
        ["export", str(run_dir), "--to", "huggingface", "--out", str(tmp_path / "out")]
    )
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "Labels that no person gave" in card
    assert "15 labels" in card
    assert pd.read_parquet(tmp_path / "out" / "data").shape[0] == 15
