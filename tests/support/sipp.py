"""SIPp: agents and carriers that send and take exactly the SIP messages of a scenario, and write all of them down."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.child import end_child, start_child
from lab.phone import PhoneAccount
from lab.ports import LOOPBACK, free_port, free_range
from tests.support.tools import find_tool
from tests.support.waiting import until

SCENARIOS = Path(__file__).resolve().parent.parent / "live" / "scenarios"

_STOP_TIMEOUT_S = 5.0
_BORDER = re.compile(r"^-{20,} (\S+\s+\S+)\n(\w+) message (sent|received) .*\n\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Message:
    """One SIP message that SIPp sent or received (RFC 3261)."""

    at: datetime
    """By the wall clock of this machine, without a zone."""
    sent: bool
    text: str

    @property
    def method(self) -> str:
        """Of a request; empty for a response."""
        word = self.text.split(" ", 1)[0]
        return "" if word.startswith("SIP/") else word

    @property
    def code(self) -> int:
        """Of a response; 0 for a request."""
        return 0 if self.method else int(self.text.split(" ", 2)[1])

    @property
    def dialled(self) -> str:
        """User part of a request's URI."""
        return self.text.split(" ", 2)[1].removeprefix("sip:").partition("@")[0]

    @property
    def has_sdp(self) -> bool:
        return "\nm=audio " in self.text

    def header(self, name: str) -> str:
        """Empty when there is none."""
        match = re.search(rf"^{name}:[ \t]*(.*?)\r?$", self.text, re.MULTILINE | re.IGNORECASE)
        return match[1] if match else ""

    @property
    def of_invite(self) -> bool:
        return self.header("CSeq").endswith("INVITE")


class Transcript:
    """Every message of one call, in order."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages

    @property
    def dialled(self) -> str:
        return next(message.dialled for message in self.messages if message.method == "INVITE")

    @property
    def responses(self) -> list[Message]:
        """Responses to the INVITE, in order, without the challenge; those that repeat themselves once."""
        found = [message for message in self.messages if message.code not in (0, 100, 401) and message.of_invite]
        return [message for n, message in enumerate(found) if n == 0 or found[n - 1].code != message.code]

    @property
    def answered_at(self) -> datetime | None:
        return next((message.at for message in self.responses if message.code == 200), None)

    @property
    def ended_at(self) -> datetime | None:
        return next((message.at for message in self.messages if message.method == "BYE"), None)


class Sipp:
    """One SIPp process; its files are in `directory`. Runs from entering until it is through or left."""

    def __init__(self, directory: Path, scenario: str, *arguments: str, talk_ms: int = 0) -> None:
        self.directory = directory
        self.sip_port = free_port()
        self._scenario = scenario
        self._arguments = arguments
        self._talk_ms = talk_ms
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.sip_port}"

    async def __aenter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        scenario = self.directory / f"{self._scenario}.xml"
        text = (SCENARIOS / scenario.name).read_text()
        scenario.write_text(text.replace("TALK_MS", str(self._talk_ms)))
        media_port, _ = free_range(8)
        command = [
            *(find_tool("sipp"), "-sf", str(scenario), "-nostdin", "-i", LOOPBACK, "-p", str(self.sip_port)),
            *("-mp", str(media_port), "-trace_msg", "-message_file", str(self.directory / "messages.log")),
            *("-trace_err", "-error_file", str(self.directory / "errors.log")),
            *self._arguments,
        ]
        with (self.directory / "console.log").open("wb") as console:
            self._process = await start_child(command, cwd=self.directory, output=console)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        await end_child(self._process, signal.SIGKILL, _STOP_TIMEOUT_S)

    async def until_listening(self) -> None:
        """For a scenario that takes calls. It answers nothing but what its scenario has, so the kernel is asked."""
        socket = f" 0100007F:{self.sip_port:04X} "

        def listens() -> bool:
            assert self._process is not None
            assert self._process.returncode is None, self._complaint()
            return socket in Path("/proc/net/udp").read_text()

        await until(listens, f"SIPp's {self._scenario} on {self.address}")

    async def until_through(self, timeout_s: float) -> None:
        """Until it has placed all its calls. AssertionError when one did not go as its scenario has it."""
        assert self._process is not None
        try:
            code = await asyncio.wait_for(self._process.wait(), timeout_s)
        except TimeoutError:
            raise TimeoutError(f"SIPp's {self._scenario} is not through after {timeout_s:g} s") from None
        assert code == 0, self._complaint()

    def calls(self) -> list[Transcript]:
        """What it wrote down so far, call by call, in the order of their beginnings."""
        log = self.directory / "messages.log"
        if not log.exists():
            return []
        parts = _BORDER.split(log.read_text(errors="replace"))[1:]
        calls: dict[str, list[Message]] = {}
        for at, _transport, direction, text in zip(*(parts[n::4] for n in range(4)), strict=True):
            instant = datetime.strptime(" ".join(at.split()), "%Y-%m-%d %H:%M:%S.%f")  # noqa: DTZ007
            message = Message(instant, direction == "sent", text.strip())
            calls.setdefault(message.header("Call-ID"), []).append(message)
        return [
            Transcript(messages)
            for messages in calls.values()
            if any(message.method == "INVITE" for message in messages)
        ]

    def _complaint(self) -> str:
        errors = self.directory / "errors.log"
        words = errors.read_text(errors="replace")[-2000:] if errors.exists() else ""
        code = self._process.returncode if self._process else None
        return f"SIPp's {self._scenario} ended with code {code}: {words}"


def agents(
    directory: Path,
    server: str,
    calls: Iterable[tuple[PhoneAccount, str]],
    *,
    scenario: str = "agent",
    at_once: int,
    per_s: int,
    talk_ms: int = 1000,
) -> Sipp:
    """Agents that place these calls (who, what is dialled) with their digest credentials, each once."""
    directory.mkdir(parents=True, exist_ok=True)
    rows = [
        f"{account.username};{number};[authentication username={account.username} password={account.token}]"
        for account, number in calls
    ]
    (directory / "calls.csv").write_text("\n".join(["SEQUENTIAL", *rows]) + "\n")
    return Sipp(
        directory,
        scenario,
        *("-inf", str(directory / "calls.csv"), "-m", str(len(rows)), "-l", str(at_once), "-r", str(per_s)),
        server,
        talk_ms=talk_ms,
    )


async def dial_all(directory: Path, server: str, calls: Iterable[tuple[PhoneAccount, str]]) -> dict[str, Transcript]:
    """Place these calls and wait for their ends: dialled number -> what the agent's phone saw."""
    async with agents(directory, server, calls, at_once=20, per_s=20) as placed:
        await placed.until_through(60)
        return {call.dialled: call for call in placed.calls()}


def carrier(directory: Path) -> Sipp:
    """See carrier.xml for what each number does."""
    return Sipp(directory, "carrier")
