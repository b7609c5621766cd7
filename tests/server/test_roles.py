"""Every route and every handler of a page, for each role: nobody does what their role does not allow."""

from __future__ import annotations

import asyncio
import inspect
import re
import typing

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import Mount
from starlette.testclient import WebSocketDenialResponse

from camelx.access import Access
from camelx.schemas import AccessRole
from camelx.storage import Store
from camelx.workspace import Workspace

from .served import client_of, served

GUARDED = (Workspace, Access, Store)
PUBLIC = {
    "/healthz": "says that it lives",
    "/readyz": "says whether it can work",
    "/metrics": "figures, no texts",
    "/sign-in": "where one signs in",
    "/sign-out": "ends one's own session",
    "/api/v1/auth/token": "signs a program in",
    "/api/v1/openapi.json": "what the API takes, the same everywhere",
    "/api/docs": "the same for people",
    "/api/docs/start.js": "what starts that page",
    "/api/docs/{name}": "what that page is made of",
    "/api/{rest:path}": "says that there is nothing",
}
ROLES = [role.value for role in AccessRole]


def walk(routes):
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from walk(inner.routes)
        else:
            yield route


def role_of(dependant):
    """The role that a route asks for; None: none."""
    own = getattr(dependant.call, "role", None)
    found = [own, *(role_of(inner) for inner in dependant.dependencies)]
    return max((role for role in found if role), key=ROLES.index, default=None)


def path_of(route):
    return re.sub(r"\{[^}]*\}", "x", route.path)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with served(tmp_path_factory.mktemp("roles"), pages=True, write_rate="100000/minute") as opened:
        yield opened


@pytest.fixture(scope="module")
def routes(app):
    return [r for r in walk(app.routes) if not isinstance(r, Mount) and r.path not in PUBLIC]


def test_every_route_asks_for_a_role(routes):
    assert len(routes) > 10
    assert [r.path for r in routes if not isinstance(r, APIRoute | APIWebSocketRoute)] == []
    assert [r.path for r in routes if role_of(r.dependant) is None] == []


def test_the_document_marks_the_routes_for_which_one_signs_in_and_no_others(app):
    document = client_of(app).get("/api/v1/openapi.json").json()
    there = {(r.path, m.lower()): role_of(r.dependant) is not None
             for r in walk(app.routes) if isinstance(r, APIRoute) for m in r.methods}  # fmt: skip
    told = {(path, method): operation.get("security") for path, item in document["paths"].items()
            for method, operation in item.items()}  # fmt: skip
    assert {key: security is not None for key, security in told.items()} == {k: there[k] for k in told}
    assert [s for s in told.values() if s not in (None, [{"bearer": []}, {"session": []}])] == []
    assert set(document["components"]["securitySchemes"]) == {"bearer", "session"}
    marked = ("/api/v1/auth/me", "get"), ("/api/v1/auth/password", "put"), ("/metrics", "get")
    assert all(told[route] for route in marked)
    assert not any(told[route] for route in (("/api/v1/auth/token", "post"), ("/healthz", "get")))


@pytest.mark.parametrize("asking", [None, *ROLES])
def test_every_route_answers_those_who_may_and_no_others(app, routes, asking):
    client = client_of(app, asking, raise_server_exceptions=False)
    for route in (r for r in routes if isinstance(r, APIRoute)):
        needed = role_of(route.dependant)
        for method in route.methods:
            status = client.request(method, path_of(route)).status_code
            if asking is None:
                assert status == 401, (method, route.path)
            elif not AccessRole(asking).includes(needed):
                assert status == 403, (method, route.path)
            else:
                assert status not in (401, 403), (method, route.path, status)
                assert status < 500, (method, route.path, status)


@pytest.mark.parametrize("asking", [None, *ROLES])
def test_every_websocket_is_refused_to_those_who_may_not(app, routes, asking):
    for route in (r for r in routes if isinstance(r, APIWebSocketRoute)):
        if asking is not None and AccessRole(asking).includes(role_of(route.dependant)):
            continue
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            client_of(app, asking).websocket_connect(path_of(route)),
        ):
            pass
        assert refused.value.status_code == (401 if asking is None else 403), route.path


