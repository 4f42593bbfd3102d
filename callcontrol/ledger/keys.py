"""Operation keys: the same operation, repeated however often, is done once.

A key is stored first in its transaction, with a hash of what the operation is about (never of measured or decided
values: those are the result). The pattern of idempotency keys with a request fingerprint, as in
draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select, text, update

from callcontrol.database import UtcDateTime
from callcontrol.engine.ports.ledger import KeyReused
from callcontrol.ledger.tables import operations

# The hash is of this very text: another spelling of the same identity would be another operation.
_identity_as_json = json.JSONEncoder(sort_keys=True).encode
_result_as_json = msgspec.json.Encoder(order="sorted").encode

Identity = Mapping[str, str | int | None]
Result = dict[str, Any]

# The same words on SQLite and PostgreSQL; the rowcount tells whether the key was new.
_INSERT = text(
    "INSERT INTO operations (key, identity_hash, at) VALUES (:key, :hash, :at) ON CONFLICT (key) DO NOTHING"
).bindparams(bindparam("at", type_=UtcDateTime))
_FIND = select(operations.c.identity_hash, operations.c.result).where(operations.c.key == bindparam("key"))
_FINISH = update(operations).where(operations.c.key == bindparam("done_key")).values(result=bindparam("done_result"))


def customer_leg(call_id: str) -> str:
    return f"{call_id}:customer"


def hold_key(leg_id: str, minute: int) -> str:
    return f"hold:{leg_id}:{minute}"


def post_key(leg_id: str) -> str:
    return f"post:{leg_id}"


def void_key(leg_id: str) -> str:
    return f"void:{leg_id}"


def order_key(order_id: str) -> str:
    return f"order:{order_id}"


def adjust_key(request_id: str) -> str:
    return f"adjust:{request_id}"


def begin(connection: Connection, key: str, identity: Identity, at: datetime) -> Result | None:
    """Claim the key: None, do it; otherwise the result of the first time. KeyReused: it was about something else."""
    fingerprint = _fingerprint(identity)
    if connection.execute(_INSERT, {"key": key, "hash": fingerprint, "at": at}).rowcount == 1:
        return None
    stored = connection.execute(_FIND, {"key": key}).one()
    if stored.identity_hash != fingerprint:
        raise KeyReused(f"{key} was used before for something else")
    result: Result = json.loads(stored.result)
    return result


def result_of(connection: Connection, key: str) -> Result:
    """The result of an operation that is known to be done under this key."""
    result: Result = json.loads(connection.execute(_FIND, {"key": key}).one().result)
    return result


def finish(connection: Connection, key: str, result: Result) -> None:
    """Store what a repetition will be told."""
    connection.execute(_FINISH, {"done_key": key, "done_result": _result_as_json(result).decode()})


def _fingerprint(identity: Identity) -> str:
    return sha256(_identity_as_json(identity).encode()).hexdigest()
