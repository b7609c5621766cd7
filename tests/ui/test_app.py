"""What the pages have in common."""

from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient

from camelx.config import Settings
from camelx.server.app import create_app
from camelx.workspace import Workspace


def test_a_wrong_address_leads_on_in_a_browser_and_is_json_for_programs(tmp_path: Path) -> None:
    with (
        Workspace.open(Settings(root=tmp_path)) as workspace,
        TestClient(create_app(workspace), base_url="http://127.0.0.1") as client,
    ):
        shown = client.get("/nothing<b>", headers={"Accept": "text/html"})
        assert shown.status_code == 404
        assert "There is no page /nothing&lt;b&gt;" in shown.text
        assert 'href="/agreement"' in shown.text
        assert client.get("/nothing").json() == {"detail": "Not Found"}
        assert client.get("/agreement", headers={"Accept": "text/html"}).status_code == 200
