# ruff: noqa: ASYNC240 - the tests write small local files while nothing else runs
"""Asterisk's record read as a recovery needs it (D6): rotation, half-written lines, junk, size, waiting for the end."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import lzma
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callcontrol.cel import CelFile
from callcontrol.cel.rows import Row, parse, parse_time
from callcontrol.engine.ports.records import ChannelRecord

T0 = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
LONG_AGO = T0 - timedelta(days=1000)


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def line(kind: str, second: float, channel: str, extra: str = "") -> str:
    micros = (at(second) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    when = f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
    quoted = extra.replace('"', '""')
    return f'"{kind}","{when}","{channel}","{channel}","PJSIP/1001-00000001","Stasis","callcontrol","","{quoted}"\n'


def life(channel: str, start: float, *, answer: float | None = 3, end: float | None = 40, cause: int = 16) -> str:
    text = line("CHAN_START", start, channel)
    if answer is not None:
        text += line("ANSWER", start + answer, channel)
    if end is not None:
        extra = f'{{"hangupcause":{cause},"hangupsource":"PJSIP/1001-00000001","dialstatus":""}}'
        text += line("HANGUP", start + end, channel, extra) + line("CHAN_END", start + end, channel)
    return text


@pytest.fixture
def current(tmp_path: Path) -> Path:
    return tmp_path / "callcontrol.csv"


async def read(path: Path, *channels: str, wait_s: float = 0, ended: bool = False) -> dict[str, ChannelRecord]:
    return await CelFile(path).read(channels, since=LONG_AGO, ended=channels if ended else (), wait_s=wait_s)


async def test_a_channel_from_its_rows(current: Path) -> None:
    current.write_text(life("other", 0) + life("cc-1-customer", 10.25, answer=2, end=99.5, cause=17) + life("x", 11))
    assert await read(current, "cc-1-customer", "never-seen") == {
        "cc-1-customer": ChannelRecord(
            channel_id="cc-1-customer",
            started_at=at(10.25),
            answered_at=at(12.25),
            ended_at=at(109.75),
            q850=17,
            last_seen_at=at(109.75),
        )
    }


async def test_fields_without_rows_are_none(current: Path) -> None:
    current.write_text(line("BRIDGE_ENTER", 5, "a") + life("b", 1, answer=None, end=None) + life("c", 1, cause=0))
    records = await read(current, "a", "b", "c")
    assert records["a"] == ChannelRecord("a", last_seen_at=at(5))
    assert records["b"] == ChannelRecord("b", started_at=at(1), last_seen_at=at(1))
    assert records["c"].q850 is None


async def test_no_channels_no_file_no_folder(tmp_path: Path, current: Path) -> None:
    assert await read(current) == {}
    assert await read(current, "a", wait_s=0.05, ended=True) == {}
    assert await read(tmp_path / "absent" / "x.csv", "a", wait_s=0.05, ended=True) == {}


async def test_the_line_being_written_is_left_for_later(current: Path) -> None:
    whole = life("a", 0)
    half = whole.index('"HANGUP"') + 30
    current.write_text(whole[:half])
    assert (await read(current, "a"))["a"].ended_at is None


async def test_junk_is_tolerated(current: Path) -> None:
    junk = (
        b'\x00\xff\n\n"ANSWER","yesterday","a","a","","","","",""\n"",,,\n"HANGUP","1795312345.1","a"\n'
        + b"x" * 300_000
    )
    current.write_bytes(life("a", 0).encode() + junk + b"\n" + life("b", 1).encode())
    records = await read(current, "a", "b")
    assert records["a"].ended_at == at(40)
    assert records["b"].answered_at == at(4)


async def test_a_damaged_extra_column_costs_only_the_cause(current: Path) -> None:
    current.write_text(
        life("a", 0, end=None) + line("HANGUP", 9, "a", "{not json") + line("HANGUP", 9, "a")[:-5] + "\n"
    )
    record = (await read(current, "a"))["a"]
    assert (record.ended_at, record.q850) == (at(9), None)


PACKERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    (".1", bytes),
    ("-20261122", bytes),
    ("-20261122-1795312345", bytes),
    (".2.gz", gzip.compress),
    ("-20261121.gz", gzip.compress),
    (".3.bz2", bz2.compress),
    (".3.xz", lzma.compress),
]


@pytest.mark.parametrize(("suffix", "pack"), PACKERS)
async def test_a_call_across_a_rotation(current: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    rows = life("a", 0).splitlines(keepends=True)
    current.with_name(current.name + suffix).write_bytes(pack("".join(rows[:2]).encode()))
    current.write_text("".join(rows[2:]))
    record = (await read(current, "a"))["a"]
    assert (record.started_at, record.answered_at, record.ended_at, record.q850) == (at(0), at(3), at(40), 16)


async def test_rotation_that_keeps_the_extension(current: Path) -> None:
    current.with_name("callcontrol-20261122.csv.gz").write_bytes(gzip.compress(life("a", 0).encode()))
    current.with_name("callcontrol-20261123.csv").write_text(life("b", 0))
    current.with_name("callcontrolled.csv").write_text(life("c", 0))
    assert (await read(current, "a", "b", "c")).keys() == {"a", "b"}


async def test_files_not_written_since_are_not_read(current: Path) -> None:
    old = current.with_name("callcontrol.csv.1")
    old.write_text(life("a", 0))
    os.utime(old, (at(100).timestamp(),) * 2)
    assert await CelFile(current).read(["a"], since=at(200), ended=(), wait_s=0) == {}
    assert (await CelFile(current).read(["a"], since=at(50), ended=(), wait_s=0)).keys() == {"a"}


async def test_a_broken_archive_hides_nothing_else(current: Path) -> None:
    current.with_name("callcontrol.csv.2.gz").write_bytes(gzip.compress(life("a", 0).encode())[:-20])
    current.with_name("callcontrol.csv.3.gz").write_bytes(b"no archive")
    current.with_name("callcontrol.csv.4.xz").write_bytes(b"no archive")
    current.with_name("callcontrol.csv.5").mkdir()
    current.with_name("callcontrol.csv.1").write_text(life("b", 0))
    assert (await read(current, "a", "b"))["b"].ended_at == at(40)


async def test_lines_over_the_borders_of_blocks_are_whole(current: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"channel-{number}" for number in range(60)]
    current.write_text("".join(life(name, number) for number, name in enumerate(names)))
    for block in (97, 256, 1000, 4096):
        monkeypatch.setattr("callcontrol.cel.files.BLOCK", block)
        records = await read(current, *names)
        assert [records[name].ended_at for name in names] == [at(40 + number) for number in range(60)]


async def test_a_huge_file_is_read_from_its_end_and_only_as_far_as_needed(current: Path) -> None:
    """Twenty gigabytes: reading all of it would run into the test's own limit, holding it into the machine's."""
    with current.open("wb") as file:
        file.truncate(20 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + "".join(life(f"a{number}", number) for number in range(100)).encode())
    records = await read(current, *(f"a{number}" for number in range(100)))
    assert len(records) == 100


async def waiting(path: Path, *channels: str) -> asyncio.Task[dict[str, ChannelRecord]]:
    """A reader that has found no end and waits for one."""
    task = asyncio.create_task(read(path, *channels, wait_s=30, ended=True))
    while True:
        done, _ = await asyncio.wait({task}, timeout=0.05)
        assert not done
        return task


async def appended(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def renamed(path: Path, text: str) -> None:
    """logrotate's way: the last rows are in the renamed file, newer ones in a new one."""
    with path.open("a") as file:
        file.write(text)
    path.rename(path.with_name(path.name + ".1"))
    path.write_text(life("later", 100))


