"""Models and tokenizers from disk: the base, with the adapter merged into its weights."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from camelx.agents.policy import PolicyModel, check_files
from camelx.errors import AgentError, boundary
from camelx.prompts import control_pattern, disarmed
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
    with boundary(AgentError, f"moving model {policy.base!r} to {device}"):
        model = model.to(device).eval()
    return model, open_tokenizer(policy.base)


class ChatFormat:
    """A tokenizer's chat template, with the control tokens in what the turns say broken."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, self._control = tokenizer, control_pattern(tokenizer)

    def tokens(self, turns: Iterable[tuple[str, str]], *, add_generation_prompt: bool) -> list[int]:
        """Return the tokens of the turns, each (role, content).

        Args:
            turns: The conversation.
            add_generation_prompt: Whether to end where the assistant begins to speak.
        """
        conversation = [{"role": role, "content": disarmed(said, self._control)} for role, said in turns]
        text = self._tokenizer.apply_chat_template(
            conversation, tokenize=False, add_generation_prompt=add_generation_prompt
        )
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


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
    chat = ChatFormat(open_tokenizer(base))

    def count(messages: Sequence[Message]) -> int:
        return len(chat.tokens(((m.role, m.content) for m in messages), add_generation_prompt=False))

    return count
