"""A file outside the database that says what was asked of the ledger and what was answered, line by line.

Each line is one write of the process that asks, in the kernel's hands at once: killing the process loses none of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from tests.support.books import Books
from tests.support.requests import Answer, AnyRequest


class Asked(msgspec.Struct, frozen=True, tag=True):
    number: str
    request: AnyRequest


class Told(msgspec.Struct, frozen=True, tag=True):
    number: str
    answer: Answer


_LINE: msgspec.json.Decoder[Asked | Told] = msgspec.json.Decoder(Asked | Told)


class Notebook:
    """The witness's pen."""

    def __init__(self, file: Path, name: str) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._name = name
        self._asked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    async def ask(self, books: Books, request: AnyRequest) -> Answer:
        """Ask, and write both down. Raises what the ledger raises; then nothing was told."""
        self._asked += 1
        number = f"{self._name}-{self._asked}"
        self._write(Asked(number, request))
        answer = await request.ask(books)
        self.tell(number, answer)
        return answer

    def tell(self, number: str, answer: Answer) -> None:
        self._write(Told(number, answer))

    def _write(self, line: Asked | Told) -> None:
        text = msgspec.json.encode(line) + b"\n"
        assert os.write(self._file, text) == len(text)


@dataclass
class Evidence:
    """What a witness's file says so far."""

    file: Path
    asked: dict[str, AnyRequest] = field(default_factory=dict)
    """In the order of asking."""
    told: dict[str, Answer] = field(default_factory=dict)
    tellers: set[str] = field(default_factory=set)
    """The names of those who were told anything."""
    _read: int = 0

    def read(self) -> int:
        """Read on; how many answers there are."""
        with self.file.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                said = _LINE.decode(line)
                if isinstance(said, Asked):
                    self.asked[said.number] = said.request
                else:
                    self.told[said.number] = said.answer
                    self.tellers.add(said.number.rpartition("-")[0])
        return len(self.told)

    @property
    def untold(self) -> dict[str, AnyRequest]:
        return {number: request for number, request in self.asked.items() if number not in self.told}
