import os

import pytest

from camelx.runtime import offline


def test_every_switch_is_set_and_the_users_values_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*offline._SWITCHES, "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    monkeypatch.setattr(offline, "_ours", set())
    offline.turn_off_telemetry()
    assert os.environ["DO_NOT_TRACK"] == "1"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    offline.let_hub_answer()
    assert os.environ["HF_HUB_OFFLINE"] == "0"


def test_a_hub_that_the_user_has_switched_off_stays_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(offline, "_ours", set())
    offline.turn_off_telemetry()
    offline.let_hub_answer()
    assert os.environ["HF_HUB_OFFLINE"] == "1"
