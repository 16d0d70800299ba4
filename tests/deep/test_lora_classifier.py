"""LoRA, against peft's own loading and the layer worked out by hand."""

import json
import pickle
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from salutary import LoraClassifier, TransformerEmbedder
from salutary.deep.adapter_files import ADAPTER_FILES
from salutary.errors import InputError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("peft") is None, reason="needs salutary[text]"),
]

GOOD = ["a fine film", "what a joy", "warm and funny", "I loved it", "a delight"]
BAD = ["a dull film", "what a bore", "cold and flat", "I hated it", "a disaster"]
TEXTS, LABELS = [*GOOD, *BAD], ["good"] * 5 + ["bad"] * 5


def classifier(folder: str, **parameters: Any) -> LoraClassifier:
    return LoraClassifier(
        folder, device="cpu", **{"random_state": 0, "epochs": 3, **parameters}
    )


FOREIGN = "ignore:.*is_gradient_checkpointing:FutureWarning"
"""peft reads an attribute that transformers has deprecated."""


@pytest.fixture(scope="module")
def tuned(minilm: str) -> LoraClassifier:
    return classifier(minilm).fit(TEXTS, LABELS)


def test_it_learns_and_its_layer_is_on_its_vectors(tuned: LoraClassifier) -> None:
    assert tuned.classes_.tolist() == ["bad", "good"]
    assert tuned.predict(TEXTS).tolist() == LABELS
    logits = tuned.embed(TEXTS) @ tuned.coef_.T + tuned.intercept_
    np.testing.assert_allclose(
        tuned.predict_proba(TEXTS), softmax(logits, axis=1), atol=1e-6
    )
    assert tuned.embed([]).shape == (0, 384)


def test_only_low_rank_changes_are_learned(minilm: str, tuned: LoraClassifier) -> None:
    base = classifier(minilm).load_base()
    fixed = dict(base.model.state_dict())
    prefix = "base_model.model."
    for name, value in tuned._tuned.model.state_dict().items():
        if "lora_" not in name:
            own = name.removeprefix(prefix).replace(".base_layer", "")
            assert (value == fixed.pop(own)).all(), name
    assert not fixed
    assert base.fingerprint.hex() == tuned.base_fingerprint_
    before = TransformerEmbedder(minilm, device="cpu").fit_transform(TEXTS)
    assert np.abs(tuned.embed(TEXTS) - before).max() > 1e-3


@pytest.mark.filterwarnings(FOREIGN)
def test_peft_itself_loads_the_adapter(
    minilm: str, tuned: LoraClassifier, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModel, AutoTokenizer

    tuned.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "classifier.json",
        "layer.safetensors",
    ]
    assert sorted(ADAPTER_FILES) == sorted(path.name for path in tmp_path.iterdir())
    model = PeftModel.from_pretrained(AutoModel.from_pretrained(minilm), tmp_path)
    tokens = AutoTokenizer.from_pretrained(minilm)(
        TEXTS, padding=True, return_tensors="pt"
    )
    import torch

    with torch.inference_mode():
        hidden = model.eval()(**tokens)[0]
    mask = tokens["attention_mask"].unsqueeze(-1)
    vectors = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
    np.testing.assert_allclose(tuned.embed(TEXTS), vectors.numpy(), atol=1e-4)


def test_saved_and_loaded_it_is_the_same(tuned: LoraClassifier, tmp_path: Path) -> None:
    tuned.save(tmp_path)
    loaded = LoraClassifier.load(tmp_path, device="cpu")
    np.testing.assert_array_equal(
        loaded.predict_proba(TEXTS), tuned.predict_proba(TEXTS)
    )
    assert loaded.predict(TEXTS).tolist() == LABELS
    assert loaded.n_epochs_ == tuned.n_epochs_
    other = loaded.get_params()
    other.pop("target_modules")
    assert other.items() <= {**tuned.get_params(), "random_state": None}.items()


def test_a_temperature_is_saved_with_the_rest(
    tuned: LoraClassifier, tmp_path: Path
) -> None:
    tuned.save(tmp_path / "plain")
    cooled = LoraClassifier.load(tmp_path / "plain", device="cpu").set_temperature(2.5)
    np.testing.assert_allclose(
        cooled.decision_function(TEXTS), tuned.decision_function(TEXTS) / 2.5
    )
    cooled.save(tmp_path / "cooled")
    again = LoraClassifier.load(tmp_path / "cooled", device="cpu")
    np.testing.assert_array_equal(
        again.predict_proba(TEXTS), cooled.predict_proba(TEXTS)
    )


