"""Where a torch model runs, and in which precision."""

from __future__ import annotations

import hashlib

import torch

from salutary.errors import InputError


def pick_device(name: str | None) -> torch.device:
    """The device of a name, or the fastest there is.

    Parameters
    ----------
    name : str or None
        For instance "cpu", "cuda:1" or "mps"; None for CUDA, else MPS, else the CPU.

    Raises
    ------
    InputError
        For a name torch does not know, and a device that is not there.

    Examples
    --------
    >>> pick_device("cpu")
    device(type='cpu')
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        has_mps = torch.backends.mps.is_available()
        return torch.device("mps" if has_mps else "cpu")
    try:
        device = torch.device(name)
        if torch.empty(1, device=device).is_meta:
            raise RuntimeError("it holds no numbers")
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        cause = str(error).splitlines()[0].split(". ")[0][:200]
        raise InputError(
            f"device {name!r} cannot be used: {cause}; pass 'cpu', or None for the "
            "best there is"
        ) from None
    return device


def pick_dtype(device: torch.device) -> torch.dtype:
    """Bfloat16 where it is faster and as good, float32 elsewhere."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float32


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
