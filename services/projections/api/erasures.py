"""What is left of an erased customer in the store of the views, and until when."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict

from services.projections.purged import left_in, purged_at, reach
from services.projections.store import Store
from shared.events.envelope import instant
from shared.http import require

CustomerId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class OperationsLog(BaseModel):
    """`held`: it has operations from before the purge, by estimate `until` then; `unknown`: it may not be read."""

    model_config = ConfigDict(frozen=True)

    state: Literal["held", "clear", "unknown"]
    until: str | None


class ErasureView(BaseModel):
    """When the views let go of a customer, and what MongoDB's operations log still has."""

    model_config = ConfigDict(frozen=True)

    customer: str
    purged_at: str
    operations_log: OperationsLog


def erasures(store: Store) -> APIRouter:
    """The address /erasures."""
    router = APIRouter(tags=["erasures"])

    @router.get(
        "/erasures/{customer}",
        dependencies=[Depends(require("customer.read"))],
        summary="When the views let go of an erased customer, and what is left until when",
    )
    async def erasure(customer: CustomerId) -> ErasureView:
        at = await purged_at(store, customer)
        left = left_in(await reach(store), at)
        return ErasureView(
            customer=customer,
            purged_at=instant(at),
            operations_log=OperationsLog(state=left.state, until=left.until),
        )

    return router
