"""Statements that are compiled once and then run on SQLite's own driver.

SQLAlchemy builds a context, a result and its metadata for every execution, which on SQLite costs ten times what the
statement itself does; a call has some forty in the ledger (docs/performance.md). Here SQLAlchemy still writes
the SQL and converts the values, once per statement and by its public interfaces.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Executable, Select, TextClause
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.dml import UpdateBase

Convert = Callable[[Any], Any] | None

_MOST = 256
"""Statements kept: those of the modules. One more is run by SQLAlchemy, so nothing grows without end."""


def prepared(connection: Connection) -> Connection:
    """The same connection for statements of modules, which run faster on it. In a transaction that has begun."""
    if connection.dialect.name != "sqlite":
        return connection
    return cast(Connection, _Prepared(connection))


class _Prepared:
    """Of a `sqlalchemy.Connection` what operations use: `execute`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._driver: Any = connection.connection.dbapi_connection

    def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Any:
        """As `Connection.execute`, within its transaction. Raises what that raises."""
        given = parameters or {}
        compiled = _compiled(statement, tuple(given), self._connection.dialect)
        if compiled is None:
            return self._connection.execute(statement, parameters)
        return compiled.run(self._driver, given)


class _Rows:
    """Of a `sqlalchemy.CursorResult` what operations use. Everything is read already."""

    def __init__(self, rows: Sequence[Any], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> Sequence[Any]:
        return self._rows

    def one_or_none(self) -> Any | None:
        if len(self._rows) > 1:
            raise MultipleResultsFound("Multiple rows were found when one or none was required")
        return self._rows[0] if self._rows else None

    def one(self) -> Any:
        row = self.one_or_none()
        if row is None:
            raise NoResultFound("No row was found when one was required")
        return row

    def scalar(self) -> Any | None:
        return self._rows[0][0] if self._rows else None

    def scalar_one(self) -> Any:
        return self.one()[0]

    def scalar_one_or_none(self) -> Any | None:
        row = self.one_or_none()
        return None if row is None else row[0]


class _Compiled:
    """A statement as SQLite's driver takes it, with the conversions of its parameters and columns."""

    def __init__(self, statement: ClauseElement, names: tuple[str, ...], dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))
        self.sql: str = compiled.string
        self._dialect = dialect
        self._defaults = dict(compiled.params)
        self._binds = [(name, _to_driver(compiled.binds[name].type, dialect)) for name in compiled.positiontup]
        self._columns: list[Convert] = (
            [_from_driver(column.type, dialect) for column in statement.exported_columns]
            if isinstance(statement, (Select, UpdateBase))
            else []
        )
        self._converts = any(self._columns)
        self._row: Any = None

    def run(self, driver: Any, given: Mapping[str, Any]) -> _Rows:
        values = {**self._defaults, **given}
        bound = [convert(values[name]) if convert else values[name] for name, convert in self._binds]
        cursor = driver.cursor()
        try:
            cursor.execute(self.sql, bound)
            rows = self._read(cursor) if cursor.description else ()
            return _Rows(rows, cursor.rowcount)
        except self._dialect.loaded_dbapi.Error as error:
            known = self._dialect.loaded_dbapi.Error
            raise DBAPIError.instance(self.sql, bound, error, known, dialect=self._dialect) from error
        finally:
            cursor.close()

    def _read(self, cursor: Any) -> Sequence[Any]:
        if self._row is None:
            self._row = namedtuple("Row", [column[0] for column in cursor.description])  # type: ignore[misc]
        found = cursor.fetchall()
        if self._converts:
            found = [
                [convert(value) if convert else value for value, convert in zip(values, self._columns, strict=True)]
                for values in found
            ]
        return [self._row._make(values) for values in found]


_known: dict[tuple[int, tuple[str, ...]], tuple[Executable, _Compiled | None]] = {}


def _compiled(statement: Executable, names: tuple[str, ...], dialect: Dialect) -> _Compiled | None:
    """None: SQLAlchemy has to run it itself."""
    key = (id(statement), names)
    kept = _known.get(key)
    if kept is None:
        if len(_known) >= _MOST:
            return None
        # The statement is kept with what was made of it, so that its id stays its own.
        kept = _known[key] = (statement, _compile(statement, names, dialect))
    return kept[1]


def _compile(statement: Executable, names: tuple[str, ...], dialect: Dialect) -> _Compiled | None:
    if not isinstance(statement, (Select, TextClause, UpdateBase)):
        return None
    compiled = _Compiled(statement, names, dialect)
    # A list of values is written into the SQL anew at each execution.
    return None if "__[POSTCOMPILE" in compiled.sql else compiled


def _to_driver(kind: Any, dialect: Dialect) -> Convert:
    convert: Convert = kind.dialect_impl(dialect).bind_processor(dialect)
    return convert


def _from_driver(kind: Any, dialect: Dialect) -> Convert:
    # SQLite's driver tells no column types, so there is nothing to choose a conversion by but ours.
    convert: Convert = kind.dialect_impl(dialect).result_processor(dialect, None)
    return convert
