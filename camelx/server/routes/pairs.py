"""/api/v1/pairs: the preference pairs that a cycle exported, each with all that led to it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from camelx.errors import NotFoundError
from camelx.export import stored_pairs
from camelx.lineage.explaining import Explanation, explain_stored_pair
from camelx.schemas import PreferencePair, Role
from camelx.server.dependencies import Viewer, WorkspaceDep
from camelx.storage.cursors import seal, unseal

router = APIRouter(prefix="/api/v1/pairs", tags=["pairs"])

CycleId = Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["c7"])]
PairId = Annotated[str, Path(pattern=r"^[0-9a-f]{24}$", examples=["00c6b2e7f7d0a5b8a3d1e5f2"])]


class PairsView(BaseModel):
    """Some pairs of a cycle, in the order of its file."""

    items: list[PreferencePair]
    next_cursor: str | None = Field(description="Gives the next page; null: there is none.")
    total: int = Field(description="Pairs of the cycle that meet the filters.", examples=[418])


@router.get("")
def list_pairs(
    principal: Viewer,
    workspace: WorkspaceDep,
    cycle_id: CycleId,
    role: Role | None = None,
    goal_id: Annotated[str | None, Query(max_length=200)] = None,
    cursor: Annotated[str | None, Query(max_length=200, description="Of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> PairsView:
    """Return a page of the pairs that a cycle exported."""
    workspace.cycles.cycle(cycle_id)
    about = f"pairs\0{cycle_id}\0{role}\0{goal_id}"
    after = unseal(cursor, about).decode() if cursor is not None else None
    stored = stored_pairs(workspace.settings.cycle_dir(cycle_id), goal_id)
    pairs = [pair for pair in stored if role in (None, pair.role)]
    places = {pair.id: place for place, pair in enumerate(pairs)}
    if after is not None and after not in places:
        raise NotFoundError(
            f"cycle {cycle_id} has been exported anew since that page; begin again without a cursor"
        )
    begin = places[after] + 1 if after is not None else 0
    shown = pairs[begin : begin + limit]
    more = seal(shown[-1].id.encode(), about) if shown and begin + limit < len(pairs) else None
    return PairsView(items=shown, next_cursor=more, total=len(pairs))


@router.get("/{pair_id}")
def get_pair(pair_id: PairId, principal: Viewer, workspace: WorkspaceDep, cycle_id: CycleId) -> Explanation:
    """Return a pair with its votes, the reviewers' replies, what people said, and the adapters it trained."""
    workspace.cycles.cycle(cycle_id)
    if all(pair.id != pair_id for pair in stored_pairs(workspace.settings.cycle_dir(cycle_id))):
        raise NotFoundError(f"cycle {cycle_id} has no pair {pair_id!r}")
    return explain_stored_pair(workspace.store, pair_id, cycle_id=cycle_id)
