"""Texts to vectors, against transformers by hand and sentence-transformers."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from safetensors.torch import load_file, save_file
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from salutary import SalutaryClassifier
from salutary.deep.transformer_embedder import TransformerEmbedder
from salutary.errors import InputError

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch", reason="needs salutary[text]")
transformers = pytest.importorskip("transformers", reason="needs salutary[text]")

TEXTS = [
    "a stirring, funny and finally transporting re-imagining of beauty",
    "dull",
    "",
    "🎈🎉 déjà vu — ''quoted'' \x00 <b>&amp;</b>",
    "dull",
    "no apparent joy",
]


def by_hand(folder: str, text: Any, pooling: str) -> np.ndarray:
    """One text alone, without padding."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokens = tokenizer(
        *([text] if isinstance(text, str) else text), return_tensors="pt"
    )
    with torch.inference_mode():
        hidden = model(**tokens)[0][0]
    found = {"mean": hidden.mean(dim=0), "cls": hidden[0], "last": hidden[-1]}
    return found[pooling].numpy()


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_vectors_are_those_of_each_text_alone(minilm: str, pooling: str) -> None:
    embedder = TransformerEmbedder(minilm, pooling=pooling, device="cpu", batch_size=4)
    found = embedder.fit_transform(TEXTS)
    assert found.shape == (6, 384) == (len(TEXTS), embedder.n_features_out_)
    assert found.dtype == np.float32
    expected = np.stack([by_hand(minilm, text, pooling) for text in TEXTS])
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_array_equal(found[1], found[4])


def test_vectors_are_those_of_sentence_transformers(minilm: str) -> None:
    library = pytest.importorskip("sentence_transformers")
    expected = library.SentenceTransformer(minilm, device="cpu").encode(TEXTS)
    found = TransformerEmbedder(minilm, device="cpu").fit_transform(TEXTS)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_pairs_are_encoded_as_pairs(minilm: str) -> None:
    pairs = pd.DataFrame({"question": ["Why?", "Who?"], "answer": ["So.", "Me!"]})
    found = TransformerEmbedder(minilm, device="cpu").fit_transform(pairs)
    expected = [by_hand(minilm, pair, "mean") for pair in pairs.to_numpy().tolist()]
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_decoder_without_padding_and_empty_texts(decoder: str) -> None:
    texts = ["a b c", "", "d", "b b b b b b"]
    embedder = TransformerEmbedder(decoder, pooling="last", device="cpu")
    found = embedder.fit_transform(texts)
    expected = [by_hand(decoder, text or "<end>", "last") for text in texts]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(embedder.transform([""]), found[1:2], atol=1e-6)


def test_long_texts_are_cut_with_a_warning(decoder: str) -> None:
    embedder = TransformerEmbedder(decoder, device="cpu").fit([])
    long = "a b c d " * 2500
    with pytest.warns(
        UserWarning, match=r"1 of 2 texts have more than 16 tokens; the rest"
    ):
        found = embedder.transform(["a", long])
    np.testing.assert_allclose(
        found[1], embedder.transform(["a b c d " * 4])[0], atol=1e-6
    )


