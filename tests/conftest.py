"""Settings and data that every test shares."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("salutary", deadline=None, max_examples=50)
settings.load_profile("salutary")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real data: beside the checkout, or where SALUTARY_DATA points."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SALUTARY_DATA", beside))
    if not folder.is_dir():
        pytest.skip("no real data: set SALUTARY_DATA to the folder that has them")
    return folder
