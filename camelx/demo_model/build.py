"""Trains the demo model from nothing and writes it as a Hugging Face directory with its card.

In: settings with a seed. Out: config, tokenizer, weights (safetensors), README.md and card.json. The command
`camelx demo-model build` calls `build`; it takes about half an hour on two cores, and set-up never needs it,
because the result is shipped.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from camelx.demo_model.card import render_card
from camelx.demo_model.corpus import Example, Mixture, Skill, make_example
from camelx.demo_model.figures import measure
from camelx.demo_model.muon import Muon
from camelx.demo_model.problems import LEVELS, make_problem
from camelx.demo_model.tokenizer import MAX_TOKENS, train_tokenizer

DRILL_PROBLEMS = 8
"""Problems whose calculations make one drill."""

Row = list[tuple[list[int], bool]]
"""One example: parts of it as tokens, each with whether it is learned."""

Progress = Callable[[int, int, float], None]
"""Called with the step, the number of steps and the loss of the step, in nats per token."""


@dataclass(frozen=True)
class Counts:
    """How many examples of each kind a training step has."""

    propose: int
    execute: int
    review: int
    drill: int


@dataclass(frozen=True)
class BuildSettings:
    """What to build. The default is what is shipped."""

    seed: int = 0
    vocab_size: int = 1024
    hidden: int = 128
    layers: int = 5
    heads: int = 4
    ffn: int = 384
    steps: int = 1_400
    early: Counts = Counts(propose=4, execute=16, review=3, drill=13)
    """Examples in every step of the first part, where calculating is learned ..."""
    late: Counts = Counts(propose=4, execute=10, review=18, drill=8)
    """... and of the rest, where reviews, long and hard, are most of the tokens."""
    early_share: float = 0.3
    """Share of the steps in the first part."""
    learning_rate: float = 4e-3
    warmup: int = 60
    """Steps of rising rate."""
    decay_share: float = 0.4
    """Share of the steps, the last ones, in which the rate falls to nothing; it is constant before."""
    weight_decay: float = 0.02
    threads: int = 2
    """CPU threads of torch; the weights depend on it in their last digits."""
    n_figure_goals: int = 300
    mixture: Mixture = field(default_factory=Mixture)


@dataclass(frozen=True)
class BuildReport:
    """What was built, as `card.json` has it."""

    n_parameters: int
    n_tokens_seen: int
    final_loss: float
    """Mean of the last 100 steps, nats per token of the assistant."""
    seconds: float
    weights_sha256: str
    settings: dict[str, Any]
    figures: dict[str, Any]


def build(
    out: Path, settings: BuildSettings = BuildSettings(), *, on_step: Progress | None = None
) -> BuildReport:
    """Train the model and write its directory.

    Args:
        out: Directory to write; made if need be, files of the same names are replaced.
        settings: Sizes, steps, seed and mixture of the training text.
        on_step: Told of every step.

    Returns:
        The report that is also in `out/card.json`.
    """
    started = time.monotonic()
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    rng = random.Random(settings.seed)
    tokenizer = train_tokenizer(_texts(settings), settings.vocab_size)
    model = LlamaForCausalLM(_config(settings, tokenizer))
    losses, n_tokens = _train(model, tokenizer, rng, settings, on_step)
    out.mkdir(parents=True, exist_ok=True)
    _save(model, tokenizer, out)
    last = losses[-100:]
    report = BuildReport(
        n_parameters=sum(p.numel() for p in model.parameters()),
        n_tokens_seen=n_tokens,
        final_loss=round(sum(last) / len(last), 4),
        seconds=round(time.monotonic() - started, 1),
        weights_sha256=weights_sha256(out),
        settings=asdict(settings),
        figures=measure(model, tokenizer, n_goals=settings.n_figure_goals).as_dict(),
    )
    (out / "card.json").write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    (out / "README.md").write_text(render_card(asdict(report)), encoding="utf-8")
    return report


def weights_sha256(directory: Path) -> str:
    """Return the SHA-256 of a model directory's weights."""
    return hashlib.sha256((directory / "model.safetensors").read_bytes()).hexdigest()


def _texts(settings: BuildSettings) -> Iterator[str]:
    """Yield text to learn words from: some thousand conversations of every skill, seeded apart."""
    rng = random.Random(settings.seed + 1)
    for skill in Skill:
        for _ in range(2_000):
            example = make_example(rng, skill, settings.mixture)
            yield from (message.content for message in example.messages)
            yield example.completion


def _config(settings: BuildSettings, tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden,
        intermediate_size=settings.ffn,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=MAX_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.05,
        attn_implementation="sdpa",
    )


