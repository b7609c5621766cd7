"""The API is tested on both databases."""

import pytest

from camelx import config


@pytest.fixture
def root(root, database, monkeypatch):
    """The root folder, with either database."""
    monkeypatch.setenv("CAMELX_DATABASE_URL", database)
    config.settings.cache_clear()
    return root
