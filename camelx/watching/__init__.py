"""Who watches a cycle, or a live session, gets what happens as it happens, and slows nobody.

In: the numbered events in the database, written by whichever process runs the cycle. Out: subscriptions, each
with a bounded queue of its own. `EventHub` belongs to the app's workspace and works on its event loop;
WebSockets subscribe. `BoundedQueue` is for whatever else is sent to readers who may be slow.
"""

from camelx.watching.hub import STOPPING, EventHub, Subscription
from camelx.watching.queue import BoundedQueue

__all__ = ["STOPPING", "BoundedQueue", "EventHub", "Subscription"]
