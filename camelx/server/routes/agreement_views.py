"""What /api/v1/agreement takes and returns."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from camelx.annotation import MAX_EDITED_CHARS, MAX_RATIONALE_CHARS, HumanVerdict
from camelx.annotation.importing import Outcome, RowOutcome
from camelx.schemas import Annotation, AnnotationFilter
from camelx.server.routes.annotation_views import TEXT

ID = r"^[!-~]{1,200}$"
CYCLE_ID = r"^[A-Za-z0-9_-]{1,64}$"
MOST_ROWS = 500


SettledVersion = Annotated[
    str,
    Field(
        max_length=64,
        description="The settled_version that you saw, empty for none: 409 if it is another by now. "
        "None: whichever.",
    ),
]


class Settlement(BaseModel):
    """What holds of a pair from now on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "first_id": "5f1c0a9e2b7d4c3e8a6f9b01",
                    "second_id": "a07be31944d2c8f65b3e1d20",
                    "preferred": "a07be31944d2c8f65b3e1d20",
                    "rationale": "The first one adds where it should subtract.",
                }
            ]
        }
    )

    first_id: str = Field(pattern=ID)
    second_id: str = Field(pattern=ID)
    preferred: str = Field(pattern=ID, description="The better one's id, tie or both_bad.")
    rationale: str | None = Field(default=None, max_length=MAX_RATIONALE_CHARS)
    edited_text: str | None = Field(default=None, max_length=MAX_EDITED_CHARS, description="A better answer.")
    instead_of: SettledVersion | None = None


class SettledView(BaseModel):
    """One settled verdict; pairs of the same texts are settled together."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    first_id: str
    second_id: str
    verdict: str = Field(examples=["second"])
    annotator: str = Field(description="Who settled it.", examples=["root"])
    settled_version: str = Field(default="", description="For `instead_of`, to change it or take it back.")


class Selection(BaseModel):
    """Which annotations are meant: those of some ids, or all that meet the conditions, at least one."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Annotated[str, Field(pattern=ID)]] | None = Field(default=None, min_length=1, max_length=5_000)
    annotator: str | None = Field(default=None, min_length=1, max_length=200, examples=["ben"])
    cycle_id: str | None = Field(default=None, pattern=CYCLE_ID, description="On results of this cycle.")
    verdict: HumanVerdict | None = Field(default=None, description="first is A, as it was shown.")
    since: AwareDatetime | None = Field(default=None, description="Not before this moment.")
    until: AwareDatetime | None = Field(default=None, description="Before this moment.")
    dry_run: bool = Field(default=False, description="Only say what would become of them.")

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        has_condition = self.conditions != AnnotationFilter()
        if has_condition == (self.ids is not None):
            raise ValueError("name ids, or conditions (annotator, cycle_id, verdict, since, until), not both")
        return self

    @property
    def conditions(self) -> AnnotationFilter:
        """The conditions; where ids are named, none."""
        names = AnnotationFilter.model_fields.keys() & type(self).model_fields.keys()
        return AnnotationFilter(**{name: getattr(self, name) for name in names})


class Withdrawal(Selection):
    """Which annotations are taken back."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"annotator": "ben", "cycle_id": "c7"},
                {"ids": ["5f1c0a9e2b7d4c3e8a6f9b01"], "dry_run": True},
            ]
        }
    )


class Reassigning(Selection):
    """Which annotations get whose name."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"annotator": "bne", "to": "ben", "since": "2026-03-01T00:00:00Z"}]}
    )

    to: str = Field(min_length=1, max_length=200, pattern=TEXT, description="Whose they are from now on.")


class Withdrawn(BaseModel):
    """What was, or would be, taken back."""

    annotations: int = Field(examples=[40])
    is_dry_run: bool


class Reassigned(BaseModel):
    """What got, or would get, the other name; verdicts on several pairs of the same texts stay whole."""

    annotations: int = Field(examples=[40])
    left: list[Annotation] = Field(
        description="Those that stay as they are: the person judged these pairs already."
    )
    is_dry_run: bool


class ImportView(BaseModel):
    """What became, or would become, of a file's rows."""

    file: str = Field(examples=["verdicts.csv"])
    is_dry_run: bool
    counts: dict[Outcome, int] = Field(examples=[{"added": 38, "changed": 2, "unchanged": 0, "refused": 1}])
    rows: list[RowOutcome] = Field(description=f"At most {MOST_ROWS}, refused ones first.")
