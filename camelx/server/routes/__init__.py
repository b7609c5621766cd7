"""The routes, a module per resource; `ROUTERS` is what the app includes."""

from __future__ import annotations

from fastapi import APIRouter

from camelx.server.routes import audit, auth, sign_in, tokens, users, watching

ROUTERS: tuple[APIRouter, ...] = (sign_in.router, auth.router, users.router, tokens.router, audit.router)
