"""Agents files (agents.yaml): read, checked, edited as a form or as text, saved with their history.

In: a text, or one change of a form. Out: the text with that changed and every comment kept, the file written
whole, or a conflict that shows both sides. `AgentFiles` is the only writer of agents files; the API and the
page call it. Only files of the configs folder can be edited, and a name never leaves it.
"""

from camelx.agent_files.comparing import unified_diff
from camelx.agent_files.files import DEFAULT_FILE, NO_FILE, AgentFiles, AgentsText, EditConflictError
from camelx.agent_files.form import (
    BACKEND_KINDS,
    FormText,
    add_agent,
    add_backend,
    agent_field,
    backend_fields,
    read_form,
    remove_agent,
    remove_backend,
    rename_backend,
    set_agent_field,
    set_backend_field,
)
from camelx.agent_files.guarding import MAX_CHARACTERS
from camelx.agent_files.templates import Template, template, templates

__all__ = [
    "BACKEND_KINDS",
    "DEFAULT_FILE",
    "MAX_CHARACTERS",
    "NO_FILE",
    "AgentFiles",
    "AgentsText",
    "EditConflictError",
    "FormText",
    "Template",
    "add_agent",
    "add_backend",
    "agent_field",
    "backend_fields",
    "read_form",
    "remove_agent",
    "remove_backend",
    "rename_backend",
    "set_agent_field",
    "set_backend_field",
    "template",
    "templates",
    "unified_diff",
]
