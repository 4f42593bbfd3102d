"""pgbench with the ledger's own statements (https://www.postgresql.org/docs/current/pgbench.html).

The script is written from one recorded call: its transactions, one for each operation, with what the ledger passes on
from one statement to the next (the entry's number, what is held, the grant) read by `\\gset` and passed on likewise.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.ledger.postgresql_recording import Statement

_PARAMETER = re.compile(r"%\((\w+)\)s")
_TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
_OF_COMPANY = {"company_id", "company", "account"}
_OF_GRANT = {"grant", "grant_id"}
_COUNTERS = ("held", "next_seq")
"""Of the account: written as what they were plus what the operation adds."""


def script(transactions: Sequence[Sequence[Statement]], *, call_id: str, company_id: int, companies: int) -> str:
    """A call whose id is its own at each run, of one of `companies` companies by chance. `transactions`: those of the
    recorded call, in order; before them the account must have been at rest."""
    lines = ["\\set k :k + 1", "\\set n :client_id * 1000000 + :k", f"\\set company random(1, {companies})"]
    # What the account had when the operation locked it, as the recording saw it: the call's own steps, one by one.
    counters = _counters_before(transactions)
    for transaction in transactions:
        lines.append("BEGIN;")
        for sql, parameters in transaction:
            values = {
                name: _written(name, value, sql, call_id, company_id, counters) for name, value in parameters.items()
            }
            written = _PARAMETER.sub(lambda found, values=values: values[found[1]], sql)  # type: ignore[misc]
            written = written.replace("%%", "%")
            ends = " \\gset" if "FOR UPDATE" in sql or "FROM grants" in sql else ";"
            lines.append(" ".join(written.split()) + ends)
            if sql.startswith("UPDATE accounts") and "held" in parameters:
                counters = {name: parameters[name] for name in _COUNTERS}
        lines.append("COMMIT;")
    return "\n".join(lines) + "\n"


def calls_per_second(
    program: Path, file: Path, *, host: str, port: int, user: str, database: str, clients: int, calls: int
) -> float:
    """Of a run of this script by so many clients at once, each making its share of `calls`."""
    done = subprocess.run(
        [
            *(str(program), "--no-vacuum", "--protocol", "prepared", "--define", "k=0", "--file", str(file)),
            *("--client", str(clients), "--jobs", str(min(clients, 2)), "--transactions", str(-(-calls // clients))),
            *("--host", host, "--port", str(port), "--username", user, database),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = _TPS.search(done.stdout)
    if done.returncode or found is None:
        raise RuntimeError(f"pgbench: {done.stderr.strip()[-1500:]}")
    return float(found[1])


def _counters_before(transactions: Sequence[Sequence[Statement]]) -> dict[str, int]:
    """The account at the call's beginning: what the first operation wrote, without the one minute it held."""
    for transaction in transactions:
        for sql, parameters in transaction:
            if sql.startswith("UPDATE accounts") and "held" in parameters:
                return {"held": parameters["held"] - 1, "next_seq": parameters["next_seq"]}
    raise ValueError("no operation of the call has written the account")


def _written(name: str, value: Any, sql: str, call_id: str, company_id: int, counters: Mapping[str, int]) -> str:
    if sql.startswith("UPDATE accounts") and name in counters:
        return f"(:{name} + {value - counters[name]})"
    if sql.startswith("INSERT INTO entries") and name == "seq":
        return ":next_seq"
    if name in _OF_GRANT:
        return ":id"
    if name in _OF_COMPANY and value == company_id:
        return ":company"
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return str(value).lower()
    text = _quoted(str(value))
    if call_id in text:
        text = "(" + text.replace(call_id, "' || 'bench-' || (:n)::text || E'") + ")"
    return text


def _quoted(text: str) -> str:
    # pgbench would take what follows a colon for one of its variables.
    escaped = text.replace("\\", "\\\\").replace("'", "''").replace(":", "\\072")
    return f"E'{escaped}'"
