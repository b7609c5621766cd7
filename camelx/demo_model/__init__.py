"""The embedded default: a small language model of camelx's own, and the word problems it works on.

`demo_model_path` gives the shipped model, an ordinary Hugging Face directory. `problems` makes goals,
`roles` holds the system messages it knows, `build` trains it from nothing and `figures` measures it. Only
the last two load torch, so import them where they are used.
"""

from __future__ import annotations

from pathlib import Path

from camelx.config import DEMO_MODEL_DIR


def demo_model_path() -> Path:
    """Return the directory of the shipped model (config, tokenizer, weights, card)."""
    return DEMO_MODEL_DIR
