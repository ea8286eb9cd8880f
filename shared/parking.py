"""Under /ops of every consuming service: what was put aside, and applying it again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from shared.events.envelope import Value
from shared.http import require


class Redrive(Value):
    """Which customer's parked records to apply again; all of them without a key."""

    key: str | None = None


class Redriven(BaseModel):
    """How many records were applied, and how many are parked now."""

    model_config = ConfigDict(frozen=True)

    applied: int
    parked: int


class Parked(BaseModel):
    """How many records are put aside, and the keys that have waited longest."""

    model_config = ConfigDict(frozen=True)

    parked: int
    keys: list[str]


def parking(
    parked: Callable[[], Awaitable[tuple[int, Sequence[str]]]],
    redrive: Callable[[str | None], Awaitable[Mapping[str, int]]],
) -> APIRouter:
    """GET /ops/parked and POST /ops/redrive, for operators. Arguments as shared.consumer.Consumer has them."""
    router = APIRouter(prefix="/ops", tags=["operation"], dependencies=[Depends(require("operate"))])

    @router.get("/parked", summary="Records that were put aside")
    async def show() -> Parked:
        count, keys = await parked()
        return Parked(parked=count, keys=list(keys))

    @router.post("/redrive", summary="Apply parked records again")
    async def apply(which: Redrive | None = None) -> Redriven:
        return Redriven.model_validate(await redrive(which.key if which else None))

    return router
