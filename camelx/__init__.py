"""camelx makes LLM agents better at their own work, on a schedule, and proves it."""

__version__ = "0.1.0"
