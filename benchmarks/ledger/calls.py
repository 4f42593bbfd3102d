"""Calls as the engine puts them to the ledger, and companies rich enough for all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from callcontrol.domain.admission import CallTerms
from callcontrol.domain.causes import Disposition, Reason
from callcontrol.engine.ports.ledger import CallClosing, CallOpening

NODE = "benchmark"
MINUTES = 100_000_000
"""A company's plan: never exhausted here."""
ZONE = "America/Sao_Paulo"
BEGAN_AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_RANG_FOR = timedelta(seconds=4)
_TALKED_FOR = timedelta(seconds=97)


class BenchmarkCall:
    """What the ledger is told of one answered call of two billed minutes."""

    def __init__(self, call_id: str, company_id: int) -> None:
        self.call_id = call_id
        self.company_id = company_id
        self.answered_at = BEGAN_AT + _RANG_FOR
        self.opening = CallOpening(
            call_id=call_id,
            node=NODE,
            sip_username="1001",
            dialled="999990000",
            agent_channel=f"pbx-1763812800.{call_id}",
            customer_channel=f"cc-{call_id}-customer",
            started_at=BEGAN_AT,
            terms=CallTerms(
                company_id=company_id,
                agent_id=7,
                user_id=None,
                direction="outbound",
                number="+5511999990000",
                dial_string="PJSIP/+5511999990000@carrier",
                trunk="carrier",
                caller_id="+551130000000",
                billable=True,
                max_call_s=10_800,
                time_zone=ZONE,
            ),
        )
        self.closing = CallClosing(
            call_id=call_id,
            node=NODE,
            sip_username="1001",
            dialled="999990000",
            agent_channel=self.opening.agent_channel,
            customer_channel=self.opening.customer_channel,
            started_at=BEGAN_AT,
            company_id=company_id,
            agent_id=7,
            user_id=None,
            direction="outbound",
            number="+5511999990000",
            rang_at=BEGAN_AT + _RANG_FOR / 2,
            answered_at=self.answered_at,
            ended_at=self.answered_at + _TALKED_FOR,
            disposition=Disposition.ANSWERED,
            reason=Reason.CUSTOMER_HUNG_UP,
            q850=16,
            sip_code=None,
            cut_for_exhaustion=False,
            estimated=False,
        )
