"""Who may sign in, when sessions and tokens end, and who did what."""

from __future__ import annotations

import stat
import threading
import time
from datetime import timedelta

import jwt
import pytest
from argon2 import extract_parameters

from camelx.access import LOCAL, Access, allow
from camelx.access.signing import SESSION_S, Signer, signer_of
from camelx.config import Settings
from camelx.errors import AccessError, ConfigError, ConflictError, NotFoundError
from camelx.runtime.tracing import traced
from camelx.schemas import AccessRole, utc_now

from .conftest import PASSWORD


def aged(access, cookie, seconds):
    """The same session, signed as if that much time had passed."""
    said = jwt.decode(cookie, options={"verify_signature": False})
    for claim in ("iat", "exp", "auth_time"):
        said[claim] -= seconds
    return jwt.encode(said, access.signer._key, algorithm="HS256")


def session(access, name):
    return access.session_of(access.sign_in(name, PASSWORD))


def test_a_name_and_its_password_sign_in_and_nothing_else_does(access):
    assert access.sign_in("viewer", PASSWORD).name == "viewer"
    for name, password in (("viewer", "wrong"), ("nobody", PASSWORD), ("viewer", ""), ("VIEWER", PASSWORD)):
        with pytest.raises(AccessError, match="name or the password") as refused:
            access.sign_in(name, password)
        assert refused.value.is_unknown


def test_passwords_are_kept_as_argon2id(access, store):
    hashes = {user.password_hash for user in store.users()}
    assert len(hashes) == 4
    assert all(hashed.startswith("$argon2id$") for hashed in hashes)
    assert PASSWORD not in repr(store.users())


def test_a_hash_that_is_weaker_than_todays_is_made_anew_at_the_next_sign_in(access, real_passwords):
    weak = access._store.user("viewer").password_hash
    access.sign_in("viewer", PASSWORD)
    strong = access._store.user("viewer").password_hash
    costs = [extract_parameters(hashed) for hashed in (weak, strong)]
    assert [cost.memory_cost for cost in costs] == [8, 65_536]
    assert costs[1].time_cost >= 3
    assert access.sign_in("viewer", PASSWORD).name == "viewer"
    assert access._store.user("viewer").password_hash == strong


@pytest.mark.parametrize("password", ["", "short", "x" * 1_025])
def test_a_password_that_is_too_short_or_far_too_long_is_refused(access, password):
    with pytest.raises(ConfigError, match="expected 10 to"):
        access.add_user("ada", AccessRole.VIEWER, password, by=LOCAL)


@pytest.mark.parametrize("name", ["local", "Local", "", "a b", "<b>", "-x", "x" * 65, "a\n"])
def test_a_name_that_means_somebody_else_or_is_none_is_refused(access, name):
    with pytest.raises(ConfigError, match="name"):
        access.add_user(name, AccessRole.VIEWER, PASSWORD, by=LOCAL)


def test_a_name_is_given_once(access):
    with pytest.raises(ConflictError, match="already"):
        access.add_user("viewer", AccessRole.ADMIN, PASSWORD, by=LOCAL)
    assert access.user("viewer").role is AccessRole.VIEWER


def test_a_session_says_who_it_is(access):
    principal = access.by_session(session(access, "operator"))
    assert (principal.name, principal.role, principal.via) == ("operator", AccessRole.OPERATOR, "session")


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.set_password("operator", "another good one", by=LOCAL),
        lambda a: a.change_user("operator", role=AccessRole.VIEWER, by=LOCAL),
        lambda a: a.change_user("operator", is_active=False, by=LOCAL),
    ],
    ids=["password", "role", "activity"],
)
def test_a_change_of_the_user_ends_sessions_and_signed_tokens(access, change):
    cookie, (text, _) = session(access, "operator"), access.jwt_of(access.user("operator"))
    change(access)
    for use in (lambda: access.by_session(cookie), lambda: access.by_bearer(text)):
        with pytest.raises(AccessError, match="ended") as refused:
            use()
        assert refused.value.is_unknown
    assert access.renewed_session(cookie) is None


def test_a_change_that_changes_nothing_ends_nothing(access):
    cookie = session(access, "operator")
    access.change_user("operator", role=AccessRole.OPERATOR, by=LOCAL)
    assert access.by_session(cookie).name == "operator"


