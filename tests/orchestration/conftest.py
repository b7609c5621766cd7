from collections.abc import Iterator

import pytest

from camelx.config import Settings


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A real Prefect server on a free port, with a database of its own."""
    from camelx.orchestration.server import prefect_server

    settings = Settings(root=tmp_path_factory.mktemp("prefect"), prefect_port=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        patch.setenv("PREFECT_HOME", str(settings.data_dir / "prefect"))
        with prefect_server(settings) as started:
            started.wait()
            yield started
