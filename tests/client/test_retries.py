"""What may be sent again is, until it is answered; what may have been done is not done twice."""

from __future__ import annotations

import socket
import threading

import pytest
from live_server import free_port, live_server
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from camelx.client import ApiError, AsyncClient, Client, UnreachableError, cycles
from camelx.client.calls import change, get, post


class Flaky:
    """A server that answers its first requests as it is told, and keeps what it was sent."""

    def __init__(self, *first: Response) -> None:
        self.first = list(first)
        self.seen: list[Request] = []
        self.app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST", "PUT"])])

    async def answer(self, request: Request) -> Response:
        self.seen.append(request)
        return self.first.pop(0) if self.first else JSONResponse({"done": True})


def busy(status, **headers):
    return JSONResponse({"title": "Busy", "detail": "later"}, status, headers=headers)


def sent(flaky, call, **options):
    with live_server(flaky.app) as server, Client(server.url, **options) as client:
        return client.send(call)


def test_a_read_is_sent_again_until_it_is_answered():
    flaky = Flaky(busy(503), busy(502), busy(429, **{"Retry-After": "0"}))
    assert sent(flaky, get(dict, "x")) == {"done": True}
    assert len(flaky.seen) == 4


def test_what_creates_is_sent_again_under_the_same_key():
    flaky = Flaky(busy(503), busy(409, **{"Retry-After": "0"}))
    assert sent(flaky, post(dict, "x", body={})) == {"done": True}
    keys = {request.headers["idempotency-key"] for request in flaky.seen}
    assert (len(flaky.seen), len(keys)) == (3, 1)
    assert post(dict, "x").key != post(dict, "x").key


def test_a_change_without_a_key_is_not_sent_again_once_it_may_have_been_done():
    flaky = Flaky(busy(503))
    with pytest.raises(ApiError, match="503 Busy: later"):
        sent(flaky, change("PUT", dict, "x", body={}))
    assert len(flaky.seen) == 1


def test_a_refusal_is_not_argued_with():
    for status in (400, 401, 403, 404, 409, 422, 500):
        flaky = Flaky(busy(status))
        with pytest.raises(ApiError) as refused:
            sent(flaky, get(dict, "x"))
        assert refused.value.status == status
        assert len(flaky.seen) == 1


def test_after_the_last_attempt_the_refusal_is_told():
    flaky = Flaky(*[busy(503, **{"Retry-After": "0"})] * 9)
    with pytest.raises(ApiError, match="503"):
        sent(flaky, get(dict, "x"), attempts=3)
    assert len(flaky.seen) == 3


def test_what_is_not_a_problem_document_is_told_all_the_same():
    flaky = Flaky(Response("<h1>nginx</h1>", 418))
    with pytest.raises(ApiError, match="418 I'm a Teapot: <h1>nginx</h1>"):
        sent(flaky, get(dict, "x"))


def test_a_server_that_is_not_there_is_named():
    url = f"http://127.0.0.1:{free_port()}"
    with Client(url, attempts=2) as client, pytest.raises(UnreachableError, match=f"{url} does not answer"):
        client.send(cycles.start())


def test_a_server_that_comes_up_meanwhile_is_found():
    flaky = Flaky()
    with live_server(flaky.app) as server:
        server.stop()
        late = threading.Timer(0.5, server.start)
        late.start()
        with Client(server.url, attempts=8) as client:
            assert client.send(change("PUT", dict, "x", body={})) == {
                "done": True
            }  # it was never sent before
        late.join()


def test_a_server_that_hangs_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            Client(url, attempts=2, timeout_s=0.2) as client,
            pytest.raises(UnreachableError, match="Timeout"),
        ):
            client.send(get(dict, "x"))


async def test_the_client_of_an_event_loop_does_the_same():
    flaky = Flaky(busy(503), busy(502))
    with live_server(flaky.app) as server:
        async with AsyncClient(server.url) as client:
            assert await client.send(get(dict, "x")) == {"done": True}
    async with AsyncClient(server.url, attempts=1) as client:
        with pytest.raises(UnreachableError):
            await client.send(get(dict, "x"))
    assert len(flaky.seen) == 3


def test_url_and_token_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("CAMELX_TOKEN", "camelx_secret")
    flaky = Flaky()
    with live_server(flaky.app) as server:
        monkeypatch.setenv("CAMELX_URL", server.url + "/")
        with Client() as client:
            client.send(get(dict, "x", "a/b"))
    assert flaky.seen[0].headers["authorization"] == "Bearer camelx_secret"
    assert flaky.seen[0].url.path == "/api/v1/x/a/b"
