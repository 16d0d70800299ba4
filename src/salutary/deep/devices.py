"""The device and precision that a torch module runs in, and a digest of its weights."""

from __future__ import annotations

import hashlib

import torch

from salutary.errors import InputError


def pick_device(name: str | None) -> torch.device:
    """The device with the given name, or the fastest one available.

    Parameters
    ----------
    name : str or None
        For instance "cpu", "cuda:1" or "mps". With None it is CUDA if available, else
        MPS, else the CPU.

    Returns
    -------
    torch.device

    Raises
    ------
    InputError
        If torch does not know the name, or this machine has no such device.

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
            raise RuntimeError("it stores no numbers")
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        cause = str(error).splitlines()[0].split(". ")[0][:200]
        raise InputError(
            f"device {name!r} cannot be used: {cause}; pass 'cpu', or None for the "
            "fastest device available"
        ) from None
    return device


def pick_dtype(device: torch.device) -> torch.dtype:
    """Bfloat16 on CUDA devices that support it, float32 on all others."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float32


def weights_sha256(module: torch.nn.Module, *facts: str) -> bytes:
    """SHA-256 digest of a module's parameters and buffers.

    Parameters
    ----------
    module : torch.nn.Module
    *facts : str
        Whatever else the module's output depends on, for instance its configuration.

    Returns
    -------
    bytes of length 32

    Examples
    --------
    >>> layer = torch.nn.Linear(2, 1)
    >>> weights_sha256(layer) == weights_sha256(layer, "mean")
    False
    """
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(f"{len(fact)}:{fact}".encode())
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        # Viewed as bytes, because NumPy has no bfloat16.
        content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(content.numpy().data)
    return digest.digest()
