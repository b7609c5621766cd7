"""/sign-in and /sign-out: pages of their own, which work without a script."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from camelx.errors import AccessError
from camelx.pages import Markup, escaped, page, tag
from camelx.server.dependencies import WorkspaceDep
from camelx.server.identity import end_session, give_session, identify
from camelx.server.middleware.headers import STILL_POLICY
from camelx.server.routes.auth import Credentials, checked_sign_in, tries_left

router = APIRouter(include_in_schema=False)

_LONGEST = 1_024


@router.get("/sign-in", response_class=HTMLResponse)
def sign_in_page(request: Request, workspace: WorkspaceDep, next: str = "/") -> Response:
    """Show the page, or go on for somebody who is signed in."""
    try:
        identify(request, workspace.access)
    except AccessError:
        return _page(next)
    return RedirectResponse(own_path(next), 303)


@router.post("/sign-in", response_class=HTMLResponse)
def sign_in(
    request: Request,
    workspace: WorkspaceDep,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Check name and password; go on with a session, or show the page again with what was wrong."""
    if not workspace.access.is_required:
        return RedirectResponse(own_path(next), 303)
    if not name.strip() or not password:
        return _page(next, name, "Type your name and your password.", 422)
    if wait := tries_left(request, name.strip()):
        said = f"Too many attempts. Try again in {wait} seconds."
        return _page(next, name, said, 429, {"Retry-After": str(wait)})
    given = Credentials.model_construct(name=name.strip()[:64], password=password[:_LONGEST])
    try:
        user = checked_sign_in(workspace.access, given, request)
    except AccessError:
        said = "The name or the password is wrong. An admin can set a new one: camelx user password NAME"
        return _page(next, name, said, 401)
    answer = RedirectResponse(own_path(next), 303)
    give_session(answer, request, workspace.access.session_of(user))
    return answer


@router.get("/sign-out", response_class=HTMLResponse)
def sign_out_page() -> Response:
    """Ask, for a link from elsewhere must not sign anybody out."""
    body = tag("h1", "Sign out of camelx?") + Markup(
        '<form method="post" action="/sign-out"><button>Sign out</button> <a href="/">Stay</a></form>'
    )
    return _html("Sign out", body)


@router.post("/sign-out", response_class=HTMLResponse)
def sign_out(request: Request) -> Response:
    """End the session in this browser."""
    answer = RedirectResponse("/sign-in", 303, headers={"Clear-Site-Data": '"cache", "storage"'})
    end_session(answer, request)
    return answer


def own_path(target: str) -> str:
    """Return the path where it is one of this app, else the first page: nobody is sent elsewhere."""
    parts = urlsplit(target) if target.isprintable() and len(target) <= 2 * _LONGEST else None
    is_own = (
        parts is not None
        and not parts.scheme
        and not parts.netloc
        and target.startswith("/")
        and not target.startswith("//")
        and "\\" not in target
        and not target.startswith("/sign-")
    )
    return target if is_own else "/"


def _page(
    target: str, name: str = "", wrong: str = "", status: int = 200, headers: dict[str, str] | None = None
) -> HTMLResponse:
    """Return the page with its form, and with what was wrong."""
    focus = {True: ("", " autofocus"), False: (" autofocus", "")}[bool(name)]
    said = Markup(f'<p class="wrong" role="alert">{escaped(wrong)}</p>') if wrong else Markup("")
    form = Markup(
        '<form method="post" action="/sign-in">'
        f'<input type="hidden" name="next" value="{escaped(own_path(target))}">'
        '<label>Name<input name="name" autocomplete="username" autocapitalize="none" spellcheck="false" '
        f'maxlength="64" required value="{escaped(name[:64])}"{focus[0]}></label>'
        '<label>Password<input name="password" type="password" autocomplete="current-password" '
        f'maxlength="1024" required{focus[1]}></label><button>Sign in</button></form>'
    )
    hint = tag("p", "No account? An admin makes one: ", tag("code", "camelx user add NAME"), css="hint")
    return _html("Sign in", tag("h1", "camelx") + said + form + hint, status, headers)


def _html(title: str, body: str, status: int = 200, headers: dict[str, str] | None = None) -> HTMLResponse:
    shown = page(f"{title} · camelx", tag("div", Markup(body), css="card"), _STYLE)
    return HTMLResponse(
        shown,
        status,
        {"Content-Security-Policy": STILL_POLICY, "Cache-Control": "no-store", **(headers or {})},
    )


_STYLE = """
.card { max-width: 24rem; margin: 12vh auto 0; padding: 1.5rem; border: 1px solid var(--line);
  border-radius: .75rem; }
.card h1 { margin-top: 0; }
form { display: grid; gap: 1rem; }
label { display: grid; gap: .25rem; font-weight: 600; }
input { font: inherit; padding: .55rem .7rem; border: 1px solid var(--line); border-radius: .4rem;
  background: var(--back); color: var(--text); }
button { font: inherit; font-weight: 600; padding: .6rem 1rem; border: 0; border-radius: .4rem;
  background: #1d4ed8; color: #fff; cursor: pointer; }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 3px solid #6ea8fe; }
.wrong { color: var(--bad); font-weight: 600; }
.hint { opacity: .8; font-size: .9rem; margin-bottom: 0; }
a { color: inherit; }
"""
