"""The files: they round-trip, need no network and no home, and hostile names stay text."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from auditing.panels import audited, both_orders, exported, votes_frame
from camelx.auditing import PanelAudit, write_audit
from camelx.config.ranking import PanelLimits
from camelx.errors import DataValidationError

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://evil.test/x onerror=alert(1)>',
    "$\\frac{unclosed$ & 'quotes' ]]>",
    "\u202egnp.exe\x00\n\u200b",
    "判定者" * 40,
    "</svg></style><style>@import url(//evil.test)",
    " ",
    "_hidden",
)
_TAGS = """html head meta title style body main h1 h2 h3 p span strong ul li section div table thead tbody tr
th td figure figcaption svg defs g path use text rect tspan clippath details summary"""
KNOWN_TAGS = set(re.findall(r"\w+", _TAGS))


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.texts.append(data)


def panel(names, **given):
    """An audit in which every section has something to show."""
    rows = [
        row
        for k, name in enumerate(names)
        for row in both_orders(name, 30, *((1, -1), (1, 1), (0, -1))[k % 3])
    ]
    authors = {"g0/a": names[0]}
    labels = pd.DataFrame(
        [(f"g{k}", f"g{k}/a", f"g{k}/b", float(1 - 2 * (k % 4 == 0)), 0.6, 0.1, 0.3) for k in range(30)],
        columns=["goal_id", "first_id", "second_id", "outcome", "p_first", "p_tie", "p_second"],
    )
    judges = pd.DataFrame({"judge": names, "weight": 1 / len(names), "human_before": 0.6, "human_after": 0.7})
    fields = {
        "texts": {f"g{k}/{side}": "<b>x" * (9 + k % 3 * (side == "a")) for k in range(30) for side in "ab"},
        "judges": judges,
        "held_out": labels,
        "anchors": labels,
        "panel_verified": True,
        "exported": exported(30, chosen="<i>" * 9),
        "costs": {"calls": 120, "tokens": 9_000, "money": 1.5, "all_calls": 240},
    } | given
    votes = votes_frame(*rows, authors=authors)
    first = audited(votes, **(fields | {"cycle_id": fields.pop("before", "c1")}))
    return audited(votes, **(fields | {"earlier": [first.as_json()]}))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    audit = panel(HOSTILE, conflicts=HOSTILE, cycle_id="<u>c2", before="<u>c1")
    files = write_audit(audit, tmp_path_factory.mktemp("hostile"), PanelLimits())
    return audit, files, Page(files.html.read_text("utf-8"))


def test_hostile_names_and_texts_stay_text(hostile):
    _, _, page = hostile
    assert page.tags <= KNOWN_TAGS
    assert not [a for a in page.attributes if a[1].startswith("on")]
    shown = "".join(page.texts)
    assert "<script>alert(1)</script>" in shown
    assert "<u>c2" in shown
    assert not re.search("[\u202e\u200b\x00]", shown)


def test_nothing_is_loaded_from_outside(hostile):
    _, files, page = hostile
    for tag, name, value in page.attributes:
        assert "//" not in value or (tag, name) == ("td", "data-label"), (tag, name, value)
        assert name not in ("src", "srcset", "href"), (tag, name, value)
        assert name != "xlink:href" or value.startswith("#")
    style = re.search("<style>(.*?)</style>", files.html.read_text("utf-8"), re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    assert not re.search(r"url\((?!#)", "".join(value for *_, value in page.attributes))


def test_plots_are_whole_and_refer_to_their_own_parts(hostile):
    _, files, page = hostile
    text = files.html.read_text("utf-8")
    drawings = re.findall("<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) >= 10
    for drawing in drawings:
        ElementTree.fromstring(drawing.replace("<svg ", '<svg xmlns:xlink="x" ', 1))
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    used = [value[1:] for _, name, value in page.attributes if name == "xlink:href"]
    used += re.findall(r"url\(#([^)]*)\)", " ".join(value for *_, value in page.attributes))
    assert used
    assert set(used) <= set(ids)
    assert not re.search("#0[12]fe0", text)  # colours that only the drawing knows


def test_json_round_trips_and_holds_no_nan(hostile):
    audit, files, _ = hostile
    text = files.json.read_text("utf-8")

    def refuse(constant):
        raise AssertionError(constant)

    assert json.loads(text, parse_constant=refuse) == audit.as_json()
    assert PanelAudit.model_validate_json(text) == audit


def test_the_keys_of_the_json_are_those_that_are_promised(hostile):
    _, files, _ = hostile
    document = json.loads(files.json.read_text("utf-8"))
    assert set(document) == {
        "schema_version",
        "headline",
        "is_verified",
        "conflicts",
        "counts",
        "reviewers",
        "agreement",
        "length",
        "calibration",
        "costs",
        "cycle",
        "earlier",
        "left_out",
    }
    assert set(document["cycle"]) == {"cycle_id", "reviewers", "chosen_chars", "weights", "calibration_error"}
    assert set(document["reviewers"][0]["flip_rate"]) == {"value", "low", "high", "n", "reason"}


def test_the_same_audit_gives_the_same_files(tmp_path):
    pages = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pages.append(write_audit(panel(("ann", "bob")), tmp_path / name).html.read_bytes())
    assert pages[0] == pages[1]


def test_the_page_names_what_is_exceeded_and_what_to_do(tmp_path):
    audit = audited(votes_frame(*both_orders("bob", 60, 1, 1)))
    text = "".join(Page(write_audit(audit, tmp_path, PanelLimits()).html.read_text("utf-8")).texts)
    assert "2 limits exceeded" in text
    assert "max_same_answer, allowed at most 98 %:" in text
    assert "reviewer 'bob' answered 'first' in 100 % of its 120 readable votes" in text
    assert "What to do: look at its raw replies" in text


@pytest.mark.parametrize(
    "votes", [votes_frame(), votes_frame(("ann", "g/a", "g/b", None)), votes_frame(("ann", "g/a", "g/b", 1))]
)
def test_panels_with_next_to_nothing_still_have_a_page_without_a_nan(tmp_path, votes):
    text = "".join(Page(write_audit(audited(votes), tmp_path, PanelLimits()).html.read_text("utf-8")).texts)
    assert "not measurable: no human label lies on a pair" in text
    assert not re.search(r"\bnan\b|\bNone\b", text)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(DataValidationError, match=r"report on the reviewers to .*taken"):
        write_audit(audited(), tmp_path / "taken")


def test_a_reader_who_has_their_own_matplotlib_settings_keeps_them(tmp_path):
    import matplotlib

    before = {"font.size": 21.0, "text.parse_math": True, "svg.fonttype": "path"}
    with matplotlib.rc_context(before):
        write_audit(panel(("ann", "bob")), tmp_path)
        assert {name: matplotlib.rcParams[name] for name in before} == before


def test_matplotlib_is_imported_by_writing_alone_and_needs_neither_home_nor_display(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from auditing.panels import *; "
        "audit = audited(votes_frame(*both_orders('ann', 5, 1, -1))); "
        "assert 'matplotlib' not in sys.modules; "
        "from pathlib import Path; from camelx.auditing import write_audit; "
        "print(write_audit(audit, Path(sys.argv[2])).html)"
    )
    environment = {
        k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MPLCONFIGDIR", "XDG_CACHE_HOME")
    }
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code, tests, str(tmp_path)],
        env=environment | {"HOME": "/dev/null/nowhere", "XDG_CONFIG_HOME": "/dev/null/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert (tmp_path / "panel.html").exists()


def test_a_panel_with_many_reviewers_and_cycles_is_drawn(tmp_path):
    names = [f"reviewer-{k}" for k in range(14)]
    audit = panel(names)
    many = audit.model_copy(
        update={"earlier": tuple(audit.cycle.model_copy(update={"cycle_id": f"c{k}"}) for k in range(40))}
    )
    text = write_audit(many, tmp_path).html.read_text("utf-8")
    assert "Kappa of each two reviewers" not in text  # too many to draw; the table has them
    assert "reviewer-0 and reviewer-13" in text
    assert all(f"reviewer-{k}" in text for k in range(14))
