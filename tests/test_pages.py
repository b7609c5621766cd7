"""Pages: every text is escaped, whatever it holds."""

from __future__ import annotations

from camelx.pages import Markup, escaped, page, table, tag


def test_text_is_escaped_and_markup_is_not():
    assert tag("p", "a < b", Markup("<b>c</b>")) == "<p>a &lt; b<b>c</b></p>"
    assert tag("p", "x", css='"><script>') == '<p class="&quot;&gt;&lt;script&gt;">x</p>'


def test_what_hides_or_turns_text_is_shown_as_a_mark():
    assert escaped("a\u202eb\u200b\x00") == "a\ufffdb\ufffd\ufffd"


def test_a_table_names_the_column_in_each_cell_and_escapes_both():
    made = table(("<Name>",), [("<x>",)])
    assert '<td data-label="&lt;Name&gt;"><span>&lt;x&gt;</span></td>' in made
    assert "<th>&lt;Name&gt;</th>" in made
    assert "thead" not in table((), [("a", "b")])


def test_braces_in_a_body_are_left_alone():
    assert "{not a field}" in page("{title}", tag("p", "{not a field}"))
