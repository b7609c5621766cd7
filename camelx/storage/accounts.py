"""The part of `Store` that holds users, tokens, the audit trail and answers to repeated requests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, insert, null, select, update
from sqlalchemy.engine import Connection

from camelx.errors import ConflictError, NotFoundError
from camelx.schemas import AccessRole, ApiToken, AuditEntry, KeptAnswer, User, utc_now
from camelx.storage.database import Database
from camelx.storage.queries import columns
from camelx.storage.rows import insert_new, records_of, row_of
from camelx.storage.tables import ApiTokenRow, AuditEntryRow, KeptAnswerRow, UserRow

_ENDS_SESSIONS = frozenset(("role", "is_active", "password_hash"))


class Accounts(Database):
    """Who may sign in, what programs may use, who changed what."""

    # Users

    def add_user(self, user: User) -> None:
        """Store a new user.

        Raises:
            ConflictError: The name is taken, by one who is deactivated maybe.
        """
        with self._write(f"adding user {user.name}") as connection:
            if not connection.execute(insert_new(UserRow), row_of(user)).rowcount:
                raise ConflictError(f"there is a user {user.name!r} already")

    def user(self, name: str) -> User | None:
        """Return the user of that name, active or not."""
        query = select(*columns(UserRow)).where(UserRow.name == name)
        return next(iter(records_of(User, self._read(f"reading user {name}", query))), None)

    def users(self) -> list[User]:
        """Return all users, by name."""
        return records_of(User, self._read("reading users", select(*columns(UserRow)).order_by(UserRow.name)))

    def has_admin(self) -> bool:
        """Whether an active admin is there."""
        query = select(func.count()).select_from(UserRow).where(*_ACTIVE_ADMIN)
        return bool(self._read("looking for an admin", query)[0][0])

    def change_user(self, name: str, **fields: Any) -> User:
        """Change a user's role, activity or password and return them as they are now; their sessions end.

        Raises:
            NotFoundError: There is no such user.
            ConflictError: No active admin would be left.
        """
        with self._write(f"changing user {name}") as connection:
            # Who takes the last admin away waits for whoever else is about to.
            connection.execute(select(UserRow.name).where(*_ACTIVE_ADMIN).with_for_update())
            query = select(*columns(UserRow)).where(UserRow.name == name)
            found = records_of(User, connection.execute(query))
            if not found:
                raise NotFoundError(f"{self._where} has no user {name!r}")
            user = found[0]
            fresh = User.model_validate(dict(user) | fields)
            if any(getattr(user, f) != getattr(fresh, f) for f in _ENDS_SESSIONS):
                fresh = fresh.model_copy(update={"epoch": user.epoch + 1})
            connection.execute(update(UserRow).where(UserRow.name == name).values(**row_of(fresh)))
            if _is_admin(user) and not _is_admin(fresh):
                _keep_an_admin(connection, name)
        return fresh

    def rehash_password(self, name: str, old: str, new: str) -> None:
        """Put a stronger hash of the same password in the place of `old`; sessions go on."""
        with self._write(f"strengthening a hash of user {name}") as connection:
            mine = (UserRow.name == name, UserRow.password_hash == old)
            connection.execute(update(UserRow).where(*mine).values(password_hash=new))

    # Tokens

    def add_token(self, token: ApiToken) -> None:
        """Store a new token, whose user must be stored."""
        with self._write(f"adding a token of {token.user_name}") as connection:
            connection.execute(insert(ApiTokenRow), row_of(token))

    def token_by_hash(self, sha256: str) -> ApiToken | None:
        """Return the token of that hash, revoked or expired too."""
        query = select(*columns(ApiTokenRow)).where(ApiTokenRow.sha256 == sha256)
        return next(iter(records_of(ApiToken, self._read("reading a token", query))), None)

    def token(self, token_id: str) -> ApiToken:
        """Return the token of that id.

        Raises:
            NotFoundError: There is none.
        """
        query = select(*columns(ApiTokenRow)).where(ApiTokenRow.id == token_id)
        if found := records_of(ApiToken, self._read("reading a token", query)):
            return found[0]
        raise NotFoundError(f"there is no token {token_id!r}")

    def tokens(self, user_name: str | None = None) -> list[ApiToken]:
        """Return all tokens, or those of one user, oldest first."""
        query = select(*columns(ApiTokenRow)).order_by(ApiTokenRow.created_at, ApiTokenRow.id)
        query = query if user_name is None else query.where(ApiTokenRow.user_name == user_name)
        return records_of(ApiToken, self._read("reading tokens", query))

    def revoke_token(self, token_id: str) -> None:
        """Make a token useless from now on; one that is revoked keeps its moment."""
        with self._write(f"revoking token {token_id}") as connection:
            mine = (ApiTokenRow.id == token_id, ApiTokenRow.revoked_at.is_(null()))
            connection.execute(update(ApiTokenRow).where(*mine).values(revoked_at=utc_now()))

    def touch_token(self, token_id: str) -> None:
        """Note that a token was used now."""
        with self._write(f"noting the use of token {token_id}") as connection:
            used = update(ApiTokenRow).where(ApiTokenRow.id == token_id)
            connection.execute(used.values(last_used_at=utc_now()))

    # The audit trail

    def add_audit_entry(self, entry: AuditEntry) -> None:
        """Store an entry; the database gives it its number."""
        row = row_of(entry)
        row.pop("id")
        with self._write(f"noting {entry.action} by {entry.actor}") as connection:
            connection.execute(insert(AuditEntryRow), row)

    def audit_entries(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Return entries that meet all conditions, newest first.

        Args:
            actor: Who did it.
            action: What was done; "model" finds "model.promote" too.
            subject: What it was done to.
            before: Only entries with a lower number: the last one's of the page before.
            limit: How many at most.
        """
        query = select(*columns(AuditEntryRow)).order_by(AuditEntryRow.id.desc()).limit(limit)
        query = query if actor is None else query.where(AuditEntryRow.actor == actor)
        query = query if subject is None else query.where(AuditEntryRow.subject == subject)
        query = query if before is None else query.where(AuditEntryRow.id < before)
        if action is not None:
            query = query.where(
                (AuditEntryRow.action == action)
                | AuditEntryRow.action.startswith(f"{action}.", autoescape=True)
            )
        return records_of(AuditEntry, self._read("reading the audit trail", query))

    # Answers to repeated requests

    def reserve_answer(self, wanted: KeptAnswer, *, keep: timedelta, give_up: timedelta) -> KeptAnswer | None:
        """Claim a key for a request and return None, or return what the key holds already.

        Args:
            wanted: The request, without an answer.
            keep: How long an answer is kept.
            give_up: How long a request may run before its key can be claimed again: its process died.
        """
        now = wanted.started_at
        with self._write("claiming an idempotency key") as connection:
            connection.execute(delete(KeptAnswerRow).where(KeptAnswerRow.started_at < now - keep))
            stale = (KeptAnswerRow.status.is_(null()), KeptAnswerRow.started_at < now - give_up)
            connection.execute(delete(KeptAnswerRow).where(*_of(wanted), *stale))
            query = select(*columns(KeptAnswerRow)).where(*_of(wanted))
            while not connection.execute(insert_new(KeptAnswerRow), row_of(wanted)).rowcount:
                if found := records_of(KeptAnswer, connection.execute(query)):
                    return found[0]
                # PostgreSQL: whoever had the key gave it back between the two statements.
        return None

    def keep_answer(self, answer: KeptAnswer) -> None:
        """Store what a claimed request was answered."""
        with self._write("keeping an answer") as connection:
            connection.execute(update(KeptAnswerRow).where(*_of(answer)).values(**row_of(answer)))

    def release_answer(self, wanted: KeptAnswer) -> None:
        """Give a claimed key back: the request did nothing and may be sent again."""
        with self._write("giving an idempotency key back") as connection:
            connection.execute(delete(KeptAnswerRow).where(*_of(wanted)))


_ACTIVE_ADMIN = (UserRow.role == AccessRole.ADMIN.value, UserRow.is_active.is_(True))


def _is_admin(user: User) -> bool:
    return user.is_active and user.role is AccessRole.ADMIN


def _keep_an_admin(connection: Connection, name: str) -> None:
    if not connection.scalar(select(func.count()).select_from(UserRow).where(*_ACTIVE_ADMIN)):
        raise ConflictError(
            f"{name} is the only active admin; make another one first: `camelx user add NAME --role admin`"
        )


def _of(answer: KeptAnswer) -> tuple[Any, ...]:
    return KeptAnswerRow.actor == answer.actor, KeptAnswerRow.key == answer.key
