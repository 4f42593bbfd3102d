"""`python -m callcontrol.ledger.audit_worker`: the child process in which `AuditProcess` has the books audited.

Standard input: one line of JSON, the request, with the database's URL in it, so that no list of processes shows a
password. It stays open as long as the parent lives. Standard output: one document of JSON, the answer. What was not
foreseen goes to standard error as a traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from threading import Thread

import msgspec

from callcontrol import __version__
from callcontrol.database import DatabaseUnavailable, Limits, examine
from callcontrol.engine.ports.minutes import LiveCalls
from callcontrol.ledger.audit import audit

MOST_FINDINGS = 10_000
"""Beyond that they are counted: a defect that is in every call must not fill the daemon's memory."""
EXIT_DISAGREE = 3
"""Parent and child are of different versions."""
_EXIT_ORPHANED = 4


class AuditRequest(msgspec.Struct):
    """What `callcontrol.ledger.audit.audit` is to be asked, and of which database."""

    version: str
    url: str
    limits: Limits
    at: datetime
    company_id: int | None
    live: LiveCalls | None


class AuditAnswer(msgspec.Struct):
    """`unavailable`: why the database could not be read; there are no findings then."""

    findings: list[str]
    unavailable: str | None = None


def main() -> int:
    # Ctrl-C reaches every process of a terminal; this one ends with its parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked = sys.stdin.buffer.readline()
    if msgspec.json.decode(asked)["version"] != __version__:
        print(f"callcontrol {__version__} is installed by now: restart the daemon", file=sys.stderr)
        return EXIT_DISAGREE
    Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout.buffer.write(msgspec.json.encode(_answer(msgspec.json.decode(asked, type=AuditRequest))))
    sys.stdout.buffer.flush()
    return 0


def _answer(request: AuditRequest) -> AuditAnswer:
    try:
        found = examine(
            request.url, request.limits, lambda books: audit(books, request.at, request.company_id, request.live)
        )
    except DatabaseUnavailable as error:
        return AuditAnswer([], str(error))
    if len(found) > MOST_FINDINGS:
        found[MOST_FINDINGS:] = [f"and {len(found) - MOST_FINDINGS} more findings"]
    return AuditAnswer(found)


def _end_with_parent() -> None:
    # Past the buffer of `sys.stdin`, whose lock a thread that waits would still have when the interpreter ends.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(_EXIT_ORPHANED)


if __name__ == "__main__":
    sys.exit(main())