def test_a_session_slides_until_its_longest_time(access):
    cookie = session(access, "viewer")
    assert not access.is_half_over(cookie)
    old = aged(access, cookie, SESSION_S * 3 // 4)
    assert access.is_half_over(old)
    fresh = access.renewed_session(old)
    assert not access.is_half_over(fresh)
    began = jwt.decode(old, options={"verify_signature": False})["auth_time"]
    assert jwt.decode(fresh, options={"verify_signature": False})["auth_time"] == began
    last = jwt.decode(
        access.signer.sign(
            access.user("viewer"), "session", signed_in_at=int(time.time()) - 11 * 3_600 - 3_000
        ),
        options={"verify_signature": False},
    )
    assert last["exp"] == last["auth_time"] + 12 * 3_600


def test_a_session_that_is_over_is_refused_and_not_renewed(access):
    over = aged(access, session(access, "viewer"), SESSION_S + 1)
    with pytest.raises(AccessError, match="over"):
        access.by_session(over)
    assert access.renewed_session(over) is None


def test_what_began_in_time_goes_on_until_its_user_changes(access):
    over = aged(access, session(access, "viewer"), SESSION_S + 1)
    program = aged(access, access.jwt_of(access.user("viewer"))[0], SESSION_S + 1)
    assert access.by_session(over, even_if_over=True).name == "viewer"
    assert access.by_bearer(program, even_if_over=True).name == "viewer"
    access.change_user("viewer", is_active=False, by=LOCAL)
    with pytest.raises(AccessError, match="ended"):
        access.by_session(over, even_if_over=True)
    with pytest.raises(AccessError, match="ended"):
        access.by_bearer(program, even_if_over=True)


def test_a_session_is_no_programs_token_and_the_other_way_round(access):
    text, seconds = access.jwt_of(access.user("viewer"))
    assert seconds <= 15 * 60
    with pytest.raises(AccessError, match="not valid"):
        access.by_session(text)
    with pytest.raises(AccessError, match="not valid"):
        access.by_bearer(session(access, "viewer"))


@pytest.mark.parametrize("algorithm", ["none", "HS512"])
def test_a_forged_session_is_refused(access, algorithm):
    said = jwt.decode(session(access, "viewer"), options={"verify_signature": False}) | {"sub": "admin"}
    key = "" if algorithm == "none" else "k" * 64
    forged = jwt.encode(said, key, algorithm=algorithm)
    with pytest.raises(AccessError, match="not valid"):
        access.by_session(forged)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "camelx_", "camelx_" + "a" * 43, "\0"])
def test_what_is_no_token_is_refused(access, text):
    with pytest.raises(AccessError) as refused:
        access.by_bearer(text)
    assert refused.value.is_unknown


def test_a_token_is_kept_as_a_hash_and_shown_once(access, store):
    token, text = access.make_token("operator", "nightly", None, timedelta(days=1), by=LOCAL)
    assert text.startswith("camelx_")
    assert text not in repr(store.tokens())
    principal = access.by_bearer(text)
    assert (principal.name, principal.role, principal.via) == ("operator", AccessRole.OPERATOR, "token")
    assert store.token(token.id).last_used_at is not None


def test_a_tokens_role_is_never_more_than_its_users_at_the_time_of_use(access):
    with pytest.raises(AccessError, match="can't have the role admin"):
        access.make_token("operator", "x", AccessRole.ADMIN, None, by=LOCAL)
    _, text = access.make_token("operator", "x", AccessRole.OPERATOR, None, by=LOCAL)
    access.change_user("operator", role=AccessRole.VIEWER, by=LOCAL)
    assert access.by_bearer(text).role is AccessRole.VIEWER
    access.change_user("operator", role=AccessRole.ADMIN, by=LOCAL)
    assert access.by_bearer(text).role is AccessRole.OPERATOR


def test_a_token_ends_when_it_is_revoked_over_or_its_user_is_not_active(access, store):
    token, text = access.make_token("operator", "x", None, None, by=LOCAL)
    access.revoke_token(token.id, by=LOCAL)
    with pytest.raises(AccessError, match="revoked"):
        access.by_bearer(text)
    over, text = access.make_token("operator", "x", None, timedelta(microseconds=1), by=LOCAL)
    assert over.expires_at <= utc_now()
    with pytest.raises(AccessError, match="over since"):
        access.by_bearer(text)
    _, text = access.make_token("operator", "x", None, None, by=LOCAL)
    access.change_user("operator", is_active=False, by=LOCAL)
    with pytest.raises(AccessError, match="not active"):
        access.by_bearer(text)


def test_tokens_are_ones_own_and_an_admins_all(access):
    viewer, admin = access.by_name("viewer"), access.by_name("admin")
    token, _ = access.make_token("admin", "x", None, None, by=admin)
    with pytest.raises(NotFoundError):
        access.revoke_token(token.id, by=viewer)
    with pytest.raises(AccessError, match="takes admin"):
        access.make_token("admin", "x", None, None, by=viewer)
    with pytest.raises(AccessError, match="can't make others"):
        access.make_token("viewer", "x", None, None, by=viewer.model_copy(update={"via": "token"}))
    mine, _ = access.make_token("viewer", "x", None, None, by=viewer)
    access.revoke_token(mine.id, by=admin)


