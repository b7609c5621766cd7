from camelx.orchestration.publishing import stage_page
from camelx.schemas import Stage, StageReport


def test_a_stages_page_shows_records_as_tables_and_no_raw_json() -> None:
    page = stage_page(
        StageReport(
            cycle_id="c1",
            stage=Stage.EXPORT,
            counts={"pairs": 1227},
            details={
                "dropped": {"tie": 3},
                "judges": [{"judge": "a|b", "weight": 0.123456}, {"judge": "c", "consistency": 1.0}],
                "path": "data/c1",
            },
        )
    )
    assert "| pairs | 1,227 |" in page
    assert "| tie | 3 |" in page
    assert "| judge | weight | consistency |" in page
    assert "| a\\|b | 0.1235 |  |" in page
    assert "- **path**: data/c1" in page
    assert "{" not in page


def test_what_a_model_or_a_file_wrote_is_no_markup_of_the_page() -> None:
    hostile = "<img src=http://evil/x> ![y](http://evil) `z` a|b \\| \x1b[2J"
    details = {"reason": hostile, "judges": [{"judge": hostile, hostile: 1}], "dropped": {hostile: 2}}
    page = stage_page(StageReport(cycle_id="c1", stage=Stage.EXPORT, details=details))
    assert page.count("&lt;img src=http://evil/x&gt; !\\[y\\](http://evil)") == 4
    assert "a\\|b \\\\\\| \ufffd\\[2J" in page
    assert not {"<", "\x1b"} & set(page)


def test_a_stage_that_only_decides_says_no_more_than_it_did() -> None:
    page = stage_page(StageReport(cycle_id="c1", stage=Stage.EVALUATE, details={"promoted": True}))
    assert "- **passed the gate**: True" in page
    assert "promoted" not in page
