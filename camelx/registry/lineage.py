"""What a version says of where it comes from, read from its adapter directory."""

from __future__ import annotations

from pathlib import Path

from camelx.adapters import ADAPTER_WEIGHTS, MANIFEST, MODEL_CARD, file_sha256, read_manifest

MAX_VALUE = 5_000
"""Characters of a parameter, tag or description that every MLflow database takes."""

_FROM_MANIFEST = ("base", "base_sha256", "parent_version", "pairs_sha256", "camelx_version")


def lineage_tags(adapter_dir: Path) -> dict[str, str]:
    """Return the weights' hash, and the manifest's lineage where camelx made the adapter, as tags."""
    manifest = read_manifest(adapter_dir)
    tags = {key: str(manifest[key]) for key in _FROM_MANIFEST if manifest.get(key) is not None}
    if manifest:
        tags["manifest_sha256"] = file_sha256(adapter_dir / MANIFEST)
    return tags | {"adapter_sha256": file_sha256(adapter_dir / ADAPTER_WEIGHTS)}


def card_text(adapter_dir: Path) -> str | None:
    """Return the model card without its YAML head, as the version's description."""
    file = adapter_dir / MODEL_CARD
    if not file.is_file():
        return None
    text = file.read_text("utf-8")
    if text.startswith("---\n"):
        text = text.partition("\n---\n")[2]
    return text.strip()[:MAX_VALUE]
