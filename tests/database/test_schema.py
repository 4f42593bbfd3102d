"""Migrations give exactly the tables that the code knows; instants come back as they went."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

import callcontrol.ledger.tables as ledger
from callcontrol.database import DatabaseUnavailable, is_current, is_sqlite, metadata, open_database, upgrade
from callcontrol.database.engines import sqlite_file, write_engine
from callcontrol.database.schema import _config
from callcontrol.directory.tables import companies, destinations
from tests.support.books import add_company
from tests.support.postgresql import server


def test_the_migrations_and_the_tables_agree(either_url: str) -> None:
    assert companies.metadata is metadata
    engine = write_engine(either_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_database_is_current_once_migrated_and_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'callcontrol.db'}"
    assert not is_current(url)
    assert list(tmp_path.iterdir()) == []
    upgrade(url)
    assert is_current(url)
    upgrade(url)
    assert is_current(url)


def test_what_companies_were_allowed_by_kind_becomes_prefixes(tmp_path: Path) -> None:
    """D14: a company that could call abroad still can when its daemon is updated."""
    engine = write_engine(f"sqlite:///{tmp_path / 'callcontrol.db'}")
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for slug, kinds in (("none", "[]"), ("one", '["premium"]'), ("two", '["international", "premium"]')):
            connection.execute(
                text(
                    "INSERT INTO companies (slug, name, time_zone, area_code, blocked, max_call_minutes, bill_inbound,"
                    " auto_answer, recording, exhaustion_policy, allowed_kinds, created_at)"
                    " VALUES (:slug, :slug, 'UTC', '11', 0, 180, 0, 0, 0, 'cut', :kinds, '2026-11-22 12:00:00')"
                ),
                {"slug": slug, "kinds": kinds},
            )
    upgrade(str(engine.url))
    query = (
        select(companies.c.slug, destinations.c.prefix).join_from(destinations, companies).order_by("slug", "prefix")
    )
    with engine.connect() as connection:
        rules = connection.execute(query.where(destinations.c.allowed)).all()
    engine.dispose()
    assert [tuple(row) for row in rules] == [("one", "0900"), ("two", "+"), ("two", "0900")]


def test_what_was_overdrawn_before_there_was_a_limit_is_owed(tmp_path: Path) -> None:
    """D5: and no row is lost when SQLite makes `companies` and `entries` anew, nor is a removed company's id free."""
    engine = write_engine(f"sqlite:///{tmp_path / 'callcontrol.db'}")
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        for statement in (
            "INSERT INTO companies (id, slug, name, time_zone, area_code, blocked, max_call_minutes, bill_inbound,"
            " auto_answer, recording, exhaustion_policy, created_at)"
            " VALUES (1, 'a', 'a', 'UTC', '11', 1, 180, 0, 0, 0, 'finish', '2026-11-22'),"
            " (2, 'b', 'b', 'UTC', '11', 0, 180, 0, 0, 0, 'cut', '2026-11-22')",
            "DELETE FROM companies WHERE id = 2",
            "INSERT INTO accounts (company_id, held, next_seq, renewed_through) VALUES (1, 0, 3, '2026-11')",
            "INSERT INTO grants (id, company_id, kind, period, granted, posted, source_ref, created_at)"
            " VALUES (1, 1, 'overdraft', '2026-11', 3, 3, 'x', '2026-11-22')",
            "INSERT INTO entries (company_id, seq, at, kind, minutes, grant_id, operation_key)"
            " VALUES (1, 1, '2026-11-22', 'grace', 3, 1, 'k'), (1, 2, '2026-11-22', 'post', 3, 1, 'k')",
        ):
            connection.execute(text(statement))
    upgrade(str(engine.url))
    with engine.begin() as connection:
        account = connection.execute(select(ledger.accounts)).one()
        assert (account.next_seq, account.overdrawn, account.overdraft_limit) == (3, 3, 0)
        assert connection.execute(select(ledger.entries.c.kind)).scalars().all() == ["grace", "post"]
        assert connection.execute(select(companies.c.blocked)).scalars().all() == [True]
        added = connection.execute(
            text(
                "INSERT INTO companies (slug, name, time_zone, area_code, blocked, max_call_minutes, bill_inbound,"
                " auto_answer, recording, created_at)"
                " VALUES ('c', 'c', 'UTC', '11', 0, 180, 0, 0, 0, '2026-11-22') RETURNING id"
            )
        )
        assert added.scalar_one() == 3
        with pytest.raises(DBAPIError, match="append-only"):
            connection.execute(text("DELETE FROM entries"))
    engine.dispose()


