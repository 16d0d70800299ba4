"""What a model's files ask for, read with care before the model is built.

The files may come from anyone. None of them may bring code, lead to another place, or
ask for a network of any size.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_session, hf_hub_url
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id
from transformers import AutoConfig, PreTrainedConfig
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME
from transformers.utils.hub import cached_file

from salutary.errors import InputError

LARGEST_COUNTS = {
    r"(^|_)(n_layer|num_layer|layers|depth|num_hidden_groups|inner_group_num)$": 256,
    r"(^|_)num_labels$": 1_000_000,
}
"""Largest integers under keys of a configuration, by a pattern of the key.

More would take minutes to build. The largest public language models have 126 layers.
"""

ATTENTION = ("eager", "sdpa")
"""Ways to compute attention that transformers itself brings."""

EXPERTS = ("eager", "batched_mm", "grouped_mm")
"""Ways to compute a mixture of experts that transformers itself brings."""

FETCH_KERNELS = ("eetq", "fbgemm_fp8", "fp8", "metal", "mxfp4", "mxfp8", "nvfp4")
"""Quantization methods for which transformers loads code from the hub."""

SENTENCE_LENGTHS = "sentence_bert_config.json"
"""File in which sentence-transformers keeps a model's maximum number of tokens."""

PROBE_TIMEOUT = 5.0
"""Seconds to wait for the hub's first answer."""


def is_hub_out_of_reach(name: str) -> bool:
    """Whether a name must be looked up on the Hugging Face hub, which does not answer.

    Without this, transformers tries for over a minute to reach it.

    Parameters
    ----------
    name : str
        Folder, or name on the hub. Nothing is asked about a folder, or where
        ``HF_HUB_OFFLINE`` is set.
    """
    if Path(name).is_dir() or constants.HF_HUB_OFFLINE:
        return False
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    for pause in (0, 1):
        time.sleep(pause)
        try:
            # Any answer will do, also that there is no such model.
            get_session().head(hf_hub_url(name, "config.json"), timeout=PROBE_TIMEOUT)
            return False
        except Exception:
            # The client's errors have other types in other versions of the hub.
            continue
    return True


def read_config(name: str, local_only: bool) -> PreTrainedConfig:
    """A model's configuration, without what it says of code from elsewhere.

    Attention kernels on the hub that it names are not fetched: the model is computed by
    transformers' own code instead, to the same numbers.

    Parameters
    ----------
    name : str
    local_only : bool
        Whether only files on this machine are looked at.

    Raises
    ------
    InputError
        If it asks for very many layers, for a quantization that runs code from the
        hub, or for an adapter of another model.
    Exception
        Of any kind if the file is missing or damaged.
    """
    content, _ = PreTrainedConfig.get_config_dict(name, local_files_only=local_only)
    _check_counts(name, content)
    quantization = content.get("quantization_config") or {}
    if quantization.get("quant_method") in FETCH_KERNELS:
        raise InputError(
            f"{name}: its weights are quantized by {quantization['quant_method']!r}, "
            "which needs code from the hub; pass a model that is not quantized"
        )
    if not Path(name).is_dir() and _file(name, "adapter_config.json", local_only):
        raise InputError(
            f"{name}: is an adapter of another model; merge it into that model (peft's "
            "merge_and_unload) and pass the merged model"
        )
    config: PreTrainedConfig = AutoConfig.from_pretrained(
        name, trust_remote_code=False, local_files_only=local_only
    )
    for part in _parts(config):
        if part._attn_implementation not in ATTENTION:
            part._attn_implementation = None
        if getattr(part, "_experts_implementation", EXPERTS[0]) not in EXPERTS:
            part._experts_implementation = None
    return config


def _parts(config: PreTrainedConfig) -> Iterator[PreTrainedConfig]:
    """A configuration and those within it, the outer ones first."""
    yield config
    for name in config.sub_configs:
        part = getattr(config, name, None)
        if isinstance(part, PreTrainedConfig):
            yield from _parts(part)


def _check_counts(name: str, content: Any) -> None:
    """Refuse a configuration of very many layers or labels, or of less than none."""
    for key, value in _entries(content):
        for pattern, largest in LARGEST_COUNTS.items():
            known = isinstance(value, int) and re.search(pattern, key)
            if known and not 0 <= value <= largest:
                raise InputError(
                    f"{name}: config.json asks for {key} = {value}, which is not from "
                    f"0 to {largest}; pass another model"
                )


def _entries(content: Any) -> Iterator[tuple[str, Any]]:
    """All keys and values of nested JSON."""
    if isinstance(content, list):
        for value in content:
            yield from _entries(value)
    if isinstance(content, dict):
        for key, value in content.items():
            yield str(key), value
            yield from _entries(value)


def check_shards(name: str, local_only: bool) -> None:
    """Refuse an index that names files other than safetensors: they are pickles."""
    path = _file(name, SAFE_WEIGHTS_INDEX_NAME, local_only)
    if path is None:
        return
    parts = json.loads(Path(path).read_text("utf-8"))["weight_map"].values()
    others = sorted({part for part in parts if not part.endswith(".safetensors")})
    if others:
        raise ValueError(f"{SAFE_WEIGHTS_INDEX_NAME} names {others[0]!r}")


def sentence_length(name: str, local_only: bool) -> int | None:
    """Maximum number of tokens that a model of sentence-transformers was made for.

    Parameters
    ----------
    name : str
    local_only : bool
        Whether only files on this machine are looked at.

    Returns
    -------
    int or None
        None if the model has no ``sentence_bert_config.json``, or it names no length.

    Raises
    ------
    InputError
        If the length is not a positive integer.
    """
    path = _file(name, SENTENCE_LENGTHS, local_only)
    if path is None:
        return None
    length = json.loads(Path(path).read_text("utf-8")).get("max_seq_length")
    if length is not None and (type(length) is not int or length < 1):
        raise InputError(
            f"{name}: {SENTENCE_LENGTHS} has max_seq_length {length!r}; make it a "
            "positive integer, or remove it"
        )
    return length


def _file(name: str, file: str, local_only: bool) -> str | None:
    """Where a file of a model is on this machine; None if the model has none."""
    found: str | None = cached_file(
        name,
        file,
        local_files_only=local_only,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return found
