"""`Access`: from what a request brings to a `Principal`, and from what was done to the audit trail."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property

from pydantic import ValidationError

from camelx.access.passwords import hash_password, is_password, needs_rehash
from camelx.access.signing import JWT_S, Claims, Signer, signer_of
from camelx.access.tokens import PREFIX, Tokens
from camelx.config import Settings, is_loopback
from camelx.errors import AccessError, ConfigError, NotFoundError
from camelx.runtime.tracing import current_trace_id
from camelx.schemas import AccessRole, ApiToken, AuditEntry, Principal, User
from camelx.storage import Store

LOCAL = Principal(name="local", role=AccessRole.ADMIN, via="local")
"""Whoever sits at this machine: the app listens on loopback alone and nobody has to sign in."""
_TAKEN = frozenset((LOCAL.name,))


class Access:
    """Who asks, from cookies, tokens and names; who did what."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self.tokens = Tokens(store)

    @property
    def is_required(self) -> bool:
        """Whether people must sign in."""
        return self._settings.sign_in_required

    @cached_property
    def signer(self) -> Signer:
        """What signs sessions; its key is made at the first use."""
        return signer_of(self._settings)

    def check_can_serve(self) -> None:
        """Refuse to serve what would be open to everybody, or to nobody.

        Raises:
            ConfigError: It would be open to others without sign-in, or nobody could sign in.
        """
        if not self.is_required:
            if not is_loopback(self._settings.host):
                raise ConfigError(
                    f"CAMELX_SIGN_IN=off while the app listens on {self._settings.host}: whoever reaches it "
                    "would be an admin. Set CAMELX_SIGN_IN=on, or listen on 127.0.0.1"
                )
            return
        _ = self.signer
        if not self._store.has_admin():
            raise ConfigError(
                "people must sign in, and there is no active admin yet; make one first: "
                "`camelx user add NAME --role admin`"
            )

    # Who asks

    def by_name(self, name: str) -> Principal:
        """Return the user of that name as they stand now: a role that was taken away is gone at once.

        Raises:
            AccessError: There is no such active user.
        """
        if not self.is_required:
            return LOCAL
        user = self._store.user(name)
        if user is None or not user.is_active:
            raise AccessError("sign in first", is_unknown=True)
        return Principal(name=user.name, role=user.role, via="session")

    def by_session(self, cookie: str, *, even_if_over: bool = False) -> Principal:
        """Return who the session belongs to; `even_if_over` where it was good when something began.

        Raises:
            AccessError: It is over, was ended, or is not of this app.
        """
        user = self._signed_by(self.signer.read(cookie, "session", even_if_over=even_if_over))
        return Principal(name=user.name, role=user.role, via="session")

    def by_bearer(self, text: str, *, even_if_over: bool = False) -> Principal:
        """Return who an Authorization header speaks for: an API token or a program's JWT.

        An API token has to be good now; a JWT, with `even_if_over`, when something began.

        Raises:
            AccessError: It is neither, over, or was revoked.
        """
        if text.startswith(PREFIX):
            return self.tokens.principal(text)
        user = self._signed_by(self.signer.read(text, "jwt", even_if_over=even_if_over))
        return Principal(name=user.name, role=user.role, via="jwt")

    def _signed_by(self, claims: Claims) -> User:
        user = self._store.user(claims.name)
        if user is None or not user.is_active or user.epoch != claims.epoch:
            raise AccessError("the session was ended; sign in again", is_unknown=True)
        return user

    # Signing in

    def sign_in(self, name: str, password: str) -> User:
        """Return the user whose name and password these are.

        Raises:
            AccessError: They are not; it does not tell which of the two is wrong.
        """
        user = self._store.user(name)
        if not is_password(password, None if user is None else user.password_hash):
            raise AccessError("the name or the password is wrong", is_unknown=True)
        if user is None or not user.is_active:
            raise AccessError("the name or the password is wrong", is_unknown=True)
        if needs_rehash(user.password_hash):
            self._store.rehash_password(name, user.password_hash, hash_password(password))
        return user

    def session_of(self, user: User) -> str:
        """Return a session for somebody who has just signed in."""
        return self.signer.sign(user, "session")

    def is_half_over(self, cookie: str) -> bool:
        """Whether it is time for a new session; looks at nothing but the text."""
        try:
            return self.signer.read(cookie, "session").is_half_over
        except AccessError:
            return False

    def renewed_session(self, cookie: str) -> str | None:
        """Return a session that goes on from this one; None: it is over, or was ended."""
        try:
            claims = self.signer.read(cookie, "session")
            user = self._signed_by(claims)
        except AccessError:
            return None
        return self.signer.sign(user, "session", signed_in_at=claims.signed_in_at)

    def jwt_of(self, user: User) -> tuple[str, int]:
        """Return a token for a program, and for how many seconds it is good."""
        return self.signer.sign(user, "jwt"), JWT_S

    # Users

    def users(self) -> list[User]:
        """Return all users, by name."""
        return self._store.users()

    def user(self, name: str) -> User:
        """Return one user.

        Raises:
            NotFoundError: There is none of that name.
        """
        found = self._store.user(name)
        if found is None:
            raise NotFoundError(f"there is no user {name!r}; `camelx user list` names them")
        return found

    def add_user(self, name: str, role: AccessRole, password: str, *, by: Principal) -> User:
        """Add somebody who may sign in.

        Raises:
            ConflictError: The name is taken.
            ConfigError: The password is too short, or the name means somebody else.
        """
        if name.lower() in _TAKEN:
            raise ConfigError(f"the name {name!r} means whoever sits at the machine; choose another")
        hashed = hash_password(password)
        try:
            user = User(name=name, role=role, password_hash=hashed)
        except ValidationError as e:
            raise ConfigError(
                f"the name {name!r} can't be used; expected up to 64 letters, digits and _.@- that begin "
                "with a letter or a digit"
            ) from e
        self._store.add_user(user)
        self.audit(by, "user.add", name, role=role.value)
        return user

    def set_password(self, name: str, password: str, *, by: Principal) -> User:
        """Give a user another password; their sessions end, their API tokens stay.

        Raises:
            NotFoundError: There is no such user.
            ConfigError: The password is too short.
        """
        user = self._store.change_user(name, password_hash=hash_password(password))
        self.audit(by, "user.password", name)
        return user

    def change_user(
        self, name: str, *, by: Principal, role: AccessRole | None = None, is_active: bool | None = None
    ) -> User:
        """Give a user another role, or let them in or out; their sessions end.

        Raises:
            NotFoundError: There is no such user.
            ConflictError: No active admin would be left.
        """
        asked = {"role": role, "is_active": is_active}
        changes = {field: value for field, value in asked.items() if value is not None}
        user = self._store.change_user(name, **changes)
        self.audit(by, "user.change", name, **changes)
        return user

    # Tokens

    def make_token(
        self, name: str, label: str, role: AccessRole | None, expires_in: timedelta | None, *, by: Principal
    ) -> tuple[ApiToken, str]:
        """Return a new token of a user and its text, which can't be had again; no role: the user's own.

        Raises:
            NotFoundError: There is no such user.
            AccessError: The role is more than the user's, or a token asked for it, which would outlive it so.
        """
        if by.via == "token":
            raise AccessError("an API token can't make others; sign in with name and password")
        if name != by.name:
            allow(by, AccessRole.ADMIN)
        user = self.user(name)
        token, text = self.tokens.issue(user, label, role or user.role, expires_in)
        self.audit(by, "token.make", token.id, user=user.name, label=label, role=token.role.value)
        return token, text

    def revoke_token(self, token_id: str, *, by: Principal) -> None:
        """Make a token useless; an admin may revoke anybody's.

        Raises:
            NotFoundError: There is no such token, or it is somebody else's.
        """
        token = self.tokens.revoke(token_id, by=by)
        self.audit(by, "token.revoke", token.id, user=token.user_name)

    # The audit trail

    def audit(self, principal: Principal, action: str, subject: str, **details: object) -> None:
        """Note who changed what; call it after the change.

        Args:
            principal: Who did it.
            action: Such as "model.promote", "annotation.create", "agents.save".
            subject: What it was done to: an id or a name.
            details: What else tells what happened, as JSON can hold it; never a secret.
        """
        kept = {"via": principal.via, **details}
        self._store.add_audit_entry(
            AuditEntry(
                actor=principal.name,
                action=action,
                subject=subject,
                details=kept,
                trace_id=current_trace_id(),
            )
        )

    def trail(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Return entries of the audit trail that meet all conditions, newest first.

        `before` is the number of the last entry that was seen; "model" as action finds "model.promote" too.
        """
        return self._store.audit_entries(
            actor=actor, action=action, subject=subject, before=before, limit=limit
        )


def allow(principal: Principal, role: AccessRole) -> Principal:
    """Return the principal, who may do what `role` may.

    Raises:
        AccessError: They may not; the message names what they have and what it takes.
    """
    if not principal.role.includes(role):
        raise AccessError(
            f"{principal.name} has the role {principal.role}; this takes {role}. An admin can change it: "
            f"`camelx user role {principal.name} {role}`"
        )
    return principal
