import pytest

from camelx import errors
from camelx.errors import AgentError, CamelxError, ConfigError, boundary


def test_boundary_converts_a_foreign_exception_and_keeps_its_cause() -> None:
    with (
        pytest.raises(AgentError, match="reply of agent 'critic' failed: ValueError: odd") as caught,
        boundary(AgentError, "reply of agent 'critic'"),
    ):
        raise ValueError("odd")
    assert isinstance(caught.value.__cause__, ValueError)


def test_boundary_lets_errors_of_ours_and_interrupts_pass() -> None:
    with pytest.raises(ConfigError), boundary(AgentError, "x"):
        raise ConfigError("wrong key")
    with pytest.raises(KeyboardInterrupt), boundary(AgentError, "x"):
        raise KeyboardInterrupt


def test_an_exception_without_words_is_still_named() -> None:
    with pytest.raises(AgentError, match="TimeoutError: no message"), boundary(AgentError, "x"):
        raise TimeoutError


def test_every_error_class_has_its_own_meaning_and_stands_in_the_drawn_tree() -> None:
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, CamelxError)]
    assert len(classes) == 13
    for cls in classes:
        assert cls.__name__ in (errors.__doc__ or "")
        assert 1 <= cls.exit_code < 64
