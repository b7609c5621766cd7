"""Measures the demo model through plain `generate` calls: its solving, its styles, its judging.

`build` writes the result into the model card; a test measures a sample again. The answers go the way of a
cycle: a plan is proposed, executed, and two executions of a goal are reviewed in both orders.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from camelx.demo_model.corpus import JUMP_PLAN
from camelx.demo_model.problems import HELDOUT_SEED, LEVELS, Problem, make_problems
from camelx.demo_model.roles import EXECUTOR_SYSTEM, PEER_REVIEWER_SYSTEM, PROPOSER_SYSTEM
from camelx.errors import JudgeParseError
from camelx.prompts import execution_messages, parse_verdict, proposal_messages, review_messages
from camelx.schemas import Message, Split, Verdict

SAMPLES = 4
"""Plans sampled for each goal, each executed once."""

REVIEW_TEMPERATURE = 0.3

_ANSWER = re.compile(r"The answer is (\d+)\.\s*$")
_SWAPPED = {Verdict.FIRST: Verdict.SECOND, Verdict.SECOND: Verdict.FIRST, Verdict.TIE: Verdict.TIE}

Reply = Callable[[Sequence[Sequence[Message]], float], list[str]]


@dataclass(frozen=True)
class Figures:
    """What the model can do; all but the counts are shares from 0 to 1, of none where there was none: 0."""

    n_goals: int
    greedy: float
    """Goals answered right by greedy plan and greedy execution."""
    greedy_by_level: dict[str, float]
    sampled: float
    """The same with both sampled at temperature 1."""
    sampled_by_level: dict[str, float]
    full_plans: float
    """Sampled plans that name the steps."""
    worked: float
    """Sampled executions that show the steps."""
    worked_right: float
    """Right ones among worked executions."""
    jump_right: float
    """Right ones among executions that jump."""
    worked_right_greedy: float
    """Right ones among greedy executions of a full plan that show the steps."""
    mixed_goals: float
    """Goals whose samples are neither all right nor all wrong."""
    n_decided: int
    """Pairs of one right and one wrong sampled answer, each reviewed in both orders."""
    review_right: float
    """Reviews of decided pairs whose verdict names the right one."""
    review_consistent: float
    """Decided pairs with the same verdict in both orders."""
    review_unreadable: float
    """Reviews of decided pairs without a readable verdict."""
    tie_right: float
    """Reviews of pairs that are both right or both wrong, in different words, whose verdict is a tie."""

    def as_dict(self) -> dict[str, Any]:
        """Return the figures, rounded for the card."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class _Answer:
    plan: str
    text: str
    is_right: bool

    @property
    def is_worked(self) -> bool:
        return not self.text.startswith("The answer")


def measure(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    n_goals: int = 300,
    seed: int = HELDOUT_SEED,
) -> Figures:
    """Return the figures of a model on `n_goals` held-out problems, the levels in equal parts."""
    problems = make_problems(n_goals, seed=seed, split=Split.HELDOUT)
    torch.manual_seed(seed)
    reply = replier(model, tokenizer)
    greedy = solve(problems, reply, temperature=0.0)
    repeated = [problem for problem in problems for _ in range(SAMPLES)]
    sampled = solve(repeated, reply, temperature=1.0)
    by_goal = [sampled[i : i + SAMPLES] for i in range(0, len(sampled), SAMPLES)]
    worked = [a for a in sampled if a.is_worked]
    followed = [a for a in greedy if a.is_worked and a.plan != JUMP_PLAN]
    return Figures(
        n_goals=n_goals,
        greedy=_share([a.is_right for a in greedy]),
        greedy_by_level=_by_level(problems, greedy),
        sampled=_share([a.is_right for a in sampled]),
        sampled_by_level=_by_level(repeated, sampled),
        full_plans=_share([a.plan != JUMP_PLAN for a in sampled]),
        worked=_share([a.is_worked for a in sampled]),
        worked_right=_share([a.is_right for a in worked]),
        jump_right=_share([a.is_right for a in sampled if not a.is_worked]),
        worked_right_greedy=_share([a.is_right for a in followed]),
        mixed_goals=_share([0 < sum(a.is_right for a in answers) < SAMPLES for answers in by_goal]),
        **_review_figures(problems, by_goal, reply, random.Random(seed)),
    )


