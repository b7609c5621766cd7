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


LOADING = "<p class=cx-loading>Loading ...</p>"
"""Stands where the main thing of a page will be."""

CSS = """
.gradio-container { width: 100%; max-width: 78rem !important; margin: 0 auto; }
.cx-signed-in { display: flex; justify-content: flex-end; gap: .75rem; align-items: baseline;
  font-size: .85rem; }
.cx-signed-in button { background: none; border: 0; padding: 0; color: inherit; text-decoration: underline;
  font: inherit; cursor: pointer; }
.cx-text { white-space: pre-wrap; overflow-wrap: anywhere; }
.cx-loading { padding: 2rem 1rem; text-align: center; opacity: .6; }
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
.cx-compare :is(th, td):not(:first-child) { min-width: 4.5rem; }
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
.cx-diff { font-family: var(--font-mono); font-size: .8rem; line-height: 1.45; overflow-x: auto;
  padding: .5rem .75rem; border-radius: .4rem; background: var(--background-fill-secondary); }
.cx-diff div { white-space: pre-wrap; overflow-wrap: anywhere; }
.cx-diff-in { color: var(--cx-good); } .cx-diff-out { color: var(--cx-bad); } .cx-diff-at { opacity: .7; }
.cx-conflict { border: 2px solid var(--cx-bad); border-radius: .4rem; padding: .5rem .75rem; }
.cx-mistakes { padding-left: 1.2rem; } .cx-mistakes li { overflow-wrap: anywhere; }
.cx-card pre { font-size: .8rem; } .cx-facts td:first-child { width: min(12rem, 30vw); opacity: .8; }
.cx-facts, .cx-card .cx-table, .cx-version .cx-table { border: 0 !important; }
.cx-facts td, .cx-card td, .cx-version td { border-width: 0 0 1px !important; }
.cx-version h2 .cx-badge { font-size: .55em; vertical-align: middle; font-weight: 400; }
.cx-facts tbody, .cx-facts tr, .cx-card tr { border: 0 !important; }
.cx-blocks td::before { white-space: nowrap; } .cx-facts a { padding: 0; }
.cx-two { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; margin: .5rem 0; }
.cx-side { padding: .5rem .75rem; border: 1px solid var(--border-color-primary); border-radius: .4rem;
  min-width: 0; }
.cx-side h4 { margin: 0 0 .25rem; }
.cx-goal { font-weight: 600; }
.cx-matrix { overflow-x: auto; }
.cx-matrix .cx-table { width: auto; }
.cx-matrix th { font-weight: 600; }
.cx-blocks table, .cx-matrix :is(table, thead, tbody, tr) { border: 0 !important; }
.cx-blocks table { width: 100%; }
.cx-matrix :is(th, td) { border-width: 0 0 1px !important; white-space: nowrap; }
.cx-chat { display: flex; flex-direction: column-reverse; max-height: 62vh; overflow-y: auto; }
.cx-chat-said { display: flex; flex-direction: column; gap: .6rem; padding: .25rem; }
.cx-chat-bubble { padding: .5rem .75rem; border-radius: .6rem; border: 1px solid var(--border-color-primary);
  max-width: 92%; }
.cx-chat-person { align-self: flex-end; background: var(--background-fill-secondary); }
.cx-chat-agent { align-self: flex-start; }
.cx-chat-who { display: flex; flex-wrap: wrap; gap: .5rem; align-items: baseline; margin-bottom: .2rem; }
.cx-chat-two { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .6rem; }
.cx-chat-two .cx-chat-bubble { max-width: none; align-self: stretch; }
.cx-chat-under-way::after { content: "▍"; opacity: .6; }
.cx-chat-note { margin: 0; text-align: center; font-size: .9em; opacity: .9; }
.cx-chat-pick { display: flex; flex-direction: column; gap: .15rem; }
.cx-chat-tool { padding: .25rem .75rem; border-left: 3px solid var(--border-color-primary); font-size: .9em; }
.cx-chat-tool summary { cursor: pointer; } .cx-chat-tool pre { margin: .2rem 0; }
.cx-chat-head { display: flex; flex-wrap: wrap; gap: .6rem; align-items: baseline; }
.cx-chat-session { border-bottom: 1px solid var(--border-color-primary); }
.cx-chat-session a { display: flex; flex-wrap: wrap; gap: .6rem; align-items: baseline; padding: .5rem .25rem;
  color: inherit; text-decoration: none; text-align: left; }
.cx-chat-session b { overflow-wrap: anywhere; }
.cx-chat-session.cx-selected { background: var(--background-fill-secondary); }
@media (max-width: 40rem) {
  .cx-two { grid-template-columns: 1fr; }
  .cx-blocks td > span { text-align: right; }
  .cx-blocks thead { display: none; }
  .cx-blocks, .cx-blocks tbody, .cx-blocks tr { display: block; }
  .cx-blocks tr { border-bottom: 1px solid var(--border-color-primary); padding: .4rem 0; }
  .cx-blocks td { display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: .1rem .5rem;
    text-align: right; }
  .cx-blocks td::before { content: attr(data-label); opacity: .75; }
}
.gradio-container .prose a { padding: 0; }
.cx-blocks :is(th, td) { border-color: var(--border-color-primary) !important; }
.cx-log-lines td:nth-child(6) a { color: inherit; text-decoration: none; }
.cx-log-lines td:nth-child(6) a:hover { text-decoration: underline; }
.cx-filters { gap: .5rem !important; }
.cx-only-phone { display: none; }
#cx-verdicts .wrap { flex-direction: column; flex-wrap: nowrap; gap: 0; max-height: 22rem; overflow-y: auto; }
#cx-verdicts .wrap label { align-items: baseline; padding: .3rem .25rem; border: 0; background: none;
  box-shadow: none; border-bottom: 1px solid var(--border-color-primary); border-radius: 0; width: 100%; }
.cx-log-lines { font-size: .9rem; }
.cx-log-lines td:nth-child(3) { min-width: 7rem; }
.cx-log-lines :is(th, td:not(:nth-child(3), :nth-child(6))) { white-space: nowrap; }
@media (max-width: 40rem) {
  .cx-only-phone { display: block; }
  #cx-filters:not(.cx-unfolded) { display: none; }
  .cx-log-lines td:is(:nth-child(5), :nth-child(7), :nth-child(8)) { display: none; }
  .cx-log-lines td:nth-child(6)::before { content: none; }
  .cx-log-lines td:nth-child(6) > span { text-align: left; }
}
.cx-pager { display: flex; justify-content: space-between; gap: 1rem; padding: .75rem .25rem; }
.cx-call, .cx-thread { border: 1px solid var(--border-color-primary); border-radius: .4rem;
  padding: .25rem 1rem .75rem; margin: .5rem 0; }
.cx-call h2 .cx-badge { font-size: .55em; vertical-align: middle; font-weight: 400; }
.cx-call h4, .cx-thread h4 { margin: .75rem 0 .25rem; }
.cx-tree, .cx-votes { padding-left: 1rem; list-style: none; margin: .25rem 0; }
.cx-tree > li { border-left: 3px solid var(--border-color-primary); padding: .35rem .75rem;
  margin: .35rem 0; }
.cx-tree > li.cx-selected { border-left-color: var(--color-accent);
  background: var(--background-fill-secondary); }
.cx-votes li { padding: .15rem 0; overflow-wrap: anywhere; }
.cx-thread summary, .cx-call summary { cursor: pointer; }
.cx-thread details[open] > summary.cx-text { display: none; }
.cx-progress { display: flex; flex-wrap: wrap; gap: .25rem 1rem; font-size: .9rem; }
.cx-badges { display: flex; gap: .4rem; flex-wrap: wrap; }
.cx-item h3 { margin: .75rem 0 .25rem; font-size: 1rem; }
.cx-sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: .75rem;
  margin-top: .75rem; }
.cx-side { border: 1px solid var(--border-color-primary); border-radius: .4rem; padding: .5rem .75rem;
  background: var(--background-fill-secondary); min-width: 0; }
.cx-side h4 { margin: 0 0 .35rem; }
.cx-side mark { background: color-mix(in srgb, var(--color-accent) 25%, transparent); color: inherit;
  border-radius: .2rem; }
.cx-item summary { cursor: pointer; } .cx-item details > div { margin: .35rem 0; }
.cx-keys { position: sticky; bottom: 0; z-index: 5; padding: .5rem 0; gap: .4rem !important;
  background: var(--body-background-fill); }
.cx-keys button { min-width: 7rem !important; }
.cx-note { font-size: .9rem; color: var(--cx-good); }
.cx-said { border-left: 3px solid var(--color-accent); padding-left: .75rem; }
@media (max-width: 40rem) {
  .cx-sides { grid-template-columns: minmax(0, 1fr); }
  .cx-keys { display: grid !important; grid-template-columns: repeat(6, 1fr); }
  .cx-keys button { min-width: 0 !important; grid-column: span 2; padding: .5rem .15rem; font-size: .85rem;
    white-space: nowrap; }
  .cx-keys :is(#key-a, #key-b) { grid-column: span 3; }
}
"""

