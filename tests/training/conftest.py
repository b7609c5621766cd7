import pytest
from tiny_model import build_tiny_model


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    return str(build_tiny_model(tmp_path_factory.mktemp("base") / "model"))
