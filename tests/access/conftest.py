"""Access on both databases, with one user of each role."""

from __future__ import annotations

import pytest

from camelx.access import LOCAL, Access
from camelx.config import Settings
from camelx.schemas import AccessRole

PASSWORD = "correct horse battery"


@pytest.fixture
def access(store, tmp_path):
    """Sign-in is on; the users are named like their roles."""
    opened = Access(store, Settings(root=tmp_path, sign_in="on"))
    for role in AccessRole:
        opened.add_user(role.value, role, PASSWORD, by=LOCAL)
    return opened
