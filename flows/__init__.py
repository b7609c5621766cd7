"""Flows: straight lines of task calls. Importing them turns telemetry off first."""

from __future__ import annotations

from camelx.offline import turn_off_telemetry

turn_off_telemetry()