def test_it_is_saved_as_it_was_fitted(decoder: str, tmp_path: Path) -> None:
    texts = ["a b", "c", "d e", "f"]
    model = classifier(decoder, max_length=4).fit(texts, [0, 1, 0, 1])
    expected = model.predict_proba(texts)
    model.set_params(pooling="last", max_length=None, rank=2)
    model.save(tmp_path / "adapter")
    found = LoraClassifier.load(tmp_path / "adapter", device="cpu")
    np.testing.assert_array_equal(found.predict_proba(texts), expected)
    with pytest.raises(TypeError, match="unexpected keyword argument 'places'"):
        LoraClassifier.load(tmp_path / "adapter", places=3)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: is a file; pass a new folder"):
        model.save(tmp_path / "file")


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_decoders_without_queries_of_their_own(decoder: str, pooling: str) -> None:
    texts = ["a b", "a c", "a b b", "f g", "f h", "f g g"]
    model = classifier(decoder, pooling=pooling, epochs=30, learning_rate=0.05)
    model.fit(texts, [0, 0, 0, 1, 1, 1])
    assert model.predict(texts).tolist() == [0, 0, 0, 1, 1, 1]


def test_one_seed_fixes_the_model(decoder: str) -> None:
    texts = ["a b", "", "c d e", "f", "g h", "a h"]
    models = [
        classifier(decoder, random_state=seed).fit(texts, [0, 1, 0, 1, 0, 1])
        for seed in (0, 0, 1)
    ]
    found = [model.predict_proba(texts) for model in models]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 0


def test_pairs_of_texts(decoder: str) -> None:
    pairs = [("a", "b"), ("a", "c"), ("f", "g"), ("f", "h")]
    table = np.array(pairs, dtype=object)
    model = classifier(decoder).fit(table, [0, 0, 1, 1], table[:2], [0, 0])
    assert model.predict_proba(table).shape == (4, 2)


def test_vectors_are_kept_and_belong_to_the_weights(
    decoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from salutary.deep.language_model import LanguageModel

    texts, y = ["a b", "c", "d e", "f"], [0, 1, 0, 1]
    model = classifier(decoder, cache_dir=tmp_path).fit(texts, y)
    first = model.embed(texts)
    other = clone(model).set_params(random_state=1).fit(texts, y)
    assert np.abs(other.embed(texts) - first).max() > 0

    def encode(self: Any, batch: Any) -> Any:
        raise AssertionError("encoded again")

    monkeypatch.setattr(LanguageModel, "encode", encode)
    np.testing.assert_array_equal(model.embed(texts), first)


@pytest.mark.parametrize(
    ("parameters", "texts", "y", "message"),
    [
        (
            {"rank": 0},
            ["a", "b"],
            [0, 1],
            "rank must be an integer of at least 1, got 0",
        ),
        (
            {"epochs": 0},
            ["a", "b"],
            [0, 1],
            "epochs must be an integer of at least 1, got 0",
        ),
        ({"learning_rate": 0}, ["a", "b"], [0, 1], "learning_rate must be above 0"),
        (
            {"target_modules": ["no"]},
            ["a", "b"],
            [0, 1],
            "LoRA cannot be applied .*: Target",
        ),
        (
            {"model": "/nowhere/at/all"},
            ["a", "b"],
            [0, 1],
            "there is no such folder, and the Hug",
        ),
        ({}, ["a", None], [0, 1], "row 1: the text is missing"),
        ({}, ["a", "b"], [1, 1], "y contains only one class"),
        ({}, ["a", "b", "c"], [1, 0], "inconsistent numbers of samples"),
        ({"learning_rate": 2}, ["a", "b"], [0, 1], "above 0 and at most 1, got 2"),
        (
            {"rank": 9},
            ["a", "b"],
            [0, 1],
            "rank must be at most 8, the model's hidden size, got 9",
        ),
        (
            {"max_length": 10**7},
            ["a", "b"],
            [0, 1],
            "max_length must be an integer",
        ),
        ({"device": "meta"}, ["a", "b"], [0, 1], "device 'meta' cannot be used"),
        ({}, ["a", "b"], ["x", None], "y has no label in row 1"),
    ],
)
def test_what_cannot_be_fine_tuned_is_refused(
    decoder: str,
    monkeypatch: pytest.MonkeyPatch,
    parameters: dict[str, Any],
    texts: list[Any],
    y: list[int],
    message: str,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = classifier(decoder).set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(texts, y)


@pytest.mark.parametrize("held", [{"X_val": ["a"]}, {"y_val": [0]}])
def test_validation_texts_and_labels_go_together(decoder: str, held: Any) -> None:
    with pytest.raises(ValueError, match="X_val and y_val go together"):
        classifier(decoder).fit(["a", "b"], [0, 1], **held)


@pytest.fixture
def saved(decoder: str, tmp_path: Path) -> Path:
    model = classifier(decoder).fit(["a b", "c", "d e", "f"], [0, 1, 0, 1])
    model.save(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_a_folder_that_is_not_an_adapter_is_refused(saved: Path, minilm: str) -> None:
    with pytest.raises(InputError, match=r"holds no classifier\.json"):
        LoraClassifier.load(saved.parent)
    with pytest.raises(
        InputError, match=r"is not the base model that .* was fine-tuned"
    ):
        LoraClassifier.load(saved, model=minilm)
    (saved / "adapter_model.safetensors").rename(saved / "adapter_model.bin")
    with pytest.raises(InputError, match=r"holds no adapter_model\.safetensors"):
        LoraClassifier.load(saved)


WITHOUT = """
import sys
sys.modules["peft"] = None
from salutary import LoraClassifier
from salutary.deep.adapter_files import ADAPTER_FILES
LoraClassifier.load(sys.argv[1])
"""


def test_loading_without_peft_says_which_extra_to_install(saved: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(saved)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr.strip().endswith(
        "MissingExtraError: peft is not installed; pip install 'salutary[text]'"
    )


def test_a_model_that_has_an_adapter_is_refused(saved: Path, decoder: str) -> None:
    # peft would put the new changes in the place of the old.
    adapted = saved.parent / "adapted"
    shutil.copytree(decoder, adapted)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(saved / name, adapted / name)
    with pytest.raises(InputError, match="adapted: has an adapter already; merge it"):
        classifier(str(adapted)).fit(["a", "b"], [0, 1])


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "layer.safetensors"])
@pytest.mark.parametrize("content", [b"", b"torn", None])
def test_a_damaged_adapter_is_refused(
    saved: Path, name: str, content: bytes | None
) -> None:
    other = saved / ("layer" if name.startswith("adapter") else "adapter_model")
    if content is None:  # another's
        shutil.copy(other.with_suffix(".safetensors"), saved / name)
    else:
        (saved / name).write_bytes(content)
    with pytest.raises(InputError, match="adapter: is damaged"):
        LoraClassifier.load(saved)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"parameters": {"model": "x", "odd": 1}},
        {"classes": [1]},
        {"classes": [1, 0]},
        {"classes": [{"a": 1}, None]},
        {"fingerprint": "00"},
        {"n_epochs": None},
    ],
)
def test_an_edited_adapter_is_refused(saved: Path, change: dict[str, Any]) -> None:
    path = saved / "classifier.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match="adapter: is "):
        LoraClassifier.load(saved)


