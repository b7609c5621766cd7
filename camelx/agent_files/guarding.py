"""What may stand in an agents file that is saved through the app: no mistakes, no keys, no code of others.

Agents files name Python functions as tools, scripts and adapter directories: whoever may add these can run
code of this machine. So these take an admin, all else an operator. Environment variables of camelx itself
hold what signs sessions and opens the database; no agents file may send them to a server.
"""

from __future__ import annotations

from camelx.config import AgentsConfig, agents_mistakes, parse_agents, secret_lines
from camelx.errors import AccessError, ConfigError

MAX_CHARACTERS = 200_000


def check_savable(text: str, file: str, *, before: str = "", may_name_code: bool = True) -> None:
    """Return where the text may be saved.

    Args:
        text: The whole file.
        file: Its name, for messages.
        before: What the file says now; code that it names already may stay.
        may_name_code: Whether whoever saves may add code.

    Raises:
        ConfigError: It is too long, has mistakes, or holds a key.
        AccessError: It adds code, and the author may not.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"{file} would have {len(text):,} characters; at most {MAX_CHARACTERS:,} are taken")
    if lines := secret_lines(text):
        raise ConfigError(
            f"{file}:{lines[0]}: this looks like a key or a password. Keys never stand in the file, not in a "
            "comment either, because its history is kept: put it into an environment variable and name that "
            "one in api_key_env"
        )
    config = parse_agents(text, file)
    for name, backend in config.backends.items():
        variable = getattr(backend, "api_key_env", None)
        if variable and variable.upper().startswith(("CAMELX_", "PREFECT_", "MLFLOW_")):
            raise ConfigError(
                f"{file}: backends.{name}.api_key_env: {variable} belongs to the app itself and is sent to "
                "no server; name a variable that holds the server's key"
            )
    if not may_name_code and (added := sorted(_code(config) - _code_of(before))):
        raise AccessError(
            f"{', '.join(added)}: this runs or reads files of this machine, so adding it takes the role admin"
        )


def _code_of(text: str) -> set[str]:
    return set() if agents_mistakes(text) else _code(parse_agents(text))


def _code(config: AgentsConfig) -> set[str]:
    """Return the functions, scripts and directories that a config names."""
    tools = {tool for agent in config.agents for tool in agent.tools if ":" in tool}
    paths = {
        str(value)
        for backend in config.backends.values()
        for value in (getattr(backend, "path", None), getattr(backend, "adapter", None))
        if value not in (None, "champion", "none")
    }
    return tools | paths
