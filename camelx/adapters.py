"""What every room must know of an adapter directory: its names, its hash, and that it can't run code.

An adapter directory is what training writes, the registry stores and the agents load: PEFT's
`adapter_config.json` and `adapter_model.safetensors`, the tokenizer, a model card (README.md) and
`manifest.json`, which says what the adapter was made from.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from camelx.errors import CamelxError, RegistryError

ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
MANIFEST = "manifest.json"
MODEL_CARD = "README.md"

_PICKLE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz"})
_PICKLE_OR_ZIP = re.compile(rb"\x80[\x02-\x05]|PK\x03\x04")


def check_adapter_files(path: Path, error: type[CamelxError] = RegistryError) -> None:
    """Check that `path` is a whole adapter directory and that reading it can't run code.

    Args:
        path: The adapter directory.
        error: The class to raise, so that each room raises its own.

    Raises:
        CamelxError: `error`: no directory, a PEFT file is missing, or a pickle file is in it.
    """
    if not path.is_dir():
        raise error(f"adapter directory {path} does not exist")
    refuse_pickles(path, error)
    missing = [name for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS) if not (path / name).is_file()]
    if missing:
        raise error(
            f"adapter directory {path} has no {' and no '.join(missing)}: expected what PEFT's "
            "save_pretrained writes; name the directory that holds these files"
        )


def refuse_pickles(path: Path, error: type[CamelxError] = RegistryError) -> None:
    """Check that no file below `path` is a pickle, by name or by its first bytes.

    Raises:
        CamelxError: `error`, naming the files.
    """
    found = sorted(str(f.relative_to(path)) for f in path.rglob("*") if f.is_file() and _is_pickle(f))
    if found:
        raise error(
            f"adapter directory {path} is refused: {', '.join(found)} may be a pickle, and unpickling runs "
            "code; save the adapter with safetensors and remove the file"
        )


def _is_pickle(file: Path) -> bool:
    if file.suffix.lower() in _PICKLE_SUFFIXES:
        return True
    if file.suffix == ".safetensors":  # starts with a length, whose bytes may look like a pickle's
        return False
    with file.open("rb") as stream:
        return _PICKLE_OR_ZIP.match(stream.read(4)) is not None


def read_manifest(path: Path, error: type[CamelxError] = RegistryError) -> dict[str, Any]:
    """Return the manifest of an adapter directory; empty where another program made the adapter.

    Raises:
        CamelxError: `error`: the manifest is there and is not a JSON object.
    """
    file = path / MANIFEST
    if not file.is_file():
        return {}
    try:
        manifest = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as e:
        raise error(f"{file} can't be read: {e}; train the adapter again or remove the file") from e
    if not isinstance(manifest, dict):
        raise error(f"{file}: expected a JSON object, got {type(manifest).__name__}")
    return manifest


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def directory_sha256(path: Path, pattern: str = "**/*") -> str:
    """Return one SHA-256 over the names and bytes of all files below `path` that match `pattern`."""
    digest = hashlib.sha256()
    for file in sorted(f for f in path.glob(pattern) if f.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\n{file_sha256(file)}\n".encode())
    return digest.hexdigest()
