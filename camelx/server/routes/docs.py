"""/api/docs: the OpenAPI document as a page to read and to try, by the Swagger UI that camelx installs.

FastAPI's own page loads it from another host. The page is for everybody, as the document is: what is tried
on it is asked with the session or the token of whoever tries.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from camelx.errors import ConfigError
from camelx.pages import tag

router = APIRouter(prefix="/api/docs", include_in_schema=False)

_PACKAGE = "flask_swagger_ui"
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # Swagger UI sizes things with style attributes
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Narrower than that of Gradio's pages: no script stands in the page itself."""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{title}
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
<link rel="icon" href="/api/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>The page needs JavaScript; the document itself: <a href="{document}">{document}</a></noscript>
<script src="/api/docs/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</body>
</html>
"""
_START = """document.documentElement.classList.toggle(
  "dark-mode", matchMedia("(prefers-color-scheme: dark)").matches);
SwaggerUIBundle({
  url: "%s",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  validatorUrl: null,
});
"""
File = Literal["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"]


@router.get("", response_class=HTMLResponse)
def docs_page(request: Request) -> Response:
    """Show the page."""
    title = tag("title", f"{request.app.title} API {request.app.version}")
    text = _PAGE.format(title=title, document=request.app.openapi_url)
    return HTMLResponse(text, headers={"Content-Security-Policy": _POLICY})


@router.get("/start.js")
def start_script(request: Request) -> Response:
    """Return what starts Swagger UI on this app's document."""
    return Response(_START % request.app.openapi_url, media_type="text/javascript")


@router.get("/{name}")
def docs_file(name: File) -> Response:
    """Return a file of Swagger UI's."""
    return FileResponse(_folder() / name, headers={"Cache-Control": "private, max-age=3600"})


@cache
def _folder() -> Path:
    """Return where the files lie; the package itself, which would load Flask, is not imported."""
    spec = find_spec(_PACKAGE)
    origin = spec.origin if spec else None
    if origin is None:
        raise ConfigError(f"/api/docs needs the package {_PACKAGE}; install camelx with its requirements")
    return Path(origin).parent / "dist"