def _train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    rng: random.Random,
    settings: BuildSettings,
    on_step: Progress | None,
) -> tuple[list[float], int]:
    """Train in place; return the loss of every step and the number of tokens seen."""
    optimizers = _optimizers(model, settings)
    schedules = [LambdaLR(optimizer, lambda step: _rate(step, settings)) for optimizer in optimizers]
    losses: list[float] = []
    n_tokens = 0
    model.train()
    while len(losses) < settings.steps:
        batches = [_batch(tokenizer, rows) for rows in _draw(tokenizer, rng, len(losses), settings)]
        n_learned = sum(int((labels >= 0).sum()) for _, labels in batches)
        loss = 0.0
        for tokens, labels in batches:
            part = _loss_sum(model, tokens, labels) / n_learned
            part.backward()
            loss += part.item()
            n_tokens += tokens.numel()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
        losses.append(loss)
        if on_step:
            on_step(len(losses), settings.steps, loss)
    return losses, n_tokens


def _optimizers(model: LlamaForCausalLM, settings: BuildSettings) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the layers and AdamW for embeddings and norms."""
    matrices = [p for p in model.model.layers.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    return [
        Muon(matrices, lr=settings.learning_rate, weight_decay=settings.weight_decay),
        torch.optim.AdamW(others, lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _rate(step: int, settings: BuildSettings) -> float:
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    n_decay = settings.decay_share * settings.steps
    return min(1.0, (settings.steps - step) / n_decay)


def _draw(
    tokenizer: PreTrainedTokenizerFast, rng: random.Random, step: int, settings: BuildSettings
) -> Iterator[list[Row]]:
    """Yield the examples of one step, those of a kind together because they are of like length."""
    counts = settings.early if step < settings.early_share * settings.steps else settings.late
    for skill, n in (
        (Skill.PROPOSE, counts.propose),
        (Skill.EXECUTE, counts.execute),
        (Skill.REVIEW, counts.review),
    ):
        yield _conversations(tokenizer, [make_example(rng, skill, settings.mixture) for _ in range(n)])
    if counts.drill:
        yield [_drill(tokenizer, rng) for _ in range(counts.drill)]


def _conversations(tokenizer: PreTrainedTokenizerFast, examples: list[Example]) -> list[Row]:
    """Return examples as they are met at generation: a prompt, and a completion that is learned."""
    prompts = [
        tokenizer.apply_chat_template(
            [m.model_dump() for m in example.messages], tokenize=False, add_generation_prompt=True
        )
        for example in examples
    ]
    completions = [example.completion + tokenizer.eos_token for example in examples]
    tokens = tokenizer(prompts + completions, add_special_tokens=False)["input_ids"]
    n = len(examples)
    return [[(tokens[i], False), (tokens[n + i], True)] for i in range(n)]


def _drill(tokenizer: PreTrainedTokenizerFast, rng: random.Random) -> Row:
    """Return calculations without a story, of which the results are learned.

    Eight times as many calculations a token as in conversations, and those are what takes longest to learn.
    """
    texts: list[str] = []
    for _ in range(DRILL_PROBLEMS):
        start = "<|assistant|>"
        for step in make_problem(rng, rng.choice(LEVELS)).steps:
            texts += [f"{start}{step.left} {step.operation} {step.right} =", f" {step.result}."]
            start = " "
    tokens = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return [(part, position % 2 == 1) for position, part in enumerate(tokens)]


def _batch(tokenizer: PreTrainedTokenizerFast, rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tokens and labels `(n, longest)`; label -100 is not learned."""
    longest = max(sum(len(part) for part, _ in row) for row in rows)
    tokens = torch.full((len(rows), longest), tokenizer.pad_token_id)
    labels = torch.full((len(rows), longest), -100)
    for i, row in enumerate(rows):
        start = 0
        for part, is_learned in row:
            end = start + len(part)
            tokens[i, start:end] = torch.tensor(part)
            if is_learned:
                labels[i, start:end] = tokens[i, start:end]
            start = end
    return tokens, labels


def _loss_sum(model: LlamaForCausalLM, tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the summed cross-entropy of the labels.

    Padding stands on the right, where causal attention never looks from a learned token, so no mask is
    needed; the head runs on learned positions alone.
    """
    hidden = model.model(input_ids=tokens[:, :-1], use_cache=False).last_hidden_state
    targets = labels[:, 1:]
    learned = targets >= 0
    return functional.cross_entropy(model.lm_head(hidden[learned]), targets[learned], reduction="sum")


def _save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        max_new_tokens=128,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)  # the writer leaves it readable by its owner alone
