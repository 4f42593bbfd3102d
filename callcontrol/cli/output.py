"""What commands print: tables and details for people, JSON and files for programs."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
import msgspec

Row = Mapping[str, Any]
Column = tuple[str, Callable[[Row], object]]
"""Heading, and what a row has under it."""


def field(heading: str, name: str) -> Column:
    return heading, lambda row: row[name]


def cell(value: object) -> str:
    """As people read it; nothing in it can move the terminal's cursor."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return "".join(char if char.isprintable() else "?" for char in str(value))


def show(row: Row, as_json: bool) -> None:
    """One thing: its fields, or JSON."""
    print_json(row) if as_json else print_detail(row)


def show_all(rows: Sequence[Row], columns: Sequence[Column], as_json: bool, *, empty: str) -> None:
    """Many things: a table, or JSON."""
    print_json(rows) if as_json else print_table(rows, columns, empty=empty)


def print_table(rows: Sequence[Row], columns: Sequence[Column], *, empty: str) -> None:
    if not rows:
        click.echo(empty)
        return
    lines = [[heading for heading, _ in columns]]
    lines += [[cell(value(row)) for _, value in columns] for row in rows]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(columns))]
    for line in lines:
        padded = [text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True)]
        click.echo("  ".join(padded).rstrip())


def _width(text: str) -> int:
    """Columns of a terminal: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def print_detail(row: Row) -> None:
    width = max(len(name) for name in row)
    for name, value in row.items():
        click.echo(f"{name.replace('_', ' '):{width}}  {cell(value)}")


def print_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_json_rows(rows: Iterable[Row]) -> None:
    """A list of things one by one, however long it is."""
    between = "["
    for row in rows:
        text = msgspec.json.format(msgspec.json.encode(row), indent=2).decode()
        click.echo(f"{between}\n" + textwrap.indent(text, "  "), nl=False)
        between = ","
    click.echo("[]" if between == "[" else "\n]")


def print_lines(lines: Iterable[str]) -> None:
    """Lines with their own ends, in UTF-8 whatever the terminal's encoding: a file for another program."""
    for line in lines:
        click.echo(line.encode(), nl=False)


def local_time(value: str) -> str:
    """`22/11/2026 09:15:03`, in the zone that the instant carries (the company's)."""
    return datetime.fromisoformat(value).strftime("%d/%m/%Y %H:%M:%S")


def mm_ss(seconds: int) -> str:
    """R10: minutes and seconds from the answer; an hour is 60:00."""
    return f"{seconds // 60:02d}:{seconds % 60:02d}"
