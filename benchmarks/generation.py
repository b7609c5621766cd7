"""Tokens a second of the batching engine, beside transformers' own generate on the same prompts."""

import sys
import time

from camelx.agents import PolicyModel, open_model
from camelx.agents.decoding import Completion, Request, decode
from camelx.demo_model import demo_model_path
from camelx.demo_model.problems import demo_goals
from camelx.demo_model.roles import EXECUTOR_SYSTEM
from camelx.prompts import execution_messages
from camelx.schemas import Split

MAX_TOKENS = 64


def main() -> None:
    """Executions of the demo model at several batch sizes: engine against model.generate, and the ratio."""
    import torch

    model, tokenizer = open_model(PolicyModel(str(demo_model_path())), device="cpu")
    tokenizer.padding_side = "left"
    goals = demo_goals(128, seed=1, split=Split.TRAIN)
    texts = [
        tokenizer.apply_chat_template(
            [m.model_dump() for m in execution_messages(EXECUTOR_SYSTEM, goal.text, None)],
            tokenize=False,
            add_generation_prompt=True,
        )
        for goal in goals
    ]
    for n in (1, 16, 64, 128):
        prompts = tokenizer(texts[:n], add_special_tokens=False)["input_ids"]
        batch = tokenizer(texts[:n], add_special_tokens=False, return_tensors="pt", padding=True)
        batch.pop("token_type_ids", None)
        start = time.perf_counter()
        answers: list[Completion] = []
        requests = [Request(prompt, MAX_TOKENS, 1.0, 1.0, seed) for seed, prompt in enumerate(prompts)]
        decode(
            model,
            requests,
            pad_id=tokenizer.eos_token_id,
            eos_ids=[tokenizer.eos_token_id],
            is_wanted=lambda _: True,
            on_done=lambda _, answer, made=answers: made.append(answer),
        )
        ours = sum(answer.n_tokens for answer in answers) / (time.perf_counter() - start)
        torch.manual_seed(0)
        start = time.perf_counter()
        with torch.inference_mode():
            out = model.generate(
                **batch, max_new_tokens=MAX_TOKENS, do_sample=True, pad_token_id=tokenizer.eos_token_id
            )
        made = out[:, batch["input_ids"].shape[1] :]
        n_made = int((made != tokenizer.eos_token_id).sum()) + n
        theirs = n_made / (time.perf_counter() - start)
        sys.stdout.write(
            f"batch {n:>4}: engine {ours:8,.0f} tok/s, generate {theirs:8,.0f} tok/s, "
            f"ratio {ours / theirs:.2f}\n"
        )
