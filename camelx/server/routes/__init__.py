"""The routes, a module per resource; `ROUTERS` is what the app includes."""

from __future__ import annotations

from fastapi import APIRouter

from camelx.server.routes import (
    agents,
    agreement,
    annotating,
    audit,
    auth,
    conversing,
    cycles,
    docs,
    goals,
    health,
    interactions,
    models,
    pairs,
    sessions,
    sign_in,
    tokens,
    users,
    watching,
)

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    docs.router,
    sign_in.router,
    auth.router,
    users.router,
    tokens.router,
    audit.router,
    cycles.router,
    interactions.router,
    goals.router,
    pairs.router,
    agents.router,
    models.router,
    watching.router,
    agreement.router,
    annotating.router,  # its /{annotation_id} takes what other routers of that prefix don't
    sessions.router,
    conversing.router,
)
