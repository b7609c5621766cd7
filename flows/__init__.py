"""Flows: straight lines of task calls. Importing them reads .env and turns telemetry off first."""

from __future__ import annotations

from dotenv import load_dotenv

from camelx.runtime.offline import turn_off_telemetry
from camelx.runtime.threads import let_waiting_threads_sleep

load_dotenv(".env")
turn_off_telemetry()
let_waiting_threads_sleep()
