import os
import socket
from pathlib import Path

import pytest

from camelx.config import Settings
from camelx.errors import OrchestrationError
from camelx.orchestration.server import (
    PrefectServer,
    answers,
    api_url,
    foreign_home,
    is_free,
    prefect_server,
    run_prefect,
    upgrade_server_database,
)


def test_a_named_server_that_does_not_answer_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with (
        pytest.raises(OrchestrationError, match="unset the variable"),
        prefect_server(Settings(root=tmp_path)),
    ):
        pass


@pytest.mark.slow
def test_the_servers_database_can_be_made_before_its_first_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert upgrade_server_database(Settings(root=tmp_path)) == str(tmp_path / "home")
    assert (tmp_path / "home" / "prefect.db").stat().st_size > 0


def test_a_prefect_command_that_fails_shows_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(OrchestrationError, match="no-such-command"):
        run_prefect("no-such-command", folder=tmp_path)


def test_a_port_that_somebody_listens_on_is_neither_free_nor_a_prefect_server() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)
    assert not answers(api_url(port))


def test_a_server_that_answers_is_used_and_left_running(
    server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", server.api_url)
    with prefect_server(Settings(root=tmp_path)) as found:
        assert found.process is None
        assert found.ui_url == server.api_url.removesuffix("/api")
    assert answers(server.api_url)
    assert foreign_home(server.api_url, Settings(root=tmp_path)) is None
    home = os.environ["PREFECT_HOME"]
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    assert foreign_home(server.api_url, Settings(root=tmp_path)) == home
    assert os.environ["PREFECT_API_URL"] == server.api_url


def test_a_server_that_ends_while_it_starts_shows_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "nonsense://")
    with (
        prefect_server(Settings(root=tmp_path, prefect_port=0)) as started,
        pytest.raises(OrchestrationError, match="ended while it started"),
    ):
        started.wait()