async def renamed_before(path: Path, text: str) -> None:
    path.rename(path.with_name(path.name + ".1"))
    path.write_text(text)


async def copied_and_truncated(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)
    path.with_name(path.name + ".1").write_bytes(path.read_bytes())
    path.write_text(life("later", 100) * 50)


async def in_two_pieces(path: Path, text: str) -> None:
    await appended(path, text[:70])
    await asyncio.sleep(0)
    await appended(path, text[70:])


@pytest.mark.parametrize("write", [appended, renamed, renamed_before, copied_and_truncated, in_two_pieces])
async def test_the_end_is_waited_for(current: Path, write: Callable[[Path, str], Awaitable[None]]) -> None:
    rows = life("a", 0).splitlines(keepends=True)
    current.write_text("".join(rows[:2]))
    task = await waiting(current, "a")
    await write(current, "".join(rows[2:]))
    record = (await task)["a"]
    assert (record.started_at, record.ended_at, record.q850) == (at(0), at(40), 16)


async def test_the_file_may_appear_while_waiting(current: Path) -> None:
    task = await waiting(current, "a")
    current.write_text(life("a", 0))
    assert (await task)["a"].ended_at == at(40)


async def test_waiting_ends_at_its_bound_with_what_there_is(current: Path) -> None:
    current.write_text(life("a", 0) + life("b", 1, end=None))
    records = await read(current, "a", "b", wait_s=0.1, ended=True)
    assert (records["a"].ended_at, records["b"].ended_at, records["b"].answered_at) == (at(40), None, at(4))


def test_times_are_exact_and_nothing_else_is_a_time() -> None:
    assert parse_time("1795312345.678901") == datetime(2026, 11, 22, 1, 52, 25, 678901, tzinfo=UTC)
    assert parse_time("1795312345.5") == datetime(2026, 11, 22, 1, 52, 25, 500000, tzinfo=UTC)
    assert parse_time("1795312345") == datetime(2026, 11, 22, 1, 52, 25, tzinfo=UTC)
    for text in ("", "-1", "1e9", "2026-11-22 01:52:25", "1795312345.", "١٢", "999999999999"):
        assert parse_time(text) is None


def test_a_row_of_asterisk_22_10_1() -> None:
    captured = (
        b'"HANGUP","1795312708.376247","cc-TEST2-customer","cc-TEST2-customer","Local/190@callcontrol-agents-00000001;1",'
        b'"AppDial2","(Outgoing Line)","","{""hangupcause"":17,""hangupsource"":"""",""dialstatus"":""""}"'
    )
    assert parse(captured) == Row(
        "HANGUP", datetime(2026, 11, 22, 1, 58, 28, 376247, tzinfo=UTC), "cc-TEST2-customer", 17
    )
