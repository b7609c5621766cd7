"""Metrics count requests by route, and what cycles did by their reports; no label is made up by a client."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from judged_cycle import add_ranked_cycle
from prometheus_client.parser import text_string_to_metric_families

from camelx.schemas import CycleStatus, Stage, StageReport
from camelx.server import create_app


@pytest.fixture
def client(workspace):
    app = create_app(workspace, pages=False)
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


def scraped(client):
    """Every sample by name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def report(stage, counts, status=CycleStatus.COMPLETED, **fields):
    return StageReport(cycle_id="c1", stage=stage, status=status, counts=counts, **fields)


def test_a_new_project_has_all_figures_at_zero(client):
    found = scraped(client)
    assert found["camelx_cycles", "completed"] == 0
    assert found["camelx_votes_total",] == 0
    assert found["camelx_annotations_total",] == 0
    assert found["camelx_annotation_items_open",] == 0
    assert found["camelx_database_up",] == 1


def test_what_stages_counted_adds_up(client, workspace):
    add_ranked_cycle()
    store = workspace.store
    for made in (
        report(Stage.GENERATE, {"proposals": 2, "executions": 5, "failed": 1, "completion_tokens": 70}),
        report(Stage.RANK, {"votes": 9, "unreadable": 2, "tokens": 400}, n_model_calls=8, seconds=3.0),
        report(Stage.EXPORT, {"pairs": 4, "human": 1}),
        report(Stage.TRAIN, {"steps": 6}, model_seconds=12.5),
        report(Stage.EVALUATE, {}, status=CycleStatus.FAILED),
    ):
        store.save_stage_report(made)
    found = scraped(client)
    assert found["camelx_interactions_total", "generate-interactions"] == 7
    assert found["camelx_interactions_total", "mutual-rank"] == 8
    assert found["camelx_tokens_total", "generate-interactions"] == 70
    assert found["camelx_tokens_total", "mutual-rank"] == 400
    assert (found["camelx_votes_total",], found["camelx_votes_unreadable_total",]) == (9, 2)
    assert (found["camelx_pairs_total",], found["camelx_pairs_human_total",]) == (4, 1)
    assert found["camelx_training_steps_total",] == 6
    assert found["camelx_model_seconds_total", Stage.TRAIN] == 12.5
    assert found["camelx_model_calls_failed_total",] == 1
    assert found["camelx_stage_seconds_sum", Stage.RANK] == 3.0
    assert found["camelx_stages_failed", Stage.EVALUATE] == 1
    assert found["camelx_cycles", "running"] == 1
    assert found["camelx_annotation_items_open",] > 0


def test_requests_are_counted_by_route_and_never_by_path(client):
    client.get("/api/v1/cycles/c404")
    client.get("/api/v1/cycles/c405")
    client.get("/no/such/<path>")
    client.request("INVENTED", "/healthz")
    found = scraped(client)
    count = "camelx_http_request_seconds_count"
    assert found[count, "GET", "/api/v1/cycles/{cycle_id}", "404"] == 2
    text = client.get("/metrics").text
    assert "c404" not in text
    assert "such" not in text
    assert "INVENTED" not in text


def test_a_database_that_is_away_leaves_the_scrape_working(client, workspace):
    with workspace.store._writing.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE stage_reports RENAME TO away")
    assert scraped(client)["camelx_database_up",] == 0
