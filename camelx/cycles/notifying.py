"""Says that a cycle ended to whoever wants to know: by webhook, mail or chat, through Apprise.

In: a cycle that ended, and the addresses of `Settings.notify_urls`. Out: a title and a short text there.
Called where cycles are closed, in whichever process that is. A message that can't be sent is logged and
lost; the cycle is as it is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

from camelx.config import Settings, settings
from camelx.cycles import close_cycle
from camelx.cycles.summary import CycleSummary, cycle_summary
from camelx.errors import CamelxError
from camelx.schemas import CycleStatus

log = logging.getLogger(__name__)

WITHIN_S = 20.0
"""How long all addresses together may take; what is slower goes on beside, until this process ends."""


def close_and_tell(cycle_id: str, *, waits: bool = True, **fields: Any) -> bool:
    """Close the cycle as `close_cycle` does, and tell of it if it was open until now.

    Args:
        cycle_id: The cycle.
        waits: False: people wait for this process, which lives on, so the message is sent beside.
        fields: What `close_cycle` takes.
    """
    is_closed = close_cycle(cycle_id, **fields)
    if is_closed and settings().notify_urls:
        try:
            summary = cycle_summary(cycle_id)
        except CamelxError as e:
            log.warning("nobody is told that cycle %s ended: %s", cycle_id, e)
        else:
            sending = begin_telling(summary, settings())
            if waits:
                sending.join(WITHIN_S)
                if sending.is_alive():
                    log.warning("telling that cycle %s ended takes more than %.0f s", cycle_id, WITHIN_S)
    return is_closed


def begin_telling(summary: CycleSummary, settings: Settings) -> threading.Thread:
    """Begin to send the message to every address, and return the thread that does.

    Args:
        summary: Of the cycle that ended.
        settings: Where to send it.
    """
    urls = [url.get_secret_value() for url in settings.notify_urls]
    title, text = message(summary, public_url=settings.public_url)
    kind = "success" if summary.cycle.status is CycleStatus.COMPLETED else "warning"
    sending = threading.Thread(target=_send, args=(urls, title, text, kind), name="notifying", daemon=True)
    sending.start()
    return sending


def message(summary: CycleSummary, *, public_url: str | None) -> tuple[str, str]:
    """Return title and text of the message on a cycle.

    Args:
        summary: Of the cycle.
        public_url: How people reach the app; None: no link.
    """
    cycle, facts, held = summary.cycle, summary.as_json(), summary.heldout
    counts = {what: facts[f"n_{what}"] for what in ("interactions", "votes", "pairs")}
    lines = [", ".join(f"{n:,} {what}" for what, n in counts.items())]
    if held is not None:
        lines.append(
            f"held-out goals: champion {held['champion']:.1%}, challenger {held['challenger']:.1%} "
            f"({100 * held['difference']:+.1f} points, {100 * held['low']:+.1f} to {100 * held['high']:+.1f})"
        )
    version = facts["mlflow"]["version"]
    if version is not None:
        in_use = "is in use now" if facts["promoted"] else "was not put in use"
        lines.append(f"version {version} of {facts['mlflow']['name']} {in_use}")
    if cycle.error:
        lines.append(f"why: {' '.join(cycle.error.split())[:500]}")
    lines.append(f"{summary.seconds:,.0f} s")
    if public_url:
        lines.append(f"{public_url.rstrip('/')}/cycles?cycle={cycle.id}")
    return f"camelx: cycle {cycle.id} {cycle.status}", "\n".join(lines)


def _send(urls: Sequence[str], title: str, text: str, kind: str) -> None:
    """Send to each address on its own, so that one that is wrong keeps nothing from the others."""
    import apprise

    # Its own log names addresses with the passwords in them.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    for url in urls:
        _send_one(apprise.Apprise(), url, title, text, kind)


def _send_one(one: Any, url: str, title: str, text: str, kind: str) -> None:
    where = url.partition(":")[0]
    if not one.add(url):
        log.warning("CAMELX_NOTIFY_URLS: the address that begins with %s: is none that Apprise knows", where)
    elif not one.notify(body=text, title=title, notify_type=kind, body_format="text"):
        log.warning("the address that begins with %s: did not take %r", where, title)
