"""Models whose files ask for code, for other places, or for too much."""

import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io

from salutary.deep.transformer_embedder import TransformerEmbedder
from salutary.errors import InputError

torch = pytest.importorskip("torch", reason="needs salutary[text]")
transformers = pytest.importorskip("transformers", reason="needs salutary[text]")

Spoil = Callable[..., str]
"""Takes a file's name and keys to set in it; returns the folder of a spoiled copy."""


@pytest.fixture
def spoiled(decoder: str, tmp_path: Path) -> Spoil:
    def spoil(file: str, folder: str = decoder, **keys: Any) -> str:
        copy = Path(shutil.copytree(folder, tmp_path / "copy", dirs_exist_ok=True))
        path = copy / file
        content = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**content, **keys}))
        return str(copy)

    return spoil


def embedder(folder: str, **parameters: Any) -> TransformerEmbedder:
    return TransformerEmbedder(folder, device="cpu", **parameters)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
@pytest.mark.parametrize(
    "kernel", ["somebody/kernel", "flash_attention_2", {"": "a/b"}]
)
def test_a_kernel_on_the_hub_is_not_fetched(
    decoder: str,
    spoiled: Spoil,
    key: str,
    kernel: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fetch(*names: Any, **options: Any) -> None:
        raise AssertionError(f"fetched {names}")

    monkeypatch.setattr(
        "transformers.modeling_utils.lazy_import_flash_attention", fetch
    )
    folder = spoiled("config.json", **{key: kernel})
    found = embedder(folder).fit_transform(["a b", "c"])
    expected = embedder(decoder).fit_transform(["a b", "c"])
    np.testing.assert_array_equal(found, expected)


def test_weights_that_need_code_to_be_read_are_refused(spoiled: Spoil) -> None:
    folder = spoiled("config.json", quantization_config={"quant_method": "mxfp4"})
    with pytest.raises(InputError, match="quantized by 'mxfp4', which needs code from"):
        embedder(folder).fit([])


@pytest.mark.parametrize(
    ("key", "count"),
    [
        *[("n_layer", 100_000), ("num_hidden_layers", 10**30), ("n_layer", -1)],
        *[("encoder_layers", 300), ("num_labels", 10**9)],
    ],
)
def test_very_many_layers_or_labels_are_refused_by_name(
    spoiled: Spoil, key: str, count: int
) -> None:
    folder = spoiled("config.json", **{key: count})
    begun = time.monotonic()
    with pytest.raises(
        InputError, match=f"copy: config.json asks for {key} = {count}, which is not"
    ):
        embedder(folder).fit([])
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("length", [-5, 0, "x", True, [7]])
def test_a_tokenizer_of_an_odd_length_is_refused_by_name(
    spoiled: Spoil, length: Any
) -> None:
    folder = spoiled("tokenizer_config.json", model_max_length=length)
    with pytest.raises(
        InputError, match=r"^\S+copy: .*(model_max_length|cannot be|not a model)"
    ) as found:
        embedder(folder).fit([])
    assert "\n" not in str(found.value)


def test_a_length_beyond_the_positions_is_refused_before_anything(
    decoder: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="max_length must be at most 16, the number"):
        embedder(decoder, max_length=17, cache_dir=tmp_path / "cache").fit([])
    assert not (tmp_path / "cache").exists()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embedder(decoder, max_length=16).fit_transform(["a b c d " * 4])


def test_the_length_that_sentence_transformers_takes_is_taken(
    minilm: str, decoder: str, spoiled: Spoil
) -> None:
    library = pytest.importorskip("sentence_transformers")
    long = "a long text of many words, which goes on and on " * 40
    expected = library.SentenceTransformer(minilm, device="cpu").encode([long])[0]
    with pytest.warns(UserWarning, match="1 of 1 texts have more than 256 tokens"):
        found = embedder(minilm).fit_transform([long])[0]
    assert found @ expected / np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
    whole = embedder(minilm, max_length=512).fit([]).fingerprint_
    assert embedder(minilm, max_length=256).fit([]).fingerprint_ != whole
    folder = spoiled("sentence_bert_config.json", max_seq_length=3)
    with pytest.warns(UserWarning, match="more than 3 tokens"):
        embedder(folder).fit_transform(["a b c d"])
    spoiled("sentence_bert_config.json", max_seq_length=None)
    assert embedder(folder).fit([]).fingerprint_ == (
        embedder(decoder).fit([]).fingerprint_
    )


@pytest.mark.parametrize("length", [-1, 0, "x", 2.5])
def test_an_odd_length_of_sentence_transformers_is_refused(
    spoiled: Spoil, length: Any
) -> None:
    folder = spoiled("sentence_bert_config.json", max_seq_length=length)
    with pytest.raises(InputError, match=r"sentence_bert_config.json has max_seq_leng"):
        embedder(folder).fit([])


def test_an_embedder_of_before_keeps_its_length(minilm: str, tmp_path: Path) -> None:
    """It was fitted with ``max_length`` None when the model's own 256 was not read."""
    before = embedder(minilm, max_length=512).fit([])
    before.max_length = None
    skops.io.dump(before, tmp_path / "embedder.skops")
    trusted = ["salutary.deep.transformer_embedder.TransformerEmbedder"]
    loaded = skops.io.load(tmp_path / "embedder.skops", trusted=trusted)
    long = ["a long text of many words, which goes on and on " * 30]
    expected = embedder(minilm, max_length=512).fit_transform(long)
    np.testing.assert_array_equal(loaded.transform(long), expected)


def test_a_saved_embedder_makes_no_folder_it_names(
    decoder: str, tmp_path: Path
) -> None:
    named = embedder(decoder, cache_dir=str(tmp_path / "named")).fit([])
    skops.io.dump(named, tmp_path / "embedder.skops")
    trusted = ["salutary.deep.transformer_embedder.TransformerEmbedder"]
    loaded = skops.io.load(tmp_path / "embedder.skops", trusted=trusted)
    loaded.transform(["a"])
    assert loaded.cache_dir is None
    assert not (tmp_path / "named").exists()


def test_a_pickled_embedder_keeps_its_folder(decoder: str, tmp_path: Path) -> None:
    import copy
    import pickle

    named = embedder(decoder, cache_dir=str(tmp_path / "named")).fit([])
    for again in (pickle.loads(pickle.dumps(named)), copy.copy(named)):
        assert again.get_params() == named.get_params()
        assert again.fingerprint_ == named.fingerprint_


TIMED = """
import sys, time
from salutary import TransformerEmbedder
import peft, torch, transformers
begun = time.monotonic()
try:
    found = TransformerEmbedder(sys.argv[1], device="cpu").fit_transform(["a b"])
    print(found.shape)
except ValueError as error:
    print(error)
print(time.monotonic() - begun)
"""


def offline(name: str, home: Path) -> tuple[str, float]:
    """What an embedder by name says, and its seconds, where no hub answers."""
    kept = {key: os.environ[key] for key in os.environ if "OFFLINE" not in key}
    done = subprocess.run(
        [sys.executable, "-c", TIMED, name],
        env={**kept, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    *said, seconds = done.stdout.splitlines()
    return "\n".join(said), float(seconds)


def test_an_unknown_name_is_refused_in_seconds_without_a_hub(tmp_path: Path) -> None:
    said, seconds = offline("nobody/nothing", tmp_path)
    assert said.startswith("nobody/nothing: there is no such folder, and the Hugging")
    assert seconds < 15


def test_a_model_that_was_loaded_before_needs_no_hub(
    decoder: str, tmp_path: Path
) -> None:
    place = tmp_path / "hub" / "models--some--model"
    shutil.copytree(decoder, place / "snapshots" / ("0" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0" * 40)
    said, seconds = offline("some/model", tmp_path)
    assert said == "(1, 8)"
    assert seconds < 15


def test_an_adapter_leads_to_no_other_model(
    decoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "adapter"
    shutil.copytree(decoder, folder)
    (folder / "config.json").unlink()
    content = {"base_model_name_or_path": decoder, "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="is not a model that transformers can load"):
        embedder(str(folder)).fit([])
