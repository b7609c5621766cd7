"""Flows: straight lines of task calls. Importing them reads .env and turns telemetry off first."""

from __future__ import annotations

from dotenv import load_dotenv

from camelx.offline import turn_off_telemetry

load_dotenv(".env")
turn_off_telemetry()