def solve(problems: Sequence[Problem], reply: Reply, temperature: float) -> list[_Answer]:
    """Return one answer for each problem: a plan, then its execution, both at the temperature."""
    plans = reply([proposal_messages(PROPOSER_SYSTEM, p.text) for p in problems], temperature)
    prompts = [
        execution_messages(EXECUTOR_SYSTEM, problem.text, plan)
        for problem, plan in zip(problems, plans, strict=True)
    ]
    results = reply(prompts, temperature)
    return [
        _Answer(plan, result, stated_answer(result) == problem.answer)
        for problem, plan, result in zip(problems, plans, results, strict=True)
    ]


def stated_answer(result: str) -> int | None:
    """Return the number in the closing "The answer is 57.", or None where there is none."""
    found = _ANSWER.search(result)
    return int(found.group(1)) if found else None


def replier(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, batch: int = 128, max_new_tokens: int = 96
) -> Reply:
    """Return a function from conversations and a temperature (0: greedy) to the model's replies."""
    model.eval()

    def reply(conversations: Sequence[Sequence[Message]], temperature: float) -> list[str]:
        prompts = [
            tokenizer.apply_chat_template(
                [m.model_dump() for m in messages], tokenize=False, add_generation_prompt=True
            )
            for messages in conversations
        ]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        replies = [""] * len(prompts)
        for start in range(0, len(order), batch):
            indices = order[start : start + batch]
            texts = _generate(model, tokenizer, [prompts[i] for i in indices], temperature, max_new_tokens)
            for i, text in zip(indices, texts, strict=True):
                replies[i] = text
        return replies

    return reply


def _generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[str],
    temperature: float,
    max_new_tokens: int,
) -> list[str]:
    encoded = tokenizer(
        prompts,
        return_tensors="pt",
        padding=True,
        padding_side="left",
        add_special_tokens=False,
        return_token_type_ids=False,
    )
    sampling: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    with torch.inference_mode():
        output = model.generate(**encoded, **sampling, max_new_tokens=max_new_tokens)
    return list(tokenizer.batch_decode(output[:, encoded["input_ids"].shape[1] :], skip_special_tokens=True))


def _review_figures(
    problems: Sequence[Problem], by_goal: Sequence[Sequence[_Answer]], reply: Reply, rng: random.Random
) -> dict[str, Any]:
    """Return the judge's figures on one decided pair and one tied pair of every goal that has them."""
    decided: list[tuple[str, str, str]] = []
    tied: list[tuple[str, str, str]] = []
    for problem, answers in zip(problems, by_goal, strict=True):
        right = [a.text for a in answers if a.is_right]
        wrong = [a.text for a in answers if not a.is_right]
        if right and wrong:
            decided.append((problem.text, rng.choice(right), rng.choice(wrong)))
        for same in (right, wrong):
            if len(set(same)) > 1:
                first, second = rng.sample(sorted(set(same)), 2)
                tied.append((problem.text, first, second))
    forward = _verdicts(decided, reply)
    backward = _verdicts([(goal, second, first) for goal, first, second in decided], reply)
    agreed = [
        v is not None and w is not None and v is _SWAPPED[w] for v, w in zip(forward, backward, strict=True)
    ]
    return {
        "n_decided": len(decided),
        "review_right": _share(
            [v is Verdict.FIRST for v in forward] + [v is Verdict.SECOND for v in backward]
        ),
        "review_consistent": _share(agreed),
        "review_unreadable": _share([v is None for v in (*forward, *backward)]),
        "tie_right": _share([v is Verdict.TIE for v in _verdicts(tied, reply)]),
    }


def _verdicts(pairs: Sequence[tuple[str, str, str]], reply: Reply) -> list[Verdict | None]:
    prompts = [review_messages(PEER_REVIEWER_SYSTEM, goal, first, second) for goal, first, second in pairs]
    return [_verdict_or_none(text) for text in reply(prompts, REVIEW_TEMPERATURE)]


def _verdict_or_none(text: str) -> Verdict | None:
    try:
        return parse_verdict(text)
    except JudgeParseError:
        return None


def _by_level(problems: Sequence[Problem], answers: Sequence[_Answer]) -> dict[str, float]:
    pairs = list(zip(problems, answers, strict=True))
    return {str(level): _share([a.is_right for p, a in pairs if p.level == level]) for level in LEVELS}


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value