def test_a_database_of_another_version_is_not_current(url: str) -> None:
    engine = write_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert not is_current(url)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "callcontrol.db").write_text("not a database, but long enough to be looked at" * 100)
    url = f"sqlite:///{tmp_path / 'callcontrol.db'}"
    with pytest.raises(DatabaseUnavailable):
        is_current(url)
    with pytest.raises(DatabaseUnavailable):
        upgrade(url)


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a file"):
        sqlite_file("sqlite://")


async def test_readers_cannot_write(url: str) -> None:
    async with open_database(url) as database:
        with pytest.raises(DatabaseUnavailable, match="readonly"):
            async with database.reading() as connection:
                await connection.execute(text("DELETE FROM nodes"))


def test_the_writers_pragmas(url: str) -> None:
    engine = write_engine(url)
    with engine.connect() as connection:
        values = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    engine.dispose()
    assert values == ["wal", 2, 1]


def test_instants_keep_their_microseconds_and_come_back_in_utc(tmp_path: Path) -> None:
    engine = create_engine("sqlite://")
    ledger.nodes.create(engine)
    brasilia = timezone(timedelta(hours=-3))
    with engine.begin() as connection:
        alive_at = datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=brasilia)
        connection.execute(insert(ledger.nodes).values(node="a", alive_at=alive_at))
        stored = connection.execute(select(ledger.nodes.c.alive_at)).scalar_one()
        assert stored == datetime(2026, 12, 1, 2, 59, 59, 999_999, tzinfo=UTC)
        assert stored.tzinfo is UTC
        with pytest.raises(StatementError, match="naive"):
            connection.execute(insert(ledger.nodes).values(node="b", alive_at=alive_at.replace(tzinfo=None)))
    engine.dispose()


def test_the_database_is_nobody_elses_to_read(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path / 'new.db'}")
    assert (tmp_path / "new.db").stat().st_mode & 0o077 == 0


def test_the_migrations_and_the_tables_are_the_same_to_the_last_constraint(either_url: str, tmp_path: Path) -> None:
    """What alembic's comparison leaves out: checks, defaults, conditions of indexes, what references do."""
    other_url = f"sqlite:///{tmp_path / 'made.db'}" if is_sqlite(either_url) else server().url(server().create())
    engine, other = write_engine(either_url), write_engine(other_url)
    metadata.create_all(other)
    migrated, made = described(engine), described(other)
    engine.dispose()
    other.dispose()
    assert migrated.pop("alembic_version")
    assert migrated == made


def _default(column: Mapping[str, Any]) -> str:
    # A number with and without quotes is the same to SQLite.
    return str(column["default"]).strip("'")


def described(engine: Engine) -> dict[str, dict[str, object]]:
    found = inspect(engine)
    return {
        table: {
            "columns": sorted(
                (c["name"], str(c["type"]), c["nullable"], _default(c)) for c in found.get_columns(table)
            ),
            "key": found.get_pk_constraint(table)["constrained_columns"],
            "checks": sorted((c["name"], c["sqltext"]) for c in found.get_check_constraints(table)),
            "unique": sorted((c["name"], c["column_names"]) for c in found.get_unique_constraints(table)),
            "references": sorted(
                (c["name"], c["constrained_columns"], c["referred_table"], c["referred_columns"], str(c["options"]))
                for c in found.get_foreign_keys(table)
            ),
            "indexes": sorted(
                (
                    i["name"],
                    i["unique"],
                    i["column_names"],
                    str(i.get("dialect_options", {}).get(f"{engine.name}_where")),
                )
                for i in found.get_indexes(table)
            ),
        }
        for table in found.get_table_names()
    }


@pytest.mark.parametrize("table", ["entries", "hold_trail"])
@pytest.mark.parametrize("change", ["UPDATE {} SET minutes = 0", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_i6_what_is_append_only_is_refused_to_change_by_the_database(server_url: str, table: str, change: str) -> None:
    """On PostgreSQL; of SQLite the ledger's own tests know."""
    name = server_url.partition("@/")[2].partition("?")[0]
    engine = write_engine(server_url)
    with engine.begin() as connection:
        add_company(connection)
        connection.execute(
            text(
                "INSERT INTO grants (id, company_id, kind, period, granted, posted, source_ref, created_at)"
                " VALUES (1, 1, 'addon', '2026-11', 5, 0, 'x', now())"
            )
        )
        connection.execute(
            text(
                "INSERT INTO entries (company_id, seq, at, kind, minutes, grant_id, operation_key)"
                " VALUES (1, 1, now(), 'grant', 5, 1, 'x')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO hold_trail (company_id, leg_id, period, minutes, operation_key, at)"
                " VALUES (1, 'a', '2026-11', 1, 'x', now())"
            )
        )
    with pytest.raises(IntegrityError, match=f"{table} is append-only"), engine.begin() as connection:
        connection.execute(text(change.format(table)))
    engine.dispose()
    assert server().execute(f"SELECT count(*), sum(minutes) > 0 FROM {table}", name) == [(1, True)]
