"""The routes, a module per resource; `ROUTERS` is what the app includes."""

from __future__ import annotations

from fastapi import APIRouter

ROUTERS: tuple[APIRouter, ...] = ()
