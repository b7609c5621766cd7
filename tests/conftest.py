"""The tests run as the product does: nothing phones home, and threads that wait sleep."""

from camelx.offline import turn_off_telemetry
from camelx.threads import let_waiting_threads_sleep

turn_off_telemetry()
let_waiting_threads_sleep()
