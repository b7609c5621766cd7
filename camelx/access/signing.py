"""What the app signs: sessions of people, tokens of programs; and the key it signs them with."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jwt

from camelx.config import Settings
from camelx.errors import AccessError, ConfigError
from camelx.schemas import User

_ALGORITHM = "HS256"
_ISSUER = "camelx"
_SHORTEST_KEY = 32
SESSION_S = 60 * 60
"""A session ends when it was not used for this long."""
LONGEST_SESSION_S = 12 * 60 * 60
"""A session ends this long after its sign-in, however much it is used."""
JWT_S = 15 * 60
"""A program's token is good for this long."""

Kind = Literal["session", "jwt"]


@dataclass(frozen=True)
class Claims:
    """What a signed text says: who, since when, until when."""

    name: str
    epoch: int
    kind: Kind
    signed_in_at: int
    """When the password was given, in seconds since 1970."""
    issued_at: int
    expires_at: int

    @property
    def is_half_over(self) -> bool:
        """Whether half of its time is used up, so that it is time for a new one."""
        return time.time() > (self.issued_at + self.expires_at) / 2


class Signer:
    """Signs and reads with one secret key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, user: User, kind: Kind, *, signed_in_at: int | None = None) -> str:
        """Return a signed text that says who this is; `signed_in_at` where it goes on from an earlier one."""
        now = int(time.time())
        since = now if signed_in_at is None else signed_in_at
        until = now + JWT_S if kind == "jwt" else min(now + SESSION_S, since + LONGEST_SESSION_S)
        payload = {
            "iss": _ISSUER,
            "sub": user.name,
            "epoch": user.epoch,
            "aud": kind,
            "auth_time": since,
            "iat": now,
            "exp": until,
        }
        return jwt.encode(payload, self._key, algorithm=_ALGORITHM)

    def read(self, text: str, kind: Kind, *, even_if_over: bool = False) -> Claims:
        """Return what a signed text says.

        Args:
            text: What was signed.
            kind: What it must be.
            even_if_over: Whether its time does not matter.

        Raises:
            AccessError: It is of another kind, over, or not signed with this key.
        """
        required = ["sub", "epoch", "auth_time", "iat", "exp"]
        try:
            said = jwt.decode(
                text,
                self._key,
                algorithms=[_ALGORITHM],
                audience=kind,
                issuer=_ISSUER,
                options={"require": required, "verify_exp": not even_if_over},
            )
            return Claims(
                name=str(said["sub"]),
                epoch=int(said["epoch"]),
                kind=kind,
                signed_in_at=int(said["auth_time"]),
                issued_at=int(said["iat"]),
                expires_at=int(said["exp"]),
            )
        except jwt.ExpiredSignatureError as e:
            raise AccessError("the session is over; sign in again", is_unknown=True) from e
        except (jwt.InvalidTokenError, ValueError, TypeError) as e:
            raise AccessError("the session is not valid here; sign in again", is_unknown=True) from e

    def fingerprint(self, *parts: bytes) -> str:
        """Return a keyed hash of the parts: it tells them apart and gives none of them away."""
        made = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in parts:
            made.update(len(part).to_bytes(8) + part)
        return made.hexdigest()


def signer_of(settings: Settings) -> Signer:
    """Return the signer with the configured key, or the one in data/secret.key, which is made once.

    Raises:
        ConfigError: The key is too short, or its file can't be read or made.
    """
    if settings.secret_key is not None:
        key = settings.secret_key.get_secret_value().encode()
        if len(key) < _SHORTEST_KEY:
            raise ConfigError(
                f"CAMELX_SECRET_KEY has {len(key)} bytes; expected at least {_SHORTEST_KEY}, such as what "
                "`python -c 'import secrets; print(secrets.token_hex(32))'` prints"
            )
        return Signer(key)
    path = settings.data_dir / "secret.key"
    try:
        return Signer(_key_in(path))
    except OSError as e:
        raise ConfigError(f"secret key {path}: {e.strerror}; or set CAMELX_SECRET_KEY") from e


def _key_in(path: Path) -> bytes:
    """Return the key of the file; whoever comes first makes it, readable for its owner alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_hex(32).encode())
            _link_once(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    key = path.read_bytes().strip()
    if len(key) < _SHORTEST_KEY:
        raise ConfigError(f"secret key {path} has {len(key)} bytes; remove it and a new one is made")
    return key


def _link_once(fresh: Path, path: Path) -> None:
    try:
        os.link(fresh, path)
    except FileExistsError:
        return  # another process was first; its key counts
