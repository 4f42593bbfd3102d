"""Prepared statements say what SQLAlchemy says, in results and in errors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import (
    IntegrityError,
    MultipleResultsFound,
    NoResultFound,
    OperationalError,
    ProgrammingError,
    StatementError,
)

from callcontrol.database import UtcDateTime, prepared
from callcontrol.database.engines import write_engine

_things = Table(
    "things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", Text, unique=True),
    Column("at", UtcDateTime),
    Column("good", Boolean),
)
_AT = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)

INSERT = insert(_things)
INSERT_RETURNING = insert(_things).returning(_things.c.id, _things.c.at)
INSERT_TOLD = INSERT.returning(_things.c.id, _things.c.at)
INSERT_ONCE = text("INSERT INTO things (name, at) VALUES (:name, :at) ON CONFLICT (name) DO NOTHING").bindparams(
    bindparam("at", type_=UtcDateTime)
)
ALL = select(_things).order_by(_things.c.id)
BY_NAME = select(_things.c.id, _things.c.at).where(_things.c.name == bindparam("wanted"))
AMONG = select(_things.c.name).where(_things.c.name.in_(bindparam("names", expanding=True)))
COUNTED = select(func.count().label("things"), func.min(_things.c.at).label("first")).where(_things.c.good.is_(True))
RENAME = update(_things).where(_things.c.name == bindparam("old")).values(name=bindparam("new"))
REMOVE = delete(_things).where(_things.c.name == "none")
BROKEN = text("SELECT nothing FROM nowhere")


@pytest.fixture
def connection(either_url: str) -> Iterator[Connection]:
    engine = write_engine(either_url)
    with engine.begin() as connection:
        _things.create(connection)
        for name in ("a", "b"):
            connection.execute(INSERT, {"name": name, "at": _AT, "good": name == "a"})
        yield connection
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        (ALL, {}),
        (BY_NAME, {"wanted": "a"}),
        (BY_NAME, {"wanted": "nobody"}),
        (AMONG, {"names": ["a", "b", "c"]}),
        (AMONG, {"names": []}),
        (COUNTED, {}),
    ],
)
def test_the_same_rows(connection: Connection, statement: object, parameters: dict[str, object]) -> None:
    for _ in range(2):
        theirs = connection.execute(statement, parameters).all()  # type: ignore[call-overload]
        ours = prepared(connection).execute(statement, parameters).all()  # type: ignore[call-overload]
        assert [row._asdict() for row in ours] == [row._asdict() for row in theirs]


def test_what_is_written_is_read_by_sqlalchemy(connection: Connection) -> None:
    done = prepared(connection).execute(INSERT_RETURNING, {"name": "c", "at": _AT, "good": None})
    assert done.one() == (3, _AT)
    assert connection.execute(BY_NAME, {"wanted": "c"}).one() == (3, _AT)


def test_rowcount_tells_whether_it_was_new(connection: Connection) -> None:
    ours = prepared(connection)
    assert [ours.execute(INSERT_ONCE, {"name": "c", "at": _AT}).rowcount for _ in range(2)] == [1, 0]
    assert ours.execute(RENAME, {"old": "c", "new": "d"}).rowcount == 1
    assert ours.execute(REMOVE).rowcount == 0


def test_one_row_or_an_error(connection: Connection) -> None:
    ours = prepared(connection)
    assert ours.execute(BY_NAME, {"wanted": "a"}).one().at == _AT
    assert ours.execute(BY_NAME, {"wanted": "a"}).scalar_one() == 1
    assert ours.execute(BY_NAME, {"wanted": "nobody"}).one_or_none() is None
    assert ours.execute(BY_NAME, {"wanted": "nobody"}).scalar() is None
    assert ours.execute(BY_NAME, {"wanted": "nobody"}).scalar_one_or_none() is None
    with pytest.raises(NoResultFound):
        ours.execute(BY_NAME, {"wanted": "nobody"}).one()
    with pytest.raises(MultipleResultsFound):
        ours.execute(ALL).one_or_none()


def test_errors_are_sqlalchemys(connection: Connection) -> None:
    """The writer tells by them whether the database or the operation is at fault."""
    ours = prepared(connection)
    with pytest.raises(IntegrityError), connection.begin_nested():
        ours.execute(INSERT, {"name": "a", "at": _AT, "good": True})
    with pytest.raises((OperationalError, ProgrammingError)), connection.begin_nested():
        ours.execute(BROKEN)
    with pytest.raises((ValueError, StatementError), match="naive"):
        ours.execute(INSERT, {"name": "c", "at": datetime(2026, 11, 22), "good": True})  # noqa: DTZ001 - meant
