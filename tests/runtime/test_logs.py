"""The server's log: one line of JSON a record, with its trace id, and no secret in it."""

from __future__ import annotations

import io
import json
import logging

import pytest

from camelx.runtime.logs import HIDDEN, log_json, without_secrets
from camelx.runtime.tracing import traced


@pytest.fixture
def lines():
    """What is logged, as parsed lines."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    log_json("INFO", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers, root.level = before, level


def test_a_record_is_one_line_with_its_trace_id(lines):
    with traced("t-1"):
        logging.getLogger("camelx.somewhere").warning("two\nlines \x1b[31m of %s", "text")
    logging.getLogger("a.library").info("outside")
    logging.getLogger("camelx").debug("not shown")
    first, second = lines()
    assert first["message"] == "two\nlines \x1b[31m of text"
    assert (first["level"], first["trace_id"], first["module"]) == ("WARNING", "t-1", "camelx.somewhere")
    assert second["trace_id"] is None
    assert set(second) == {"time", "level", "message", "trace_id", "module"}


def test_an_exception_is_told_without_its_secrets(lines):
    try:
        raise RuntimeError("connecting to postgresql://ada:hunter22@db/x failed")
    except RuntimeError:
        logging.getLogger("camelx").exception("password=hunter22 did not work")
    line = lines()[0]
    assert "hunter22" not in json.dumps(line)
    assert "RuntimeError: connecting to postgresql://ada:" in line["exception"]


def test_a_library_with_a_handler_of_its_own_writes_here_alone(lines):
    own = io.StringIO()
    library = logging.getLogger("some_library")
    library.addHandler(logging.StreamHandler(own))
    library.propagate = False
    log_json("INFO", stream := io.StringIO())
    library.error("here")
    assert own.getvalue() == ""
    assert json.loads(stream.getvalue())["message"] == "here"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer SECRETsecret123",
        "authorization: Basic U0VDUkVUc2VjcmV0",
        "{'authorization': 'Bearer SECRETsecret123', 'x': 1}",
        "sent bearer SECRETsecret123 to it",
        "Cookie: a=SECRETsecret123; b=SECRETsecret123",
        "camelx_session=SECRETsecret123; path=/",
        "Set-Cookie: camelx_session=SECRETsecret123; HttpOnly",
        '{"password": "SECRET secret123", "name": "ada"}',
        "password='SECRET secret123'",
        "passwd=SECRETsecret123&x=1",
        "GET /x?api_key=SECRETsecret123&y=2",
        "https://host/v1?access_token=SECRETsecret123",
        "postgresql://ada:SECRETsecret123@db:5432/camelx",
        "key sk-SECRETsecret123456 was refused",
        "token camelx_SECRETsecret123SECRETsecret123",
        "eyJSECRETsecret123.eyJzdWIiOiJhZGEifQ.SECRETsecret123",
        "$argon2id$v=19$m=65536,t=3,p=4$SECRETsecret123$SECRETsecret123",
        "secret_key=SECRETsecret123",
        "dsn=https://SECRETsecret123@sentry.example/1",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text):
    shown = without_secrets(text)
    assert "secret123" not in shown
    assert "U0VDUkVU" not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize(
    "text",
    ["12 tokens in 3 s", "n_tokens=12 of 40", "GET /api/v1/tokens 200 in 3.1 ms", "cycle c7 is running",
     "http://127.0.0.1:7860/cycles?id=c7"],
)  # fmt: skip
def test_what_is_no_secret_stays(text):
    assert without_secrets(text) == text


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["a-" * 32_000, "-eyJ" * 16_000, "eyJaaaaaa-" * 6_000])
def test_a_long_text_that_is_nearly_a_secret_holds_up_nobody(text):
    assert without_secrets(text) == text


def test_a_secret_of_the_environment_is_hidden_wherever_it_stands(monkeypatch):
    monkeypatch.setenv("MY_PROVIDER_KEY", "plain-looking-value")
    monkeypatch.setenv("SHORT_KEY", "on")
    assert without_secrets("it said plain-looking-value is on") == f"it said {HIDDEN} is on"
