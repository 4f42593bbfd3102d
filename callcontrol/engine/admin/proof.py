"""Commands that prove the books: audit, replay (I1-I12), and the explanation of one call."""

from __future__ import annotations

from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin.context import Context, Handlers
from callcontrol.engine.admin.errors import AdminError, ErrorKind, not_found
from callcontrol.engine.admin.explanation import explain
from callcontrol.engine.admin.views import AuditView, BalanceView, ExplanationView, ReplayView
from callcontrol.engine.ports.auditing import AuditFailed
from callcontrol.engine.ports.minutes import UnknownCall


class ProofCommands:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._minutes = context.minutes
        self._auditor = context.auditor

    def handlers(self) -> Handlers:
        return {c.AuditLedger: self._audit, c.ReplayLedger: self._replay, c.ExplainCall: self._explain}

    async def _audit(self, command: c.AuditLedger, actor: str) -> AuditView:
        company_id = None if command.company is None else (await self._store.company(command.company)).id
        live = self._context.live_calls()
        try:
            findings = await self._auditor.audit(self._context.now(), company_id=company_id, live=live)
        except AuditFailed as error:
            raise AdminError(f"the audit failed: {error}", ErrorKind.UNAVAILABLE) from error
        return AuditView(company=command.company, findings=findings)

    async def _replay(self, command: c.ReplayLedger, actor: str) -> ReplayView:
        company = await self._store.company(command.company)
        replay = await self._minutes.replay(company.id)
        return ReplayView(
            company=company.slug,
            entries=replay.entries,
            calls=replay.calls,
            balances=[
                BalanceView(grant=balance.name, rebuilt=balance.rebuilt, stored=balance.stored)
                for balance in replay.balances
            ],
            differences=list(replay.differences),
        )

    async def _explain(self, command: c.ExplainCall, actor: str) -> ExplanationView:
        try:
            account = await self._minutes.account_of(command.call_id)
        except UnknownCall as error:
            raise not_found(str(error)) from error
        sentences = explain(account)
        return ExplanationView(
            call_id=command.call_id,
            pt=[portuguese for portuguese, _ in sentences],
            en=[english for _, english in sentences],
        )
