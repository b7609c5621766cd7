"""One look for all pages: theme, style sheet, and the script that makes them usable by keyboard.

No font, script or style comes from outside. Light and dark follow the reader's system.
"""

from __future__ import annotations

from typing import Any

_SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def theme() -> Any:
    """Return the Gradio theme."""
    import gradio as gr

    return gr.themes.Base(primary_hue="blue", neutral_hue="slate", font=_SANS, font_mono=_MONO)


CSS = """
.gradio-container { max-width: 78rem !important; margin: 0 auto; }
.cx-text { white-space: pre-wrap; overflow-wrap: anywhere; }
.cx-empty { padding: 2rem 1rem; text-align: center; opacity: .8; }
.cx-badge { border: 1px solid currentColor; border-radius: 1rem; padding: .05rem .55rem; font-size: .85em; }
.cx-table { width: 100%; border-collapse: collapse; }
.cx-table th, .cx-table td { text-align: left; padding: .35rem .6rem; vertical-align: top;
  border-bottom: 1px solid var(--border-color-primary); overflow-wrap: anywhere; }
"""

HEAD = """
<meta name="viewport" content="width=device-width, initial-scale=1">
<script>
// A key pressed outside of a text field clicks the visible button whose elem_id is "key-<key>".
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input, textarea, select, [contenteditable=true]")) return;
  const button = document.getElementById("key-" + event.key.toLowerCase());
  if (button && button.offsetParent !== null && !button.disabled) { event.preventDefault(); button.click(); }
});
</script>
"""
