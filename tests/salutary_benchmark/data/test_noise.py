"""Wrong labels: how many, which instead, and those that people gave."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare

from salutary.errors import InputError
from salutary_benchmark.data.catalog import DATA_SETS
from salutary_benchmark.data.loading import load
from salutary_benchmark.data.noise import FILE, Noise, human_labels, with_wrong_labels
from salutary_benchmark.data.splits import make_encoder, split
from salutary_benchmark.experiments.experiment import Cell
from salutary_benchmark.experiments.rounds import prepared, task_of
from salutary_benchmark.strategies.task import Setting

SETTING = Setting(n_labeled=100, validation=100, largest_pool=200)


@pytest.mark.parametrize("kind", ["symmetric", "class-dependent"])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_exactly_the_rate_is_wrong(kind: Noise, rate: float, n_classes: int) -> None:
    y = np.random.default_rng(0).integers(0, n_classes, 333)
    before = y.copy()
    noisy = with_wrong_labels(y, kind, rate, n_classes, seed=1)
    assert (noisy != y).sum() == round(rate * 333)
    assert set(noisy) <= set(range(n_classes))
    np.testing.assert_array_equal(y, before)
    again = with_wrong_labels(y, kind, rate, n_classes, seed=1)
    np.testing.assert_array_equal(noisy, again)
    if rate:
        other = with_wrong_labels(y, kind, rate, n_classes, seed=2)
        assert not np.array_equal(noisy, other)


def test_symmetric_noise_is_uniform_over_rows_and_other_classes() -> None:
    y = np.repeat(np.arange(4), [500, 1000, 1500, 3000])
    noisy = with_wrong_labels(y, "symmetric", 0.3, 4, seed=0)
    wrong = noisy != y
    for label, size in enumerate([500, 1000, 1500, 3000]):
        assert wrong[y == label].mean() == pytest.approx(0.3, abs=4 * 0.5 / size**0.5)
        instead = np.bincount(noisy[wrong & (y == label)], minlength=4)
        assert chisquare(np.delete(instead, label)).pvalue > 1e-3


def test_class_dependent_noise_takes_the_next_class_and_falls_with_the_class() -> None:
    y = np.repeat(np.arange(3), 20_000)
    noisy = with_wrong_labels(y, "class-dependent", 0.1, 3, seed=0)
    wrong = noisy != y
    np.testing.assert_array_equal(noisy[wrong], (y[wrong] + 1) % 3)
    # 3 : 2 : 1 while few rows are drawn without putting them back.
    rates = [wrong[y == label].mean() for label in range(3)]
    assert rates == pytest.approx([0.15, 0.1, 0.05], abs=0.006)


def test_only_labeled_rows_are_made_wrong() -> None:
    clean = prepared("digits", None, SETTING, 0)
    setting = replace(SETTING, noise="symmetric", noise_rate=0.4)
    task = task_of(Cell("digits", "TrainOnly", 0), setting, None)
    assert (task.split.labeled[1] != clean.labeled[1]).sum() == 40
    np.testing.assert_array_equal(task.split.labeled[0], clean.labeled[0])
    for part in ("validation", "pool", "test"):
        np.testing.assert_array_equal(
            getattr(task.split, part)[1], getattr(clean, part)[1]
        )
    # What was made wrong is not kept for the next cell.
    again = prepared("digits", None, SETTING, 0)
    np.testing.assert_array_equal(again.labeled[1], clean.labeled[1])


@pytest.mark.parametrize(
    ("kind", "rate"), [("aggre", 0.09), ("random1", 0.17), ("worse", 0.40)]
)
def test_people_were_wrong_as_often_as_published(
    data_folder: Path, kind: Noise, rate: float
) -> None:
    y = load(DATA_SETS["cifar10n"], data_folder).y
    labels = human_labels(data_folder, kind, y)
    assert (labels != y).mean() == pytest.approx(rate, abs=0.01)


@pytest.mark.slow
def test_a_labeled_image_has_the_label_that_people_gave_it(data_folder: Path) -> None:
    setting = replace(SETTING, noise="worse")
    drawn = prepared("cifar10n", data_folder, setting, 3)
    clean = prepared("cifar10n", data_folder, SETTING, 3)
    # By hand: find each labeled image among all by its components.
    rows = load(DATA_SETS["cifar10n"], data_folder)
    parts = split(
        rows.X, rows.y, n_labeled=100, validation=100, largest_pool=200, seed=3
    )
    places = {image.tobytes(): place for place, image in enumerate(rows.X)}
    found = [places[image.tobytes()] for image in parts.labeled[0]]
    with np.load(data_folder / FILE) as arrays:
        given = arrays["worse_label"][arrays["subset_index"]]
    np.testing.assert_array_equal(drawn.labeled[1], given[found])
    np.testing.assert_array_equal(clean.labeled[1], rows.y[found])
    encoded = parts.encoded(make_encoder("images", 3))
    np.testing.assert_allclose(drawn.labeled[0], encoded.labeled[0], atol=1e-6)


def test_missing_damaged_or_foreign_labels_are_refused_with_the_remedy(
    tmp_path: Path, data_folder: Path
) -> None:
    y = load(DATA_SETS["cifar10n"], data_folder).y
    for folder in (None, tmp_path):
        with pytest.raises(InputError, match=f"{FILE}: no such file; put {FILE} of"):
            human_labels(folder, "worse", y)
    content = (data_folder / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="is damaged; put"):
        human_labels(tmp_path, "worse", y)
    with np.load(data_folder / FILE) as arrays:
        labels = dict(arrays)
    labels["worse_label"] = labels["clean_label"]
    np.savez_compressed(tmp_path / FILE, **labels)
    with pytest.raises(InputError, match="is not the copy that results were made on"):
        human_labels(tmp_path, "worse", y)
    with pytest.raises(InputError, match="is not about these images"):
        human_labels(data_folder, "worse", y[::-1])
