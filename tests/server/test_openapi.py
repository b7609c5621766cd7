"""The API keeps what its OpenAPI document says: no 5xx, and no answer that the document does not name."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sessions.playing import write_configs
from starlette.testclient import TestClient
from stored_cycles import add_completed, add_running

from .served import HOST, client_of, served

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """An app whose agents are scripted and whose one running cycle keeps any other from being started."""
    root = tmp_path_factory.mktemp("openapi")
    write_configs(root)
    with served(root, project=root, write_rate="100000/minute", sign_in_rate="100000/minute") as opened:
        add_completed(opened.state.workspace.store, 6)
        add_running(opened.state.workspace.store, 7)
        yield opened


def test_the_api_answers_as_its_document_says(app):
    """Some examples for each operation, right ones and wrong ones; all that fail are told together."""
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    examined, wrong = 0, {}
    for found in schema.get_all_operations():
        operation = found.ok()
        examined += 1
        try:
            examine(operation, app)
        except FailureGroup as e:
            wrong[operation.label] = "; ".join(sorted(set(map(str, e.exceptions))))
    assert wrong == {}
    assert examined > 60
    assert [cycle.id for cycle in app.state.workspace.store.cycles()] == ["c6", "c7"], "a cycle was started"


def examine(operation, app):
    """Send an operation's examples as an admin.

    Raises:
        FailureGroup: An answer is not as the document says.
    """
    headers = {"Authorization": client_of(app, "admin").headers["Authorization"]}

    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=operation.as_strategy())
    def holds(case):
        case.call_and_validate(headers=headers, checks=CHECKS, timeout=120)

    holds()


def test_the_document_is_complete(app):
    document = TestClient(app, base_url=HOST).get("/api/v1/openapi.json").json()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation.get("summary"), (method, path)
            assert operation.get("tags"), (method, path)
            answers = [status for status in operation["responses"] if status.startswith(("1", "2", "3"))]
            assert answers, (method, path)