HEAD = """
<style>
/* The navigation stands outside of what Gradio gives the style sheet to. */
@media (max-width: 40rem) {
  .nav-holder { padding: .25rem .5rem !important; }
  .nav-holder nav { justify-content: center; gap: .1rem !important; padding: 0 !important; }
  .nav-holder nav a { padding: .2rem .45rem !important; font-size: .9rem !important; }
}
</style>
<meta name="viewport" content="width=device-width, initial-scale=1">
<script>
// A key pressed outside of a text field clicks the visible button whose elem_id is "key-<key>".
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const typing = "input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable=true]";
  if (event.target.closest(typing)) return;
  const key = event.key.toLowerCase();
  // Of a .cx-keys-radio the n-th choice has the key n.
  const button = document.getElementById("key-" + key) ??
    (/^[1-9]$/.test(key) ? document.querySelectorAll(".cx-keys-radio input[type=radio]")[key - 1] : null);
  if (button && button.offsetParent !== null && !button.disabled) { event.preventDefault(); button.click(); }
});
// Gradio's text fields tell of an input where a character is pressed alone, not where text is deleted,
// pasted, or comes from a phone's keyboard. Of these they are told by a press that types nothing.
let isPressed = false;
for (const kind of ["keydown", "keypress"]) {
  document.addEventListener(kind, (event) => { if (event.isTrusted) isPressed = kind === "keypress"; }, true);
}
document.addEventListener("input", (event) => {
  if (!isPressed && event.target.matches("textarea, input[type=text]")) {
    event.target.dispatchEvent(new KeyboardEvent("keypress", { key: "Unidentified", bubbles: true }));
  }
  isPressed = false;
});
// An agents file that was changed and can be saved is not closed or reloaded without a question.
addEventListener("beforeunload", (event) => {
  const shown = (what) => document.querySelector(what) !== null;
  if (shown("#cx-change .cx-diff") && shown("#cx-save")) event.preventDefault();
});
// Gradio gives all pages one title; a tab is called by what its page is.
new MutationObserver(() => {
  const heading = document.querySelector("h1");
  const title = heading ? heading.textContent + " · camelx" : document.title;
  if (document.title !== title) document.title = title;
}).observe(document.documentElement, { childList: true, subtree: true });
</script>
"""