@pytest.mark.parametrize(
    ("name", "value"),
    [("rank", "8"), ("batch_size", -1), ("max_length", "x"), ("target_modules", 5)],
)
def test_odd_parameters_of_an_adapter_are_refused(
    saved: Path, name: str, value: Any
) -> None:
    path = saved / "classifier.json"
    content = json.loads(path.read_text())
    content["parameters"][name] = value
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=str(saved)) as caught:
        LoraClassifier.load(saved).predict(["a"])
    assert "\n" not in str(caught.value)


def test_another_layer_is_refused_and_so_is_deep_json(saved: Path) -> None:
    from safetensors.numpy import load_file, save_file

    layer = load_file(saved / "layer.safetensors")
    save_file({**layer, "coef": layer["coef"] + 1}, saved / "layer.safetensors")
    with pytest.raises(InputError, match=r"is damaged \(its content is not what"):
        LoraClassifier.load(saved)
    (saved / "classifier.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="is damaged"):
        LoraClassifier.load(saved)


def test_places_are_those_of_the_caller(saved: Path, tmp_path: Path) -> None:
    path = saved / "classifier.json"
    content = json.loads(path.read_text())
    content["parameters"] |= {"cache_dir": str(tmp_path / "theirs"), "device": "meta"}
    path.write_text(json.dumps(content))
    LoraClassifier.load(saved).predict(["a"])
    assert not (tmp_path / "theirs").exists()


def test_what_is_in_a_folder_stays(saved: Path, tmp_path: Path) -> None:
    import torch

    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "README.md").write_text("my notes")
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    model = LoraClassifier.load(saved)
    assert torch.equal(torch.rand(2), expected)
    with pytest.raises(InputError, match="mine: is not empty; pass a new folder"):
        model.save(mine)
    assert (mine / "README.md").read_text() == "my notes"


def test_texts_that_are_cut_are_counted(decoder: str) -> None:
    with pytest.warns(UserWarning, match="1 of 3 texts have more than 16 tokens"):
        classifier(decoder).fit(["a " * 40, "b", "c"], [0, 1, 0])


def test_unfitted_it_copies_and_does_not_predict(decoder: str) -> None:
    model = classifier(decoder)
    assert pickle.loads(pickle.dumps(model)).get_params() == model.get_params()
    for method in ("predict", "predict_proba", "embed"):
        with pytest.raises(NotFittedError):
            getattr(model, method)(["a"])


def test_a_fit_that_fails_leaves_the_one_before_whole(decoder: str) -> None:
    model = classifier(decoder, pooling="last").fit(["a", "b"] * 4, [0, 1] * 4)
    before = model.predict_proba(["a c", "b"])
    model.set_params(target_modules=["no"])
    with pytest.raises(InputError, match="LoRA cannot be applied"):
        model.fit(["a", "b", "c"], ["x", "y", "z"])
    np.testing.assert_array_equal(model.predict_proba(["a c", "b"]), before)
    assert model.classes_.tolist() == [0, 1]


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_label_in_a_list_of_texts_is_refused(
    decoder: str, missing: Any
) -> None:
    with pytest.raises(ValueError, match=r"^y has no label in row 1"):
        classifier(decoder).fit(["a", "b", "c"], ["x", missing, "y"])
    with pytest.raises(ValueError, match=r"^y_val has no label in row 0"):
        classifier(decoder).fit(["a", "b"], ["x", "y"], ["c"], [missing])
