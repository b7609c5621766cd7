"""Models and tokenizers from disk: the base, with the adapter merged into its weights."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from camelx.agents.policy import PolicyModel, check_files
from camelx.errors import AgentError, boundary
from camelx.schemas import Message


def open_model(policy: PolicyModel, *, device: str = "auto", dtype: str = "auto") -> tuple[Any, Any]:
    """Return the transformers model, adapter merged into its weights, and its tokenizer, ready to generate.

    Merged, the adapter costs nothing at inference.

    Args:
        policy: The base and its adapter.
        device: "auto" takes a GPU where there is one; else a PyTorch device.
        dtype: "auto" is bfloat16 on a GPU and float32 on a CPU; else a PyTorch type's name.

    Raises:
        ConfigError: The base's directory is missing or holds no model.
        AgentError: The files can't be loaded, or hold pickles.
    """
    check_files(policy)
    with boundary(AgentError, f"loading model {policy.base!r}"):
        import torch
        from transformers import AutoModelForCausalLM
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if dtype == "auto":
            dtype = "bfloat16" if device.startswith("cuda") else "float32"
        model = AutoModelForCausalLM.from_pretrained(
            policy.base, dtype=getattr(torch, dtype), use_safetensors=True
        )
    if policy.adapter is not None:
        with boundary(AgentError, f"loading adapter {policy.adapter} onto {policy.base!r}"):
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(policy.adapter)).merge_and_unload()
    return model.to(device).eval(), open_tokenizer(policy.base)


@functools.lru_cache(maxsize=8)
def open_tokenizer(base: str) -> Any:
    """Return the base's tokenizer.

    Raises:
        AgentError: It can't be loaded, or has no chat template.
    """
    with boundary(AgentError, f"loading the tokenizer of {base!r}"):
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(base)
    if tokenizer.chat_template is None:
        raise AgentError(f"the tokenizer of {base!r} has no chat template; take an instruction-tuned model")
    return tokenizer


def token_counter(base: str) -> Callable[[Sequence[Message]], int]:
    """Return a function that counts the tokens of a conversation in the base's own chat template."""
    tokenizer = open_tokenizer(base)

    def count(messages: Sequence[Message]) -> int:
        turns = [{"role": m.role, "content": m.content} for m in messages]
        text = tokenizer.apply_chat_template(turns, tokenize=False)
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return count
