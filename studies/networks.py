"""A small network for the studies."""

from __future__ import annotations

import torch
from torch import nn


class SmallCNN(nn.Module):
    """Three convolutions, an embedding of 64, and a linear layer.

    Parameters
    ----------
    n_channels : int
    side : int
        Of the square images, in pixels.
    n_classes : int
    """

    def __init__(self, n_channels: int, side: int, n_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(n_channels, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.2),
        )
        self.embedding = nn.Sequential(nn.Linear(32 * (side // 4) ** 2, 64), nn.ReLU())
        self.last = nn.Linear(64, n_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of images, shape (n_images, n_classes)."""
        logits: torch.Tensor = self.last(self.embedding(self.features(images)))
        return logits
