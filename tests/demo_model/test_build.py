from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from camelx.demo_model import demo_model_path
from camelx.demo_model.build import BuildSettings, Counts, build, weights_sha256
from camelx.demo_model.card import render_card
from camelx.demo_model.corpus import Mixture, Skill, make_example
from camelx.demo_model.figures import REVIEW_TEMPERATURE, measure, replier, stated_answer
from camelx.demo_model.muon import orthogonalize
from camelx.demo_model.tokenizer import END
from camelx.schemas import Message

TINY = BuildSettings(
    hidden=32,
    layers=1,
    heads=2,
    ffn=64,
    steps=3,
    early=Counts(propose=2, execute=2, review=2, drill=2),
    late=Counts(propose=2, execute=2, review=2, drill=0),
    threads=1,
    n_figure_goals=3,
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    out = tmp_path_factory.mktemp("tiny")
    seen = []
    report = build(out, TINY, on_step=lambda *step: seen.append(step))
    return out, report, seen


@pytest.fixture(scope="module")
def shipped():
    path = demo_model_path()
    return AutoModelForCausalLM.from_pretrained(path), AutoTokenizer.from_pretrained(path)


@pytest.fixture(scope="module")
def card():
    return json.loads((demo_model_path() / "card.json").read_text(encoding="utf-8"))


def test_a_tiny_model_is_built_and_loads(tiny):
    out, report, seen = tiny
    model = AutoModelForCausalLM.from_pretrained(out)
    assert sum(p.numel() for p in model.parameters()) == report.n_parameters
    assert model.generation_config.do_sample
    assert [(step, total) for step, total, _ in seen] == [(1, 3), (2, 3), (3, 3)]
    assert all(loss > 0 for _, _, loss in seen)


def test_the_card_of_a_build_says_what_was_built(tiny):
    out, report, _ = tiny
    card = json.loads((out / "card.json").read_text(encoding="utf-8"))
    assert card["weights_sha256"] == report.weights_sha256 == weights_sha256(out)
    assert card["settings"]["hidden"] == 32
    assert card["figures"]["n_goals"] == 3
    assert report.weights_sha256 in (out / "README.md").read_text(encoding="utf-8")


def test_the_same_seed_builds_the_same_weights_and_another_seed_others(tiny, tmp_path):
    _, report, _ = tiny
    quick = replace(TINY, n_figure_goals=1)
    assert build(tmp_path / "same", quick).weights_sha256 == report.weights_sha256
    assert build(tmp_path / "other", replace(quick, seed=5)).weights_sha256 != report.weights_sha256


def test_the_shipped_weights_are_those_of_their_card(card):
    path = demo_model_path()
    assert weights_sha256(path) == card["weights_sha256"]
    readme = (path / "README.md").read_text(encoding="utf-8")
    assert card["weights_sha256"] in readme
    assert readme == render_card(card)
    assert (path / "model.safetensors").stat().st_size < 8_000_000


def test_the_shipped_card_meets_the_promises_of_the_demo_model(card):
    figures = card["figures"]
    assert figures["n_goals"] >= 300
    assert 0.25 <= figures["greedy"] <= 0.5
    assert figures["worked_right"] >= 0.9
    assert figures["review_right"] >= 0.8
    assert figures["review_consistent"] >= 0.8


def test_the_shipped_model_measures_as_its_card_says(shipped, card):
    model, tokenizer = shipped
    measured, stated = measure(model, tokenizer, n_goals=60).as_dict(), card["figures"]
    # 60 goals: a share near one half has a standard error of 6 points.
    assert abs(measured["greedy"] - stated["greedy"]) < 0.2
    assert abs(measured["sampled"] - stated["sampled"]) < 0.15
    assert abs(measured["worked_right"] - stated["worked_right"]) < 0.12
    assert abs(measured["review_right"] - stated["review_right"]) < 0.15


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Plain words, 1234.",
        "Grüße aus Köln",
        "日本語のテスト",
        "🙂👩‍👩‍👧",
        "a\tb\n\n  c\r\n",
        "\x00\x7f",
        "½ ١٢",
        "<result_a>\n",
    ],
)
def test_the_tokenizer_gives_any_text_back(shipped, text):
    _, tokenizer = shipped
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(tokens) == text


def test_every_digit_is_a_token(shipped):
    _, tokenizer = shipped
    assert all(sum(c.isdigit() for c in token) <= 1 for token in tokenizer.tokenize("Ann has 12345 or 678."))
    assert len(tokenizer.tokenize("12345")) == 5


def test_the_chat_template_ends_the_assistants_turn(shipped):
    _, tokenizer = shipped
    conversation = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Plan."}]
    assert tokenizer.eos_token == END
    assert tokenizer.apply_chat_template(conversation, tokenize=False).endswith(f"<|assistant|>Plan.{END}")


def test_the_chat_template_marks_the_assistants_tokens_end_included(shipped):
    _, tokenizer = shipped
    conversation = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Plan."}]
    encoded = tokenizer.apply_chat_template(
        conversation, return_dict=True, return_assistant_tokens_mask=True, tokenize=True
    )
    marked = [t for t, m in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if m]
    assert tokenizer.decode(marked) == f"Plan.{END}"


def test_most_words_of_the_corpus_are_one_token_and_conversations_fit(shipped):
    model, tokenizer = shipped
    rng = random.Random(0)
    texts = [make_example(rng, Skill.REVIEW, Mixture()).messages[-1].content for _ in range(200)]
    lengths = [len(tokenizer.tokenize(text)) for text in texts]
    assert max(lengths) < 300 < model.config.max_position_embeddings
    assert sum(lengths) < 1.6 * sum(len(text.split()) for text in texts)


def test_an_answer_that_is_not_stated_at_the_end_does_not_count():
    assert stated_answer("12 + 7 = 19. The answer is 19.") == 19
    assert stated_answer("The answer is") is None
    assert stated_answer("The answer is 19. Or not.") is None


def test_replies_come_back_in_the_order_of_the_conversations(shipped):
    reply = replier(*shipped, batch=2)
    system = "You are the executor. Carry out the proposal, if there is one, and give the result."
    goals = ["Ann has 3 apples and buys 4 more. Then Ann buys 2 more. How many apples does Ann have now?"] * 3
    conversations = [
        (Message(role="system", content=system), Message(role="user", content=f"Goal: {goal}"))
        for goal in goals
    ]
    together = reply(conversations, 0.0)
    assert together == [reply([c], 0.0)[0] for c in conversations]
    assert 0 < REVIEW_TEMPERATURE < 1


def test_muon_moves_singular_values_near_one():
    matrices = torch.randn(3, 24, 8, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalize(matrices))
    assert values.shape == (3, 8)
    assert values.min() > 0.5
    assert values.max() < 1.3