def test_vectors_are_kept_for_other_embedders(
    minilm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from salutary.deep.language_model import LanguageModel

    options = {"device": "cpu", "cache_dir": tmp_path}
    first = TransformerEmbedder(minilm, **options).fit_transform(TEXTS)

    def encode(self: Any, texts: Any) -> Any:
        raise AssertionError("encoded again")

    monkeypatch.setattr(LanguageModel, "encode", encode)
    again = TransformerEmbedder(minilm, **options).fit_transform(TEXTS[::-1])
    np.testing.assert_array_equal(again, first[::-1])
    with pytest.raises(AssertionError, match="encoded again"):
        TransformerEmbedder(minilm, pooling="cls", **options).fit_transform(TEXTS)


def test_a_copy_of_a_model_is_the_same_model(decoder: str, tmp_path: Path) -> None:
    shutil.copytree(decoder, tmp_path / "copy")
    first, other = (
        TransformerEmbedder(str(folder), device="cpu").fit([]).fingerprint_
        for folder in (decoder, tmp_path / "copy")
    )
    assert first == other
    cut = TransformerEmbedder(decoder, max_length=3, device="cpu").fit([])
    assert cut.fingerprint_ != first
    with pytest.warns(UserWarning, match="1 of 2 texts have more than 3 tokens"):
        cut.transform(["a b c d", "a b c"])


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_texts_in_labels_out(minilm: str, tmp_path: Path) -> None:
    good = [f"what a {word} film" for word in ("great", "fine", "lovely", "superb")]
    bad = [f"what a {word} film" for word in ("dull", "bad", "dreary", "poor")]
    X = np.array([*good, *bad, "a joy", "a bore", "a delight", "a failure"], object)
    y = np.array([1] * 4 + [0] * 4 + [-1] * 4)
    validation = ["wonderful", "terrible", "charming", "tedious"]
    embedder = TransformerEmbedder(minilm, device="cpu", cache_dir=tmp_path)
    search = LogisticRegressionCV(
        Cs=[0.001, 0.01, 0.1], cv=2, scoring="neg_log_loss", max_iter=1000
    )
    model = SalutaryClassifier(
        make_pipeline(embedder, StandardScaler(), search),
        budget=4,
        batch_size=2,
        guard=False,
        random_state=0,
    ).fit(X, y, validation, [1, 0, 1, 0])
    assert (model.transduction_[8:] == [1, 0, 1, 0]).all()
    assert model.predict(["great", "awful"]).tolist() == [1, 0]
    vectors = model.estimator_[:-1].transform(X[:8])
    expected = clone(search).fit(vectors, y[:8]).C_
    assert type(model.estimator_[-1]) is LogisticRegression
    assert np.ravel(expected)[0] == model.estimator_[-1].C


def test_a_saved_embedder_has_no_weights_and_refuses_other_ones(
    minilm: str, decoder: str, tmp_path: Path
) -> None:
    embedder = TransformerEmbedder(minilm, device="cpu").fit(TEXTS)
    skops.io.dump(embedder, tmp_path / "embedder.skops")
    assert (tmp_path / "embedder.skops").stat().st_size < 20_000
    trusted = ["salutary.deep.transformer_embedder.TransformerEmbedder"]
    loaded = skops.io.load(tmp_path / "embedder.skops", trusted=trusted)
    np.testing.assert_array_equal(loaded.transform(TEXTS), embedder.transform(TEXTS))
    loaded = skops.io.load(tmp_path / "embedder.skops", trusted=trusted)
    with pytest.raises(InputError, match="is another model"):
        loaded.set_params(model=decoder).transform(["a"])


def test_what_is_not_a_model_is_refused_in_one_line(
    tmp_path: Path, minilm: str
) -> None:
    (tmp_path / "config.json").write_text("{}")
    cases = {
        str(tmp_path): "is not a model that transformers can load",
        "nobody/no-such-model": "there is no such folder, and the Hugging Face hub",
    }
    for name, words in cases.items():
        with pytest.raises(InputError, match=words) as found:
            TransformerEmbedder(name).fit([])
        assert "\n" not in str(found.value)
        assert name in str(found.value)
    with pytest.raises(ValueError, match="device 'abacus' cannot be used"):
        TransformerEmbedder(minilm, device="abacus").fit([])
    with pytest.raises(InputError, match="pooling must be"):
        TransformerEmbedder(minilm, pooling="sum").fit([])
    with pytest.raises(InputError, match="batch_size must be at least 1, got 0"):
        TransformerEmbedder(minilm, batch_size=0).fit([])
    with pytest.raises(InputError, match="max_length must be an integer from 1"):
        TransformerEmbedder(minilm, max_length=0).fit([])


def test_weights_that_are_pickled_are_not_read(minilm: str, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((Path(minilm) / name).read_bytes())

    class Hostile:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "unpickled"),)

    torch.save(Hostile(), tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="is not a model that transformers can load"):
        TransformerEmbedder(str(tmp_path)).fit([])
    assert not (tmp_path / "unpickled").exists()


@pytest.fixture
def copy_of(tmp_path: Path) -> Any:
    """A copy of a model's folder, to spoil."""
    return lambda folder: Path(shutil.copytree(folder, tmp_path / "copy"))


CODE = """
from pathlib import Path
Path(__file__).with_name("ran").touch()
from transformers import GPT2Config as Config, GPT2Model as Model
"""


def test_code_of_a_model_is_not_run_even_if_somebody_says_yes(
    decoder: str, tmp_path: Path
) -> None:
    folder = tmp_path / "coded"
    shutil.copytree(decoder, folder)
    config = json.loads((folder / "config.json").read_text())
    kinds = {"AutoConfig": "code.Config", "AutoModel": "code.Model"}
    config = {**config, "model_type": "unheard of", "auto_map": kinds}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text(CODE.replace("__file__", repr(str(folder / "x"))))
    program = (
        "import sys; from salutary import TransformerEmbedder\n"
        "TransformerEmbedder(sys.argv[1], device='cpu').fit([])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        input="y\n" * 9,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HOME": str(tmp_path / "hub")},
        timeout=300,
    )
    assert "InputError" in done.stderr
    assert "is not a model that transformers can load" in done.stderr
    assert not (folder / "ran").exists()


