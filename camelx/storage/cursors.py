"""Cursors of lists that are read page by page: opaque, bound to what was asked for, and refused where broken.

In: the key of the row at which a page ends, and what was asked for. Out: a short text for the next request.
Called by the store and by routes. A cursor holds no secret; the digest only tells a broken or misplaced one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from camelx.errors import ConfigError

_N_CHECK = 7


def seal(key: bytes, about: str) -> str:
    """Return the cursor that holds a key, good for the list that `about` describes."""
    return base64.urlsafe_b64encode(_check(key, about) + key).decode().rstrip("=")


def unseal(cursor: str, about: str) -> bytes:
    """Return the key that a cursor of this list holds.

    Raises:
        ConfigError: It is broken, or belongs to another list or other filters.
    """
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        content = b""
    check, key = content[:_N_CHECK], content[_N_CHECK:]
    if not content or check != _check(key, about):
        raise ConfigError(
            f"cursor {cursor[:60]!r} is not one that this list gave out for these filters; "
            "begin again without a cursor"
        )
    return key


def _check(key: bytes, about: str) -> bytes:
    return hashlib.blake2b(
        key + b"\0" + about.encode(), digest_size=_N_CHECK, person=b"camelx-cursor"
    ).digest()
