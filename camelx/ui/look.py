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
.gradio-container { width: 100%; max-width: 78rem !important; margin: 0 auto; }
.cx-signed-in { display: flex; justify-content: flex-end; gap: .75rem; align-items: baseline;
  font-size: .85rem; }
.cx-signed-in button { background: none; border: 0; padding: 0; color: inherit; text-decoration: underline;
  font: inherit; cursor: pointer; }
.cx-text { white-space: pre-wrap; overflow-wrap: anywhere; }
.cx-empty { padding: 2rem 1rem; text-align: center; opacity: .8; }
.cx-badge { border: 1px solid currentColor; border-radius: 1rem; padding: .05rem .55rem; font-size: .85em; }
.cx-table { width: 100%; border-collapse: collapse; }
.cx-table th, .cx-table td { text-align: left; padding: .35rem .6rem; vertical-align: top;
  border-bottom: 1px solid var(--border-color-primary); overflow-wrap: anywhere; }
:root { --cx-good: #0a6b2d; --cx-bad: #b3130d; --cx-busy: #1d4ed8; --cx-warn: #8a5300; }
.dark { --cx-good: #5fd287; --cx-bad: #ff8b80; --cx-busy: #8fb4ff; --cx-warn: #f0b35a; }
.cx-blocks .cx-selected { background: var(--background-fill-secondary); }
.cx-good, .cx-badge.cx-completed, .cx-completed .cx-mark { color: var(--cx-good); }
.cx-bad, .cx-badge.cx-failed, .cx-failed .cx-mark { color: var(--cx-bad); }
.cx-badge.cx-running, .cx-running .cx-mark, .cx-badge.cx-queued { color: var(--cx-busy); }
.cx-badge.cx-cancelled, .cx-cancelled .cx-mark { color: var(--cx-warn); }
.cx-badge { white-space: nowrap; }
.cx-soft { font-size: .85em; opacity: .85; }
.cx-ask { padding: .5rem .75rem 0; margin: 0; }
.cx-ladder { list-style: none; padding: 0; margin: .75rem 0; }
.cx-stage { padding: .25rem .5rem; border-left: 3px solid var(--border-color-primary); }
.cx-stage.cx-running { border-left-color: var(--color-accent); }
.cx-stage.cx-waits { opacity: .65; }
.cx-stage-line { display: flex; gap: .5rem; }
.cx-stage-line span:last-child { margin-left: auto; white-space: nowrap; }
.cx-bar { height: .5rem; border-radius: .25rem; overflow: hidden; background: var(--border-color-primary);
  margin: .3rem 0; }
.cx-bar div { height: 100%; background: var(--color-accent); }
.cx-blocks, .cx-blocks :is(thead, tbody, tr), .cx-compare :is(table, thead, tbody, tr) {
  border: 0 !important; }
.cx-blocks th, .cx-blocks td, .cx-compare th, .cx-compare td { border-width: 0 0 1px !important; }
.cx-blocks a { padding: 0; }
.cx-tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .5rem; }
.cx-tile { display: flex; flex-direction: column; padding: .5rem .75rem; border-radius: .4rem;
  background: var(--background-fill-secondary); }
.cx-tile b { font-size: 1.1em; } .cx-tile span { font-size: .85em; opacity: .85; }
.cx-charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .75rem;
  margin: .75rem 0; }
.cx-chart { padding: .5rem .75rem; border: 1px solid var(--border-color-primary); border-radius: .4rem; }
.cx-chart svg { width: 100%; height: 7rem; display: block; }
.cx-chart polyline { fill: none; stroke: var(--color-accent); stroke-width: 2;
  vector-effect: non-scaling-stroke; }
.cx-ends { display: flex; justify-content: space-between; font-size: .85em; opacity: .85; }
.cx-log { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem; max-height: 18rem;
  overflow-y: auto; padding: .5rem .75rem; border-radius: .4rem;
  background: var(--background-fill-secondary); }
@media (max-width: 40rem) {
  .cx-blocks thead { display: none; }
  .cx-blocks, .cx-blocks tbody, .cx-blocks tr { display: block; }
  .cx-blocks tr { border-bottom: 1px solid var(--border-color-primary); padding: .4rem 0; }
  .cx-blocks td { display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: .1rem .5rem; }
  .cx-blocks td::before { content: attr(data-label); opacity: .75; }
}
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
