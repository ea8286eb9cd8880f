"""The published contracts, generated from the classes: one JSON Schema per event version and one AsyncAPI 3 document.

`python -m shared.events.documents FOLDER` writes them. The committed copies are compared by the tests, so a drift
between code and documents fails the build.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from shared.events.catalogue import CATALOGUE, LOGS
from shared.events.envelope import Contract

DIALECT = "https://json-schema.org/draft/2020-12/schema"
JSON_STYLE = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE

_ID = {"type": "string", "format": "uuid"}
_TIME = {"type": "string", "format": "date-time", "description": "RFC 3339, UTC, microseconds"}
_TEXT = {"type": "string"}

HEADERS: Mapping[str, str] = {
    "ce_specversion": "CloudEvents version, 1.0",
    "ce_id": "id of the event",
    "ce_type": "event type with version, such as customer.registered.v1",
    "ce_source": "/custlog/<log>",
    "ce_subject": "customer id, equal to the record key",
    "ce_time": "when it was recorded",
    "content-type": "application/json",
    "position": "gapless index of the event in its log; what consumers deduplicate by",
    "prev": "position of the record before this one in the same partition, 0 if it is the first",
    "epoch": "changes when the log was published again from its beginning",
}

SEALED_PART = {
    "type": "object",
    "description": "AES-256-GCM over canonical JSON of the named fields; bound to log|stream|seq|type|subject",
    "additionalProperties": False,
    "required": ["key", "nonce", "ct", "fields"],
    "properties": {
        "key": {"type": "string", "description": "version of the subject's data key"},
        "nonce": {"type": "string", "contentEncoding": "base64"},
        "ct": {"type": "string", "contentEncoding": "base64"},
        "fields": {"type": "array", "items": _TEXT, "description": "names of the sealed fields"},
    },
}


def data_schema(contract: type[Contract]) -> dict[str, Any]:
    """The schema of an event's data as a reader with the keys sees it; every property names its level."""
    schema = contract.model_json_schema(mode="serialization")
    for name, level in contract.LEVELS.items():
        schema["properties"][name]["x-level"] = str(level)
        schema["properties"][name]["x-sealed"] = level.sealed
    schema["required"] = sorted(name for name, field in contract.model_fields.items() if field.is_required())
    return {"$schema": DIALECT, "$id": f"urn:custlog:{contract.stored_type()}", **schema}


def record_schema(contract: type[Contract]) -> dict[str, Any]:
    """The schema of the bytes on Kafka: the envelope, with open fields in `data` and sealed ones in `sealed`."""
    opened = data_schema(contract)
    definitions = opened.pop("$defs", {})
    data = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: opened["properties"][name] for name in contract.LEVELS if name not in contract.SEALED},
        "required": [name for name in opened["required"] if name not in contract.SEALED],
    }
    properties: dict[str, Any] = {
        "id": _ID,
        "type": {"const": contract.TYPE},
        "v": {"const": contract.VERSION},
        "log": _TEXT,
        "stream": _TEXT,
        "seq": {"type": "integer", "minimum": 1, "description": "gapless within the stream"},
        "recorded_at": _TIME,
        "occurred_at": _TIME,
        "actor": {
            "type": "object",
            "additionalProperties": False,
            "required": ["id", "kind"],
            "properties": {"id": _TEXT, "kind": {"enum": ["user", "service", "import", "rule"]}},
        },
        "channel": _TEXT,
        "purpose": _TEXT,
        "command": _ID,
        "correlation": _ID,
        "causation": _ID,
        "depth": {"type": "integer", "minimum": 0},
        "customer": _ID,
        "data": data,
        "sealed": {"type": "object", "description": "by subject", "additionalProperties": SEALED_PART},
    }
    schema: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": sorted(properties),
    }
    if definitions:
        schema["$defs"] = definitions
    return schema


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3 document of all topics."""
    messages = {contract.stored_type(): _message(contract) for contract in CATALOGUE.values()}
    channels = {
        f"{log}.events": {
            "address": f"{log}.events",
            "description": f"Everything the {log} log holds, in log order per customer.",
            "messages": {
                contract.stored_type(): {"$ref": f"#/components/messages/{contract.stored_type()}"}
                for contract in contracts
            },
            "bindings": {"kafka": {"partitions": 12, "bindingVersion": "0.5.0"}},
        }
        for log, contracts in LOGS.items()
    }
    operations = {
        f"receive-{log}": {"action": "receive", "channel": {"$ref": f"#/channels/{log}.events"}} for log in LOGS
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "custlog events",
            "version": "1",
            "description": "Facts about customers. Keys are customer ids; deduplicate by the header position.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _message(contract: type[Contract]) -> dict[str, Any]:
    return {
        "name": contract.stored_type(),
        "title": contract.TYPE,
        "summary": (contract.__doc__ or "").strip().split("\n")[0],
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": {name: {"type": "string", "description": text} for name, text in HEADERS.items()},
            "required": sorted(HEADERS),
        },
        "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": _inline(contract)},
        "bindings": {"kafka": {"key": _ID, "bindingVersion": "0.5.0"}},
    }


def _inline(contract: type[Contract]) -> dict[str, Any]:
    """The record schema with its references pointing into the AsyncAPI document."""
    here = f"#/components/messages/{contract.stored_type()}/payload/schema/$defs/"
    text = orjson.dumps(record_schema(contract)).decode().replace('"#/$defs/', f'"{here}')
    schema: dict[str, Any] = orjson.loads(text)
    return schema


def documents() -> dict[str, bytes]:
    """Every document by file name."""
    schemas = {
        f"{contract.stored_type()}.json": orjson.dumps(data_schema(contract), option=JSON_STYLE)
        for contract in CATALOGUE.values()
    }
    return {**schemas, "asyncapi.json": orjson.dumps(asyncapi(), option=JSON_STYLE)}


def write(folder: Path) -> int:
    """Writes all documents; answers how many."""
    folder.mkdir(parents=True, exist_ok=True)
    written = documents()
    for name, content in written.items():
        (folder / name).write_bytes(content)
    return len(written)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
