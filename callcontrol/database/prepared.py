"""Statements that are compiled once and then run on the database's own driver.

SQLAlchemy builds a context, a result and its metadata for every execution, which on SQLite costs ten times what the
statement itself does; a call has some forty in the ledger (docs/performance.md). Here SQLAlchemy still writes
the SQL and says how values are converted, once per statement and by its public interfaces.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Connection, Executable, Select, TextClause
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.dml import UpdateBase

Convert = Callable[[Any], Any] | None

_NOTHING: Mapping[str, Any] = {}

_MOST = 256
"""Statements kept: those of the modules. One more is run by SQLAlchemy, so nothing grows without end."""


def prepared(connection: Connection) -> Connection:
    """The same connection for statements of modules, which run faster on it. In a transaction that has begun."""
    known = None if connection.dialect.is_async else _known.get(connection.dialect.driver)
    return connection if known is None else cast(Connection, _Prepared(connection, known))


_Known = dict[tuple[Any, ...], "tuple[Executable, _Compiled | None]"]
"""By the identity of a statement and the names of its parameters."""

_known: dict[str, _Known] = {"pysqlite": {}, "psycopg": {}}
"""By the driver."""


class _Prepared:
    """Of a `sqlalchemy.Connection` what operations use: `execute`."""

    __slots__ = ("_connection", "_driver", "_known")

    def __init__(self, connection: Connection, known: _Known) -> None:
        self._connection = connection
        self._known = known
        self._driver: Any = connection.connection.dbapi_connection

    def execute(self, statement: Executable, parameters: Mapping[str, Any] = _NOTHING) -> Any:
        """As `Connection.execute`, within its transaction. Raises what that raises."""
        kept = self._known.get((id(statement), *parameters))
        compiled = kept[1] if kept is not None else self._learn(statement, tuple(parameters))
        if compiled is None:
            return self._connection.execute(statement, parameters)
        return compiled.run(self._driver, parameters)

    def _learn(self, statement: Executable, names: tuple[str, ...]) -> _Compiled | None:
        """None: SQLAlchemy has to run it itself."""
        if len(self._known) >= _MOST:
            return None
        compiled = _compile(statement, names, self._connection.dialect)
        # The statement is kept with what was made of it, so that its id stays its own.
        self._known[id(statement), *names] = (statement, compiled)
        return compiled


class _Rows:
    """Of a `sqlalchemy.CursorResult` what operations use. Everything is read already."""

    __slots__ = ("_rows", "rowcount")

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
    """A statement as the driver takes it, with the conversions of its parameters and columns."""

    def __init__(self, statement: ClauseElement, names: tuple[str, ...], dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))
        self.sql: str = compiled.string
        self._dialect = dialect
        self._error: Any = dialect.loaded_dbapi.Error
        binds = {name: _to_driver(bind.type, dialect) for name, bind in compiled.binds.items()}
        self._constants = {name: value for name, value in compiled.params.items() if name not in names}
        self._converts = [(name, convert) for name, convert in binds.items() if convert is not None]
        self._changes = bool(self._constants or self._converts)
        # SQLite's driver takes a sequence, psycopg names.
        self._as_taken = _values_of(compiled.positiontup) if dialect.positional else _as_they_are
        columns = [_from_driver(column.type, dialect) for column in _columns_of(statement)]
        self._converts_columns = [(index, convert) for index, convert in enumerate(columns) if convert is not None]
        self._make_row: Any = None

    def run(self, driver: Any, given: Mapping[str, Any]) -> Any:
        if self._changes:
            values = {**self._constants, **given}
            for name, convert in self._converts:
                values[name] = convert(values[name])
            given = values
        bound = self._as_taken(given)
        try:
            cursor = driver.execute(self.sql, bound)
            # What returns nothing is done, and of the cursor its rowcount is asked; the rest is read to its end.
            return _Rows(self._read(cursor), cursor.rowcount) if cursor.description else cursor
        except self._error as error:
            raise DBAPIError.instance(self.sql, bound, error, self._error, dialect=self._dialect) from error

    def _read(self, cursor: Any) -> Sequence[Any]:
        if self._make_row is None:
            row: Any = namedtuple("Row", [column[0] for column in cursor.description], rename=True)  # type: ignore[misc]
            self._make_row = row._make
        found = cursor.fetchall()
        if self._converts_columns:
            found = [self._converted(list(values)) for values in found]
        return list(map(self._make_row, found))

    def _converted(self, values: list[Any]) -> list[Any]:
        for index, convert in self._converts_columns:
            values[index] = convert(values[index])
        return values


def _compile(statement: Executable, names: tuple[str, ...], dialect: Dialect) -> _Compiled | None:
    if not isinstance(statement, (Select, TextClause, UpdateBase)):
        return None
    compiled = _Compiled(statement, names, dialect)
    # A list of values is written into the SQL anew at each execution.
    return None if "__[POSTCOMPILE" in compiled.sql else compiled


def _as_they_are(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return values


def _values_of(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Any]:
    """The values of these names, in their order."""
    match names:
        case []:
            return lambda _: ()
        case [name]:
            return lambda values: (values[name],)
        case _:
            return itemgetter(*names)


def _columns_of(statement: ClauseElement) -> Sequence[Any]:
    """What its rows are made of; of plain SQL nobody knows."""
    if isinstance(statement, Select):
        return statement.selected_columns.values()
    return statement.exported_columns.values() if isinstance(statement, UpdateBase) else ()


def _to_driver(kind: Any, dialect: Dialect) -> Convert:
    convert: Convert = kind.dialect_impl(dialect).bind_processor(dialect)
    return convert


def _from_driver(kind: Any, dialect: Dialect) -> Convert:
    # What the driver says of a column's type is not asked: our statements say it.
    convert: Convert = kind.dialect_impl(dialect).result_processor(dialect, None)
    return convert
