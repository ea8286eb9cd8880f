"""What operators do: rebuild views."""

from typing import Any, Literal

from fastapi import APIRouter, Depends

from services.projections.application import Application
from services.projections.rebuild import Rebuild
from shared.events.envelope import Value
from shared.http import require


class Views(Value):
    """Which views to build anew."""

    views: tuple[str, ...] | Literal["all"]


def operations(application: Application, rebuild: Rebuild) -> APIRouter:
    """Addresses under /ops."""
    router = APIRouter(prefix="/ops", tags=["operation"], dependencies=[Depends(require("operate"))])

    @router.post("/rebuild", status_code=202, summary="Build views anew beside the live ones, then switch")
    async def build(wanted: Views) -> dict[str, str]:
        views = list(application.store.views) if wanted.views == "all" else list(wanted.views)
        return {"id": await rebuild.start(views)}

    @router.get("/rebuild", summary="The last builds and how far they are")
    async def progress() -> list[dict[str, Any]]:
        return await rebuild.progress()

    return router
