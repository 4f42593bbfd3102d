"""Commands about minutes: what is contracted (R12), what is used (R1, R5), the entries."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable
from zoneinfo import ZoneInfo

from callcontrol.domain.grants import GrantKind
from callcontrol.domain.minutes import Period, period_of
from callcontrol.domain.overdraft import policy_of
from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin import validation as valid
from callcontrol.engine.admin.context import Context, Handlers
from callcontrol.engine.admin.errors import conflict, not_found
from callcontrol.engine.admin.views import (
    CompanyView,
    CorrectionView,
    EntryView,
    OrderView,
    PolicyView,
    RefundView,
    UsageView,
)
from callcontrol.engine.ports.minutes import (
    Cancellation,
    Gift,
    NotRefundable,
    NotWithdrawable,
    Order,
    PlanCorrection,
    PolicyOrder,
    RefundRequest,
    UnknownCall,
    UnknownOrder,
    Withdrawal,
)


class MinuteCommands:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._minutes = context.minutes

    def handlers(self) -> Handlers:
        return {
            c.SetPlan: self._set_plan,
            c.CorrectPlan: self._correct_plan,
            c.AddAddon: self._add_addon,
            c.AddCourtesy: self._add_courtesy,
            c.CancelOrder: self._cancel_order,
            c.SetPolicy: self._set_policy,
            c.RefundCall: self._refund_call,
            c.ShowUsage: self._show_usage,
            c.ListEntries: self._list_entries,
        }

    async def _set_plan(self, command: c.SetPlan, actor: str) -> OrderView:
        company = await self._store.company(command.company)
        order = Order(
            company_id=company.id,
            minutes=valid.between(command.minutes, 0, valid.MAX_MINUTES, "a plan, in minutes,"),
            order_id=f"plan-{secrets.token_hex(8)}" if command.order_id is None else valid.order_id(command.order_id),
            at=self._context.now(),
        )
        applies_from = await self._minutes.set_plan(order)
        return _ordered(company, order, applies_from)

    async def _add_addon(self, command: c.AddAddon, actor: str) -> OrderView:
        company = await self._store.company(command.company)
        order = Order(
            company_id=company.id,
            minutes=valid.between(command.minutes, 1, valid.MAX_MINUTES, "an add-on, in minutes,"),
            order_id=valid.order_id(command.order_id),
            at=self._context.now(),
        )
        await self._minutes.add_addon(order)
        return _ordered(company, order)

    async def _add_courtesy(self, command: c.AddCourtesy, actor: str) -> OrderView:
        company = await self._store.company(command.company)
        gift = Gift(
            company_id=company.id,
            minutes=valid.between(command.minutes, 1, valid.MAX_MINUTES, "a courtesy, in minutes,"),
            order_id=valid.order_id(command.order_id),
            reason=valid.text(command.reason, "the reason"),
            actor=actor,
            at=self._context.now(),
        )
        await self._minutes.give_courtesy(gift)
        return _ordered(company, gift)

    async def _correct_plan(self, command: c.CorrectPlan, actor: str) -> CorrectionView:
        company = await self._store.company(command.company)
        correction = PlanCorrection(
            company_id=company.id,
            minutes=valid.between(command.minutes, 0, valid.MAX_MINUTES, "a plan, in minutes,"),
            order_id=valid.order_id(command.order_id),
            reason=valid.text(command.reason, "the reason"),
            actor=actor,
            at=self._context.now(),
        )
        return await _corrected(company, correction.order_id, self._minutes.correct_plan(correction))

    async def _cancel_order(self, command: c.CancelOrder, actor: str) -> CorrectionView:
        company = await self._store.company(command.company)
        minutes, kinds = command.minutes, (GrantKind.ADDON, GrantKind.COURTESY)
        cancellation = Cancellation(
            company_id=company.id,
            kind=GrantKind(valid.word(command.kind, kinds, "what can be cancelled")),
            of_order=valid.order_id(command.of_order),
            minutes=None
            if minutes is None
            else valid.between(minutes, 1, valid.MAX_MINUTES, "a cancellation, in minutes,"),
            order_id=valid.order_id(command.order_id),
            reason=valid.text(command.reason, "the reason"),
            actor=actor,
            at=self._context.now(),
        )
        return await _corrected(company, cancellation.order_id, self._minutes.cancel_order(cancellation))

    async def _set_policy(self, command: c.SetPolicy, actor: str) -> PolicyView:
        company = await self._store.company(command.company)
        order = PolicyOrder(
            company_id=company.id,
            limit_minutes=valid.overdraft_limit(command.policy, command.limit_minutes),
            order_id=valid.order_id(command.order_id),
            actor=actor,
            at=self._context.now(),
        )
        await self._minutes.set_policy(order)
        return PolicyView(
            company=company.slug,
            order_id=order.order_id,
            policy=policy_of(order.limit_minutes).value,
            overdraft_limit=order.limit_minutes,
        )

    async def _refund_call(self, command: c.RefundCall, actor: str) -> RefundView:
        minutes = command.minutes
        request = RefundRequest(
            call_id=command.call_id,
            minutes=None if minutes is None else valid.between(minutes, 1, valid.MAX_MINUTES, "a refund, in minutes,"),
            request_id=valid.order_id(command.order_id),
            reason=valid.text(command.reason, "the reason"),
            actor=actor,
            at=self._context.now(),
        )
        try:
            refund = await self._minutes.refund(request)
        except UnknownCall as error:
            raise not_found(str(error)) from error
        except NotRefundable as error:
            raise conflict(str(error)) from error
        given_to: dict[str, int] = {}
        for kind, given in refund.given_to:
            given_to[kind] = given_to.get(kind, 0) + given
        return RefundView(
            call_id=refund.call_id,
            order_id=request.request_id,
            minutes=refund.minutes,
            given_to=given_to,
            left=refund.left,
        )

    async def _show_usage(self, command: c.ShowUsage, actor: str) -> UsageView:
        company = await self._store.company(command.company)
        usage = await self._minutes.usage(company.id, self._context.now())
        return UsageView(
            company=company.slug,
            period=str(usage.period),
            monthly_granted=usage.monthly_granted,
            monthly_posted=usage.monthly_posted,
            percent=usage.percent,
            addon_contracted_in_month=usage.addon_contracted_in_month,
            addon_posted=usage.addon_posted,
            addon_balance=usage.addon_balance,
            courtesy_balance=usage.courtesy_balance,
            overdraft=usage.overdraft,
            policy=policy_of(usage.overdraft_limit).value,
            overdraft_limit=usage.overdraft_limit,
            held=usage.held,
            next_pool=usage.next_pool,
            renews_at=usage.renews_at.astimezone(ZoneInfo(company.time_zone)),
        )

    async def _list_entries(self, command: c.ListEntries, actor: str) -> list[EntryView]:
        company = await self._store.company(command.company)
        zone = ZoneInfo(company.time_zone)
        rows = await self._minutes.entries(company.id, call_id=command.call_id)
        if command.call_id is not None and not rows:
            # A call that cost nothing has none; one that is not there is a slip of the pen.
            try:
                await self._minutes.account_of(command.call_id)
            except UnknownCall as error:
                raise not_found(str(error)) from error
        return [
            EntryView(
                seq=row.seq,
                at=row.at.astimezone(zone),
                kind=row.kind,
                minutes=row.minutes,
                grant_kind=row.grant_kind,
                grant_period=None if row.grant_period is None else str(row.grant_period),
                call_id=row.call_id,
                reference=row.reference,
                mirrors=row.mirrors,
                reason=row.reason,
            )
            for row in rows
        ]


def _ordered(company: CompanyView, order: Order | Gift, applies_from: Period | None = None) -> OrderView:
    """By default it counts from the month in which it is ordered."""
    month = applies_from or period_of(order.at, ZoneInfo(company.time_zone))
    return OrderView(company=company.slug, order_id=order.order_id, minutes=order.minutes, applies_from=str(month))


async def _corrected(company: CompanyView, order_id: str, correcting: Awaitable[Withdrawal]) -> CorrectionView:
    try:
        withdrawal = await correcting
    except UnknownOrder as error:
        raise not_found(str(error)) from error
    except NotWithdrawable as error:
        raise conflict(str(error)) from error
    return CorrectionView(
        company=company.slug, order_id=order_id, withdrawn=withdrawal.minutes, granted=withdrawal.granted
    )
