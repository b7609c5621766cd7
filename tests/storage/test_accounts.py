"""Idempotency keys on both databases: claimed once, kept for a while, given back."""

from __future__ import annotations

import threading
from datetime import timedelta

from camelx.schemas import KeptAnswer, utc_now

DAY, TEN_MINUTES = timedelta(days=1), timedelta(minutes=10)


def reserve(store, **fields):
    wanted = KeptAnswer(**{"actor": "ada", "key": "k", "request_hash": "h", **fields})
    return wanted, store.reserve_answer(wanted, keep=DAY, give_up=TEN_MINUTES)


def test_a_key_is_claimed_by_one_of_many(store):
    together, found = threading.Barrier(6), []

    def claim():
        together.wait()
        found.append(reserve(store)[1])

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count(None) == 1
    assert all(other.status is None for other in found if other)


def test_an_answer_is_found_again_by_its_actor_alone(store):
    wanted, _ = reserve(store)
    store.keep_answer(wanted.model_copy(update={"status": 201, "body": "{}", "headers": {"etag": "x"}}))
    _, found = reserve(store)
    assert (found.status, found.body, found.headers) == (201, "{}", {"etag": "x"})
    assert reserve(store, actor="bob")[1] is None


def test_a_key_that_was_given_back_can_be_claimed_again(store):
    wanted, _ = reserve(store)
    store.release_answer(wanted)
    assert reserve(store)[1] is None


def test_a_key_whose_process_died_can_be_claimed_after_a_while(store):
    reserve(store, started_at=utc_now() - timedelta(minutes=11))
    assert reserve(store)[1] is None
    assert reserve(store)[1] is not None


def test_answers_are_kept_for_a_day(store):
    wanted, _ = reserve(store, started_at=utc_now() - timedelta(hours=23))
    store.keep_answer(wanted.model_copy(update={"status": 201}))
    assert reserve(store)[1] is not None
    old, _ = reserve(store, key="old", started_at=utc_now() - timedelta(hours=25))
    store.keep_answer(old.model_copy(update={"status": 201}))
    assert reserve(store, key="old")[1] is None