def test_the_last_admin_stays(access):
    for change in ({"role": AccessRole.OPERATOR}, {"is_active": False}):
        with pytest.raises(ConflictError, match="only active admin"):
            access.change_user("admin", by=LOCAL, **change)
    assert access.user("admin").role is AccessRole.ADMIN
    access.change_user("operator", role=AccessRole.ADMIN, by=LOCAL)
    assert not access.change_user("admin", is_active=False, by=LOCAL).is_active


def test_two_admins_who_remove_each_other_at_once_leave_one(access):
    access.change_user("operator", role=AccessRole.ADMIN, by=LOCAL)
    together = threading.Barrier(2)
    refused = []

    def remove(name):
        together.wait()
        try:
            access.change_user(name, is_active=False, by=LOCAL)
        except ConflictError as e:
            refused.append(e)

    threads = [threading.Thread(target=remove, args=(name,)) for name in ("admin", "operator")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert [u.is_active for u in access.users() if u.role is AccessRole.ADMIN].count(True) == 1


def test_a_name_means_the_user_as_they_are_now(access):
    access.change_user("operator", role=AccessRole.VIEWER, by=LOCAL)
    assert access.by_name("operator").role is AccessRole.VIEWER
    access.change_user("operator", is_active=False, by=LOCAL)
    for name in ("operator", "nobody", "local", "None", "\0"):
        with pytest.raises(AccessError) as refused:
            access.by_name(name)
        assert refused.value.is_unknown


def test_without_sign_in_everybody_is_local(store, tmp_path):
    access = Access(store, Settings(root=tmp_path))
    assert not access.is_required
    assert access.by_name("whoever") == LOCAL


def test_it_is_not_served_to_others_without_an_admin_or_without_sign_in(store, tmp_path):
    Access(store, Settings(root=tmp_path)).check_can_serve()
    with pytest.raises(ConfigError, match="CAMELX_SIGN_IN=off"):
        Access(store, Settings(root=tmp_path, host="0.0.0.0", sign_in="off")).check_can_serve()
    open_to_all = Access(store, Settings(root=tmp_path, host="0.0.0.0"))
    with pytest.raises(ConfigError, match="camelx user add"):
        open_to_all.check_can_serve()
    open_to_all.add_user("ada", AccessRole.OPERATOR, PASSWORD, by=LOCAL)
    with pytest.raises(ConfigError, match="no active admin"):
        open_to_all.check_can_serve()
    open_to_all.change_user("ada", role=AccessRole.ADMIN, by=LOCAL)
    open_to_all.check_can_serve()


def test_each_role_may_what_those_before_it_may(access):
    order = list(AccessRole)
    for role in order:
        for wanted in order:
            if order.index(role) >= order.index(wanted):
                assert allow(access.by_name(role.value), wanted).role is role
            else:
                with pytest.raises(AccessError, match=f"has the role {role}; this takes {wanted}"):
                    allow(access.by_name(role.value), wanted)


def test_the_trail_tells_who_did_what_newest_first(access):
    admin = access.by_name("admin")
    with traced("trace-1"):
        access.audit(admin, "model.promote", "m/3", previous="m/2")
    access.audit(admin, "modelling", "m/4")
    access.audit(LOCAL, "annotation.create", "a1", text="nul \0 and half \ud800")
    newest = access.trail(limit=1)[0]
    assert (newest.actor, newest.action, newest.subject) == ("local", "annotation.create", "a1")
    promoted = access.trail(action="model")
    assert [e.action for e in promoted] == ["model.promote"]
    assert promoted[0].details == {"via": "session", "previous": "m/2"}
    assert promoted[0].trace_id == "trace-1"
    assert [e.action for e in access.trail(actor="admin")] == ["modelling", "model.promote"]
    assert access.trail(actor="admin", before=access.trail(actor="admin")[0].id)[0].action == "model.promote"


def test_what_changes_users_and_tokens_is_in_the_trail_without_a_secret(access):
    token, text = access.make_token("viewer", "x", None, None, by=LOCAL)
    access.revoke_token(token.id, by=LOCAL)
    access.set_password("viewer", "another good one", by=LOCAL)
    said = access.trail()
    assert {e.action for e in said} == {"user.add", "user.password", "token.make", "token.revoke"}
    assert text not in repr(said)
    assert "another good one" not in repr(said)


def test_the_secret_key_is_made_once_for_its_owner_alone(tmp_path):
    settings = Settings(root=tmp_path)
    keys = []
    threads = [threading.Thread(target=lambda: keys.append(signer_of(settings)._key)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1
    path = tmp_path / "data" / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["secret.key"]


def test_a_key_that_is_too_short_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="CAMELX_SECRET_KEY has 5 bytes"):
        signer_of(Settings(root=tmp_path, secret_key="short"))


def test_fingerprints_tell_parts_apart():
    signer = Signer(b"k" * 32)
    assert signer.fingerprint(b"a", b"b") != signer.fingerprint(b"ab", b"")
    assert signer.fingerprint(b"a") != Signer(b"j" * 32).fingerprint(b"a")
