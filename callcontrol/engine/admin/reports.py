"""Commands about calls: the list (R10), and the totals of a period (R8)."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from callcontrol.domain.days import ONE_DAY
from callcontrol.domain.minutes import Period, period_of
from callcontrol.domain.status import call_status
from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin import validation as valid
from callcontrol.engine.admin.context import Context, Handlers
from callcontrol.engine.admin.errors import invalid, not_found
from callcontrol.engine.admin.views import (
    CallPageView,
    CallView,
    CompanyView,
    FiguresView,
    ReportView,
    TotalsView,
    UserTotalsView,
)
from callcontrol.engine.ports.reports import (
    LONGEST_PAGE,
    CallFilter,
    Days,
    Figures,
    ListedCall,
    Place,
    Totals,
    UserTotals,
)


class ReportCommands:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._reports = context.minutes

    def handlers(self) -> Handlers:
        return {c.ListCalls: self._list_calls, c.ShowReport: self._show_report}

    async def _list_calls(self, command: c.ListCalls, actor: str) -> CallPageView:
        days = _days(command.first_day, command.last_day)
        limit = valid.between(command.limit, 1, LONGEST_PAGE, "the limit")
        direction = None if command.direction is None else valid.direction(command.direction)
        statuses = frozenset(map(valid.status, command.statuses))
        text = valid.text(command.text, "the text to look for", empty=True)
        after = None if command.after is None else _place(command.after)
        company = await self._store.company(command.company)
        which = CallFilter(
            days=days,
            user_id=None if command.user is None else await self._user(company, command.user),
            agent_id=None if command.extension is None else await self._agent(company, command.extension),
            statuses=statuses,
            direction=direction,
            text=text,
        )
        page = await self._reports.calls(company.id, which, after=after, limit=limit)
        zone = ZoneInfo(company.time_zone)
        return CallPageView(
            calls=[_call(listed, zone) for listed in page.calls],
            next=None if page.next is None else str(page.next),
        )

    async def _show_report(self, command: c.ShowReport, actor: str) -> ReportView:
        days = _days(command.first_day, command.last_day)
        company = await self._store.company(command.company)
        if days == Days():
            days = _month(period_of(self._context.now(), ZoneInfo(company.time_zone)))
        report = await self._reports.report(company.id, days, by_user=command.by_user)
        return ReportView(
            company=company.slug,
            time_zone=company.time_zone,
            first_day=_iso(days.first),
            last_day=_iso(days.last),
            totals=_totals(report.totals),
            held=report.held,
            users=[_user_totals(user) for user in report.users] if command.by_user else None,
        )

    async def _user(self, company: CompanyView, email: str) -> int:
        user = await self._store.user(valid.email(email))
        if user.company != company.slug:
            raise not_found(f"company {company.slug!r} has no user {user.email}")
        return user.id

    async def _agent(self, company: CompanyView, extension: str) -> int:
        for agent in await self._store.agents(company.slug):
            if agent.extension == extension:
                return agent.id
        raise not_found(f"company {company.slug!r} has no agent {extension!r}")


def _days(first_day: str | None, last_day: str | None) -> Days:
    first, last = valid.day(first_day, "the first day"), valid.day(last_day, "the last day")
    if first is not None and last is not None and last < first:
        raise invalid(f"the last day, {last}, is before the first, {first}")
    return Days(first, last)


def _month(period: Period) -> Days:
    following = period.next()
    return Days(date(period.year, period.month, 1), date(following.year, following.month, 1) - ONE_DAY)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _place(value: str) -> Place:
    try:
        return Place.parse(value)
    except ValueError as error:
        raise invalid(f"{error}: give the `next` of the page before") from None


def _call(listed: ListedCall, zone: ZoneInfo) -> CallView:
    def local(instant: datetime | None) -> datetime | None:
        return None if instant is None else instant.astimezone(zone)

    call = listed.call
    return CallView(
        call_id=call.call_id,
        started_at=call.started_at.astimezone(zone),
        answered_at=local(call.answered_at),
        ended_at=local(call.ended_at),
        direction=call.direction,
        status=call_status(call.disposition, answered=call.answered_at is not None),
        disposition=None if call.disposition is None else call.disposition.value,
        reason=None if call.reason is None else call.reason.value,
        q850=call.q850,
        sip_code=call.sip_code,
        dialled=call.dialled,
        number=call.number,
        contact=listed.contact,
        contact_company=listed.contact_company,
        extension=listed.extension,
        user=listed.user,
        billsec=call.billsec,
        billed_minutes=call.billed_minutes,
        refunded_minutes=call.refunded_minutes,
        estimated=call.estimated,
        clock_step_s=call.clock_step_s,
    )


def _figures(figures: Figures) -> FiguresView:
    return FiguresView(
        connected=figures.connected,
        not_connected=figures.not_connected,
        total=figures.total,
        refused=figures.refused,
        minutes=figures.minutes,
        billed_minutes=figures.billed_minutes,
        refunded_minutes=figures.refunded_minutes,
        billsec=figures.billsec,
    )


def _totals(totals: Totals) -> TotalsView:
    return TotalsView(
        outbound=_figures(totals.outbound),
        inbound=_figures(totals.inbound),
        internal=_figures(totals.internal),
        in_progress=totals.in_progress,
    )


def _user_totals(user: UserTotals) -> UserTotalsView:
    return UserTotalsView(
        name=user.name,
        email=user.email,
        extension=user.extension,
        totals=_totals(user.totals),
    )