# Handlers of pages


@pytest.fixture(scope="module")
def handlers(app):
    gradio_app = next(r for r in app.routes if isinstance(r, Mount)).app
    all_of_them = [f.fn for f in gradio_app.get_blocks().fns.values() if f.fn is not None]
    return [handler for handler in all_of_them if reaches_something(handler)]


def reaches_something(handler):
    """Whether a handler holds the workspace or a part of it: the others move what its caller has already."""
    seen, waiting = set(), [inspect.unwrap(handler)]
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, GUARDED):
            return True
        if id(thing) in seen or type(thing).__module__.startswith("gradio"):
            continue
        seen.add(id(thing))
        waiting += [cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()]
        waiting += [getattr(thing, name) for name in ("__self__", "__func__", "func") if hasattr(thing, name)]
        if inspect.isfunction(thing):
            waiting += [thing.__globals__.get(name) for name in named_in(thing)]
        elif type(thing).__module__.startswith("camelx"):
            waiting += [*getattr(thing, "__dict__", {}).values(), *slots_of(thing)]
    return False


def named_in(function):
    """The functions and objects of camelx that a function's text names."""
    code = getattr(function, "__code__", None)
    names = code.co_names if code else ()
    known = getattr(function, "__globals__", {})
    return [n for n in names if str(getattr(known.get(n), "__module__", "")).startswith("camelx.ui")]


def slots_of(thing):
    return [getattr(thing, name) for name in getattr(type(thing), "__slots__", ()) if hasattr(thing, name)]


def request_of(handler):
    """The name of the parameter that Gradio fills with the request; None: there is none."""
    import gradio as gr

    known = inspect.unwrap(handler)
    hints = typing.get_type_hints(known if inspect.isroutine(known) else known.__call__)
    return next((name for name, kind in hints.items() if kind is gr.Request), None)


def call(handler, name):
    """Call a handler as Gradio would for somebody of that name, with nothing for its inputs."""
    import gradio as gr

    where = request_of(handler)
    wanted = [p for p in inspect.signature(handler).parameters.values() if p.kind is not p.VAR_KEYWORD]
    given = [gr.Request(username=name) if p.name == where else None for p in wanted]
    made = handler(*given)
    if inspect.iscoroutine(made):
        return asyncio.run(made)
    if inspect.isasyncgen(made):
        return asyncio.run(anext(made))
    return next(made) if inspect.isgenerator(made) else made


def test_every_handler_is_told_who_calls_it(handlers):
    assert handlers
    assert [h.__qualname__ for h in handlers if request_of(h) is None] == []


def test_every_handler_refuses_a_stranger_before_anything_else(handlers):
    """Its inputs are all None: a handler that looked at them first would fail in another way."""
    import gradio as gr

    open_to_all = []
    for handler in handlers:
        try:
            call(handler, "stranger")
        except gr.Error as e:
            if "sign in first" in str(e):
                continue
        except Exception as e:  # noqa: BLE001 (it looked at its inputs first)
            open_to_all.append(f"{handler.__qualname__}: {e!r}")
            continue
        open_to_all.append(handler.__qualname__)
    assert open_to_all == []


def refusal(handler, name):
    """The role that a handler asks for when it refuses somebody; None: it lets them in."""
    import gradio as gr

    try:
        call(handler, name)
    except gr.Error as e:
        found = re.search(r"this takes (\w+)", str(e))
        return AccessRole(found[1]) if found else None
    except Exception:  # noqa: BLE001 (let in, and then its inputs are all None)
        return None
    return None


def test_every_handler_refuses_those_whose_role_is_too_low(handlers):
    """A viewer is refused by each that takes more, and so is every role below what it takes."""
    needed = {handler: refusal(handler, "viewer") for handler in handlers}
    for handler, role in needed.items():
        for asking in ROLES if role else ():
            if not AccessRole(asking).includes(role):
                assert refusal(handler, asking) is role, (handler.__qualname__, asking)
    by_role = {role: sum(found is role for found in needed.values()) for role in AccessRole}
    assert by_role[AccessRole.OPERATOR] > 0, by_role
