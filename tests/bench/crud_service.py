"""What one would write instead of our customer service: FastAPI, a pool of asyncpg, one row per customer, no events.

It validates shapes, and that is all: no tokens, no roles, no history, no idempotency, no sealing, no normalisation, no
check of the version. Run by the bench as `python -m tests.bench.crud_service`, as our services are run: one uvicorn
process with uvloop and httptools, no access log.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

POOL_SIZE = 10
_TABLE = """
CREATE TABLE IF NOT EXISTS customers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), kind text NOT NULL, source text NOT NULL, external_id text,
    full_name text NOT NULL, given text, family text, birth_date date, street text, locality text, postcode text,
    emails text[] NOT NULL, version int NOT NULL DEFAULT 1, updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source, external_id))"""
_INSERT = """
INSERT INTO customers
    (kind, source, external_id, full_name, given, family, birth_date, street, locality, postcode, emails)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id, version"""
_UPDATE = """
UPDATE customers SET
    full_name = coalesce($2, full_name), given = coalesce($3, given), family = coalesce($4, family),
    street = coalesce($5, street), locality = coalesce($6, locality), postcode = coalesce($7, postcode),
    version = version + 1, updated_at = now()
WHERE id = $1 RETURNING id, version"""


class Name(BaseModel):
    full: str
    given: str | None = None
    family: str | None = None


class Address(BaseModel):
    lines: list[str]
    locality: str
    postcode: str


class Customer(BaseModel):
    kind: str
    source: str
    external_id: str | None = None
    name: Name
    birth_date: date | None = None
    address: Address | None = None
    emails: list[str] = []


class Changes(BaseModel):
    name: Name | None = None
    address: Address | None = None


class Answer(BaseModel):
    id: UUID
    version: int


def create_app(url: str) -> FastAPI:
    """The service over one database."""
    pool: Any = None

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        nonlocal pool
        async with asyncpg.create_pool(url, min_size=POOL_SIZE, max_size=POOL_SIZE) as pool:
            await pool.execute(_TABLE)
            yield

    app = FastAPI(lifespan=running)

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @app.post("/customers", status_code=201)
    async def create(new: Customer) -> Answer:
        name = (new.name.full, new.name.given, new.name.family)
        row = await pool.fetchrow(
            _INSERT, new.kind, new.source, new.external_id, *name, new.birth_date, *_place(new.address), new.emails
        )
        return Answer(**row)

    @app.patch("/customers/{customer_id}")
    async def change(customer_id: UUID, changes: Changes) -> Answer:
        name = (changes.name.full, changes.name.given, changes.name.family) if changes.name else (None, None, None)
        row = await pool.fetchrow(_UPDATE, customer_id, *name, *_place(changes.address))
        if row is None:
            raise HTTPException(404)
        return Answer(**row)

    return app


def _place(address: Address | None) -> tuple[str | None, str | None, str | None]:
    return (", ".join(address.lines), address.locality, address.postcode) if address else (None, None, None)


if __name__ == "__main__":
    uvicorn.run(
        create_app(os.environ["CUSTLOG_POSTGRES_URL"]),
        host=os.environ["CUSTLOG_HOST"],
        port=int(os.environ["CUSTLOG_PORT"]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
