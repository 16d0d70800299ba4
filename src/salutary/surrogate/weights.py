"""What tells a module's weights from any others."""

from __future__ import annotations

import hashlib

import torch


def fingerprint(module: torch.nn.Module, *facts: str) -> bytes:
    """SHA-256 of a module's parameters and buffers, and of what else matters.

    Examples
    --------
    >>> layer = torch.nn.Linear(2, 1)
    >>> fingerprint(layer) == fingerprint(layer, "mean")
    False
    """
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(f"{len(fact)}:{fact}".encode())
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        # As bytes, for NumPy has no bfloat16.
        content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(content.numpy().data)
    return digest.digest()
