"""The catalog, against the real data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from salutary.errors import InputError
from salutary_benchmark.data.catalog import DATA_SETS, NINE, DataSet, find_data_set
from salutary_benchmark.data.loading import load

IN_FILES = [data for data in DATA_SETS.values() if data.file]


@pytest.mark.parametrize("data", IN_FILES, ids=lambda data: data.name)
def test_a_file_has_the_rows_features_and_classes_of_the_catalog(
    data: DataSet, data_folder: Path
) -> None:
    rows = load(data, data_folder)
    assert rows.X.shape == (data.rows, data.features)
    assert rows.y.shape == (data.rows,)
    assert rows.y.dtype == np.intp
    np.testing.assert_array_equal(np.unique(rows.y), np.arange(data.classes))


def test_the_paper_compares_on_nine_data_sets_of_the_catalog() -> None:
    assert len(set(NINE)) == 9
    assert set(NINE) <= set(DATA_SETS)
    assert all(name == data.name for name, data in DATA_SETS.items())


def test_bank_has_neither_the_leak_nor_unknowns(data_folder: Path) -> None:
    bank = DATA_SETS["bank"]
    rows = load(bank, data_folder)
    assert "duration" not in rows.X
    assert "label" not in rows.X
    assert not (rows.X == "unknown").any(axis=None)
    raw = pd.read_parquet(data_folder / bank.file)
    kept = raw[~(raw == "unknown").any(axis=1)]
    assert rows.X["age"].tolist() == kept["age"].tolist()
    np.testing.assert_array_equal(rows.y, kept["label"] == "yes")


def test_wine_has_neither_its_color_nor_its_rarest_class(data_folder: Path) -> None:
    rows = load(DATA_SETS["wine"], data_folder)
    assert not {"color", "label"} & set(rows.X)
    assert np.bincount(rows.y).tolist() == [30, 216, 2138, 2836, 1079, 193]


def test_diabetic_reads_codes_as_categories(data_folder: Path) -> None:
    X = load(DATA_SETS["diabetic"], data_folder).X
    numbers = set(X.select_dtypes("number"))
    assert "time_in_hospital" in numbers
    assert not numbers & {
        "admission_type_id",
        "discharge_disposition_id",
        "admission_source_id",
    }
    assert not {"encounter_id", "patient_nbr"} & set(X)


@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_bundled_sets_are_scikit_learns_and_need_no_folder(
    name: str, tmp_path: Path
) -> None:
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    for folder in (None, tmp_path):
        rows = load(DATA_SETS[name], folder)
        np.testing.assert_array_equal(rows.X, X)
        np.testing.assert_array_equal(rows.y, y)
        assert rows.X.shape == (DATA_SETS[name].rows, DATA_SETS[name].features)


def test_a_name_that_no_data_set_has_is_answered_with_the_names() -> None:
    with pytest.raises(
        InputError, match="'bnak'; the data sets are bank, diabetic"
    ) as told:
        find_data_set("bnak")
    assert all(name in str(told.value) for name in DATA_SETS)
    assert find_data_set("bank") is DATA_SETS["bank"]
