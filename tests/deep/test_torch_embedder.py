"""A layer's output, against running the module's parts by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from salutary import SalutaryClassifier
from salutary.deep.torch_embedder import TorchEmbedder

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch", reason="needs salutary[torch]")


@pytest.fixture
def module() -> Any:
    """A small convolutional network of random weights."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3),
        torch.nn.BatchNorm2d(3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(48, 2),
    )


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(10, 1, 6, 6))


@pytest.mark.parametrize("layer", ["0", "2", "5"])
def test_vectors_are_what_the_layer_returns(
    module: Any, images: np.ndarray, layer: str
) -> None:
    found = TorchEmbedder(module, layer, batch_size=3, device="cpu").fit(images)
    vectors = found.transform(images)
    with torch.inference_mode():
        expected = module.eval()[: int(layer) + 1](torch.tensor(images).float())
    np.testing.assert_allclose(vectors, expected.flatten(1).numpy(), atol=1e-6)
    assert vectors.dtype == np.float32
    assert vectors.shape == (10, found.n_features_out_)
    assert len(found.get_feature_names_out()) == found.n_features_out_


def test_a_module_in_training_stays_in_training(
    module: Any, images: np.ndarray
) -> None:
    module.train()
    before = module[1].running_mean.clone()
    TorchEmbedder(module, "5", device="cpu").fit_transform(images)
    assert module.training
    assert torch.equal(module[1].running_mean, before)


def test_kept_vectors_are_those_of_the_weights_as_they_are(
    module: Any, images: np.ndarray, tmp_path: Path
) -> None:
    embedder = TorchEmbedder(module, "5", device="cpu", cache_dir=tmp_path).fit(images)
    first = embedder.transform(images)
    np.testing.assert_array_equal(embedder.transform(images), first)
    with torch.no_grad():
        module[5].bias += 1
    np.testing.assert_allclose(embedder.transform(images), first + 1, atol=1e-6)


def test_rows_of_the_same_numbers_in_another_shape_have_other_vectors(
    tmp_path: Path,
) -> None:
    images = np.random.default_rng(0).normal(size=(5, 1, 6, 6)).astype(np.float32)
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 2), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    embedder = TorchEmbedder(module, "2", device="cpu", cache_dir=tmp_path)
    embedder.fit_transform(images)
    flat = images.reshape(5, 1, 4, 9)
    with torch.inference_mode():
        expected = module(torch.tensor(flat)).numpy()
    np.testing.assert_allclose(embedder.fit_transform(flat), expected, atol=1e-6)


def test_it_stands_in_a_pipeline(module: Any, images: np.ndarray) -> None:
    y = np.array([0, 1, 0, 1, 0, 1, -1, -1, -1, -1])
    model = SalutaryClassifier(
        make_pipeline(TorchEmbedder(module, "2", device="cpu"), LogisticRegression()),
        budget=2,
        batch_size=1,
        guard=False,
    ).fit(images, y, images[:6] + 0.1, y[:6])
    assert (model.transduction_ >= 0).sum() == 8


def test_what_does_not_fit_is_refused(module: Any, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="has no layer 'head'; it has 0, 1, 2, 3, 4"):
        TorchEmbedder(module, "head").fit(images)
    with pytest.raises(ValueError, match=r"cannot take rows of shape \(1, 6\)"):
        TorchEmbedder(module, "5", device="cpu").fit(images[:, :, 0])
    with pytest.raises(ValueError, match=r"shape \(10,\); pass an array of shape"):
        TorchEmbedder(module, "5").fit(images[:, 0, 0, 0])
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        TorchEmbedder(module, "5", batch_size=0).fit(images)

    with pytest.raises(ValueError, match="there are no rows"):
        TorchEmbedder(module, "5").fit(images[:0])

    class Sums(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Identity()

        def forward(self, rows: Any) -> Any:
            return self.inner(rows.sum(dim=(1, 2, 3)))

    with pytest.raises(ValueError, match=r"returns shape \(1,\) for 1 rows"):
        TorchEmbedder(Sums(), "inner", device="cpu").fit(images)

    class Skips(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used = torch.nn.LSTM(6, 2)
            self.unused = torch.nn.Linear(1, 1)

        def forward(self, rows: Any) -> Any:
            return self.used(rows[:, 0])

    with pytest.raises(ValueError, match="does not use layer 'unused'"):
        TorchEmbedder(Skips(), "unused", device="cpu").fit(images)
    with pytest.raises(ValueError, match="layer 'used' returns tuple, not a tensor"):
        TorchEmbedder(Skips(), "used", device="cpu").fit(images)