def test_an_index_that_names_a_pickle_is_not_followed(
    decoder: str, copy_of: Any, tmp_path: Path
) -> None:
    folder = copy_of(decoder)
    (folder / "model.safetensors").unlink()

    class Hostile:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "unpickled"),)

    torch.save(Hostile(), folder / "pytorch_model.bin")
    index = {"metadata": {}, "weight_map": {"wte.weight": "pytorch_model.bin"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"index.json names 'pytorch_model.bin'"):
        TransformerEmbedder(str(folder)).fit([])
    assert not (tmp_path / "unpickled").exists()


def test_a_model_that_lacks_weights_is_refused(decoder: str, copy_of: Any) -> None:
    folder = copy_of(decoder)
    weights = load_file(folder / "model.safetensors")
    del weights["ln_f.bias"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        InputError, match=r"lacks 1 of the model's weights, for instance 'ln_f.bias'"
    ):
        TransformerEmbedder(str(folder)).fit([])


def test_a_model_without_a_pooler_is_the_same_each_time(
    minilm: str, copy_of: Any
) -> None:
    folder = copy_of(minilm)
    weights = load_file(folder / "model.safetensors")
    rest = {key: value for key, value in weights.items() if "pooler" not in key}
    assert len(rest) < len(weights)
    save_file(rest, folder / "model.safetensors", metadata={"format": "pt"})
    first, again = (TransformerEmbedder(str(folder), device="cpu") for _ in range(2))
    found = first.fit_transform(TEXTS)
    assert first.fingerprint_ == again.fit([]).fingerprint_
    whole = TransformerEmbedder(minilm, device="cpu").fit_transform(TEXTS)
    np.testing.assert_array_equal(found, whole)


def test_a_tokenizer_without_words_or_with_too_many_is_refused(
    decoder: str, minilm: str, copy_of: Any
) -> None:
    folder = copy_of(decoder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((Path(minilm) / name).read_bytes())
    with pytest.raises(InputError, match=r"30522 tokens, but a model that knows 10"):
        TransformerEmbedder(str(folder)).fit([])
    tokenizer = json.loads((Path(decoder) / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"] = {"<end>": 0, "<unknown>": 1}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    shutil.copy(Path(decoder) / "tokenizer_config.json", folder)
    with pytest.raises(InputError, match="has a tokenizer with an empty vocabulary"):
        TransformerEmbedder(str(folder)).fit([])


def test_a_tokenizer_without_special_tokens_still_pads(
    decoder: str, copy_of: Any
) -> None:
    folder = copy_of(decoder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    for special in ("eos_token", "pad_token", "bos_token"):
        config.pop(special, None)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    embedder = TransformerEmbedder(str(folder), pooling="last", device="cpu")
    found = embedder.fit_transform(["a b c", "d"])
    expected = [by_hand(decoder, text, "last") for text in ("a b c", "d")]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_text_the_model_fails_on_is_refused_in_one_line(decoder: str) -> None:
    embedder = TransformerEmbedder(decoder, device="cpu").fit([])
    positions = embedder._loaded[1].model.wpe
    positions.weight = torch.nn.Parameter(positions.weight[:4])
    with pytest.raises(InputError, match=r"fails on texts of up to 8 tokens: .*; pass"):
        embedder.transform(["a b c d " * 2])


def test_parameters_set_after_fitting_are_noticed(decoder: str) -> None:
    embedder = TransformerEmbedder(decoder, device="cpu").fit(["a"])
    with pytest.raises(InputError, match="has another pooling"):
        clone_of(embedder).set_params(pooling="last").transform(["a"])
    with pytest.raises(InputError, match="batch_size must be at least 1"):
        clone_of(embedder).set_params(batch_size=0).transform(["a"])


def clone_of(embedder: TransformerEmbedder) -> TransformerEmbedder:
    """A fitted copy."""
    return copy.copy(embedder)


WITHOUT = """
import sys
sys.modules["transformers"] = None
from salutary.deep.transformer_embedder import TransformerEmbedder
TransformerEmbedder("x").fit([])
"""


def test_a_missing_package_says_which_extra_to_install() -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False
    )
    assert run.stderr.strip().endswith(
        "transformers is not installed; pip install 'salutary[text]'"
    )
