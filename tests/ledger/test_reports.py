"""Usage (R5, D15), the call list and the totals of a period (R8-R10), nodes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, insert, text, update

from callcontrol.directory.tables import agents, companies, contacts, users
from callcontrol.domain.causes import Disposition, Reason
from callcontrol.domain.days import day_starts_at
from callcontrol.domain.status import CallStatus
from callcontrol.engine.ports.ledger import CallClosing, NodeMark
from callcontrol.engine.ports.minutes import RefundRequest
from callcontrol.engine.ports.reports import CallFilter, Days, Figures, PeriodReport, Place
from callcontrol.ledger import call_list
from tests.support.books import COMPANY, NOON, Books, add_company, closing, opening

DAY = date(2026, 11, 22)
TODAY = Days(DAY, DAY)


def call(call_id: str, at: datetime, talked_s: int | None = 60, **more: Any) -> CallClosing:
    """A call that began at `at` and was answered at once, or not at all."""
    answered_at = None if talked_s is None else at
    told = closing(call_id, at + timedelta(seconds=talked_s or 20), started_at=at, answered_at=answered_at)
    return replace(told, **more)


async def in_zone(books: Books, zone: str) -> None:
    change = update(companies).where(companies.c.id == COMPANY).values(time_zone=zone)
    await books.database.writer.submit(lambda connection: connection.execute(change).rowcount)


async def report(books: Books, days: Days = TODAY) -> PeriodReport:
    """The same by user, which adds up to it."""
    found = await books.minutes.report(COMPANY, days)
    by_user = await books.minutes.report(COMPANY, days, by_user=True)
    assert by_user.totals == found.totals
    assert found.users == ()
    return by_user


async def pages(books: Books, which: CallFilter, limit: int) -> list[list[str]]:
    found, after = [], None
    while True:
        page = await books.minutes.calls(COMPANY, which, after=after, limit=limit)
        found.append([listed.call.call_id for listed in page.calls])
        after = page.next
        if after is None:
            return found


async def test_usage_shows_contracted_and_consumed_of_pool_and_add_ons(books: Books) -> None:
    """R1, R5, R4: what the pool has not, add-ons have given; the percentage is the pool's."""
    await books.plan(4)
    await books.addon(10, "a", books.at(-40 * 24 * 3600))
    await books.addon(5, "b")
    await books.hang_up("a", 0, 60)
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.monthly_granted, usage.monthly_posted, usage.percent) == (4, 1, 25)
    assert (usage.addon_contracted_in_month, usage.addon_posted, usage.addon_balance) == (5, 0, 15)
    await books.hang_up("b", 0, 300)
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.monthly_posted, usage.percent) == (4, 100)
    assert (usage.addon_contracted_in_month, usage.addon_posted, usage.addon_balance) == (5, 2, 13)
    assert usage.renews_at == datetime(2026, 12, 1, 3, tzinfo=UTC)


async def test_calls_are_listed_newest_first_in_the_companys_days(books: Books) -> None:
    """R8, R9: a call belongs to the day of its answer, else of its start; 02:59 UTC is still yesterday."""
    await books.plan(100)
    for call_id, answered_at in (
        ("yesterday", datetime(2026, 11, 22, 2, 59, 59, tzinfo=UTC)),
        ("today", datetime(2026, 11, 22, 3, 0, tzinfo=UTC)),
        ("tonight", datetime(2026, 11, 23, 2, 59, 59, tzinfo=UTC)),
    ):
        await books.ledger.close(
            closing(call_id, answered_at, started_at=datetime(2026, 11, 22, 2, 0, tzinfo=UTC), answered_at=answered_at)
        )
    assert [row.call_id for row in await books.calls(CallFilter(days=TODAY))] == ["tonight", "today"]
    yesterday = Days(None, date(2026, 11, 21))
    assert [row.call_id for row in await books.calls(CallFilter(days=yesterday))] == ["yesterday"]
    assert [row.call_id for row in await books.calls(limit=1)] == ["tonight"]
    assert (await report(books)).totals.outbound.connected == 2
    assert (await report(books, yesterday)).totals.outbound.connected == 1


async def test_a_running_call_is_in_progress_and_in_no_total(books: Books) -> None:
    """D15: what is held is shown apart."""
    await books.plan(10)
    await books.dial("a")
    await books.answer("a", 3)
    (row,) = await books.calls()
    assert (row.disposition, row.ended_at, row.billed_minutes) == (None, None, 0)
    assert row.answered_at == books.at(3)
    usage = await books.minutes.usage(COMPANY, books.start)
    assert (usage.monthly_posted, usage.held) == (0, 1)
    found = await report(books)
    assert (found.totals.in_progress, found.totals.outbound, found.held) == (1, Figures(), 1)
    assert (await report(books, Days(last=date(2026, 11, 21)))).totals.in_progress == 0
    await books.hang_up("a", 3, 63)
    found = await report(books)
    assert (found.totals.in_progress, found.totals.outbound.total, found.held) == (0, 1, 0)


async def test_a_company_sees_only_its_own(books: Books) -> None:
    await books.ledger.authorise(opening("a", company_id=None, billable=False))
    await books.ledger.close(closing("b", books.at(60), company_id=None))
    await books.database.writer.submit(lambda connection: add_company(connection, 2))
    await books.ledger.close(closing("c", books.at(60), company_id=2))
    assert await books.calls() == []
    assert (await report(books)).totals.outbound == Figures()
    assert (await books.minutes.calls(99, CallFilter())).calls == ()
    assert (await books.minutes.report(99, Days())).totals.outbound == Figures()
    assert await books.minutes.entries(99) == []


async def test_totals_count_what_the_rule_says(books: Books) -> None:
    """R8: connected + not connected = total, minutes net of refunds; refused, inbound and internal calls apart."""
    await books.plan(100)
    for told in (
        call("a", NOON, 61),
        call("b", NOON, 600),
        call("c", NOON, None),
        call("d", NOON, None, disposition=Disposition.BUSY, reason=Reason.BUSY),
        call("e", NOON, None, disposition=Disposition.FAILED, reason=Reason.CONGESTION),
        call("f", NOON, None, disposition=Disposition.CANCELLED, reason=Reason.CANCELLED),
        call("g", NOON, None, disposition=Disposition.REFUSED, reason=Reason.POOL_EXHAUSTED),
        call("h", NOON, 90, direction="inbound"),
        call("i", NOON, 90, direction="internal"),
        call("j", NOON, 30, billable=False),
    ):
        for _ in range(2):  # closed twice is counted once (D7)
            await books.ledger.close(told)
    await books.minutes.refund(RefundRequest("b", 3, "r", "noise", "operator", books.at(900)))
    await books.minutes.refund(RefundRequest("b", 3, "r", "noise", "operator", books.at(901)))
    totals = (await report(books)).totals
    assert totals.outbound == Figures(3, 4, 1, billsec=691, billed_minutes=12, refunded_minutes=3)
    assert (totals.outbound.total, totals.outbound.minutes) == (7, 9)
    assert totals.inbound == Figures(connected=1, billsec=90)
    assert totals.internal == Figures(connected=1, billsec=90)
    usage = await books.minutes.usage(COMPANY, books.start)
    assert usage.monthly_posted == totals.outbound.minutes


async def test_by_user_and_agents_without_one_under_their_own_name(books: Books) -> None:
    """R8: whichever agent a user called from, then and now."""

    def people(connection: Connection) -> None:
        common = {"company_id": COMPANY, "created_at": NOON}
        connection.execute(insert(users).values(id=5, email="ana@x.br", name="Ana", role="agent", rights=[], **common))
        for agent_id, name in ((7, "Ramal 1"), (8, "Ramal 2")):
            connection.execute(
                insert(agents).values(
                    id=agent_id, extension=f"100{agent_id}", sip_username=f"100{agent_id}", name=name,
                    token_encrypted="-", **common,
                )
            )  # fmt: skip

    await books.database.writer.submit(people)
    await books.plan(100)
    await books.ledger.close(call("a", NOON, 60, agent_id=7, user_id=5))
    await books.ledger.close(call("b", NOON, 61, agent_id=8, user_id=5))
    await books.ledger.close(call("c", NOON, 200, agent_id=8))
    await books.ledger.close(call("d", NOON, None, agent_id=None))
    found = (await report(books)).users
    assert [(user.name, user.email, user.extension, user.totals.outbound.minutes) for user in found] == [
        ("Ana", "ana@x.br", None, 3),
        ("Ramal 2", None, "1008", 4),
        (None, None, None, 0),
    ]
    assert [listed.user for listed in (await books.minutes.calls(COMPANY, CallFilter())).calls] == [
        None,
        "Ramal 2",
        "Ana",
        "Ana",
    ]
    assert await pages(books, CallFilter(user_id=5), 9) == [["b", "a"]]
    assert await pages(books, CallFilter(agent_id=8), 9) == [["c", "b"]]


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/Sao_Paulo", date(2026, 11, 22)),
        ("America/Sao_Paulo", date(2018, 11, 4)),  # begins at 1:00
        ("America/Sao_Paulo", date(2018, 2, 17)),  # 25 hours
        ("America/St_Johns", date(2010, 11, 7)),  # begins once, though its date comes twice
        ("Asia/Kathmandu", date(2026, 11, 30)),
        ("Asia/Kolkata", date(2026, 11, 30)),
        ("Pacific/Chatham", date(2026, 4, 5)),
        ("Pacific/Apia", date(2011, 12, 29)),  # the next day does not exist
    ],
)
async def test_a_day_has_its_first_and_its_last_instant(books: Books, zone: str, day: date) -> None:
    """R8, R9, I12: in every zone, list and totals agree on the calls of a day."""
    await in_zone(books, zone)
    start, end = (day_starts_at(day + timedelta(days=after), ZoneInfo(zone)) for after in (0, 1))
    tick = timedelta(microseconds=1)
    for call_id, at in (("before", start - tick), ("first", start), ("last", end - tick), ("after", end)):
        await books.ledger.close(call(call_id, at, None))
    assert [row.call_id for row in await books.calls(CallFilter(days=Days(day, day)))] == ["last", "first"]
    assert (await report(books, Days(day, day))).totals.outbound.not_connected == 2
    assert (await report(books, Days(day))).totals.outbound.not_connected == 3
    assert (await report(books, Days(None, day))).totals.outbound.not_connected == 3
    skipped = date(2011, 12, 30)
    assert (await report(books, Days(skipped, skipped))).totals.outbound.total == 0


async def test_a_call_over_midnight_of_the_months_end_is_of_its_answers_day(books: Books) -> None:
    """R8, D2: rung in November, answered in December; and talked over midnight, it stays in November."""
    midnight = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
    await books.plan(100, at=midnight - timedelta(days=2))
    rang = replace(call("rang", midnight - timedelta(seconds=10)), answered_at=midnight + timedelta(seconds=5))
    await books.ledger.close(replace(rang, ended_at=midnight + timedelta(seconds=65)))
    await books.ledger.close(call("talked", midnight - timedelta(seconds=10), 3600))
    november, december = Days(date(2026, 11, 1), date(2026, 11, 30)), Days(date(2026, 12, 1), date(2026, 12, 31))
    assert (await report(books, november)).totals.outbound.minutes == 60
    assert (await report(books, december)).totals.outbound.minutes == 1
    assert [row.call_id for row in await books.calls(CallFilter(days=december))] == ["rang"]


async def test_after_a_change_of_zone_reports_are_right_before_they_are_counted_again(books: Books) -> None:
    """R9, I12: nothing is counted twice or lost while days are counted anew, nor a call that is closed meanwhile."""
    await books.plan(100)
    for day in range(5):
        await books.ledger.close(call(f"a{day}", NOON - timedelta(days=day, hours=10), 60 * day + 1))
    await books.dial("running")
    before = await report(books, Days())
    await in_zone(books, "Asia/Tokyo")
    nights = Days(date(2026, 11, 18), date(2026, 11, 19))
    assert (await report(books, Days())).totals == before.totals
    expected = (await report(books, nights)).totals
    assert expected.outbound.connected == 2
    await books.hang_up("running", 0, 60)
    await books.ledger.close(call("late", NOON - timedelta(days=2), 30))
    await books.minutes.refund(RefundRequest("a3", 1, "r", "noise", "operator", books.at(900)))
    whole = (await report(books, Days())).totals
    assert (whole.outbound.connected, whole.outbound.refunded_minutes, whole.in_progress) == (7, 1, 0)
    assert await books.findings() == []
    assert await books.minutes.count_calls() > 0
    assert (await report(books, Days())).totals == whole
    assert (await report(books, nights)).totals == replace(
        expected, outbound=expected.outbound + Figures(refunded_minutes=1)
    )
    assert await books.minutes.count_calls() == 0
    assert await books.findings() == []


async def test_calls_of_before_the_totals_are_counted_afterwards(books: Books) -> None:
    """What an older version has left: reports are right all the time."""
    await books.plan(100)
    for day in range(3):
        await books.ledger.close(call(f"a{day}", NOON - timedelta(days=day)))
    whole = await report(books, Days())

    def older(connection: Connection) -> None:
        for statement in (
            "DELETE FROM day_totals",
            "DELETE FROM user_day_totals",
            "UPDATE accounts SET totals_zone = NULL, totals_from = NULL",
        ):
            connection.execute(text(statement))

    await books.database.writer.submit(older)
    assert await report(books, Days()) == whole
    assert await books.minutes.count_calls() == 3
    assert await report(books, Days()) == whole
    assert await books.minutes.count_calls() == 0


async def test_a_clock_that_is_far_off_changes_no_total(books: Books) -> None:
    """A call of the year 1999, or of next week, is in its day and counted once."""
    await books.plan(100)
    await books.ledger.close(call("future", NOON + timedelta(days=7), None))
    await books.ledger.close(call("past", datetime(1999, 12, 31, 12, tzinfo=UTC), None))
    await books.ledger.close(call("now", NOON, None))
    for _ in range(2):
        assert (await report(books, Days())).totals.outbound.not_connected == 3
        assert (await report(books)).totals.outbound.not_connected == 1
        assert (await report(books, Days(None, date(2000, 1, 1)))).totals.outbound.not_connected == 1
        await books.minutes.count_calls()


async def test_pages_are_stable_while_calls_are_added(books: Books) -> None:
    """Each call is seen once, those of the same instant too; new ones come before the first page."""
    at = NOON
    for number in range(9):
        await books.ledger.close(call(f"c{number}", at + timedelta(seconds=number // 3), None))
    first = await books.minutes.calls(COMPANY, CallFilter(), limit=4)
    assert [listed.call.call_id for listed in first.calls] == ["c8", "c7", "c6", "c5"]
    await books.ledger.close(call("new", at + timedelta(seconds=60), None))
    await books.ledger.close(call("c55", at + timedelta(seconds=1), None))
    assert first.next is not None
    second = await books.minutes.calls(COMPANY, CallFilter(), after=Place.parse(str(first.next)), limit=4)
    assert [listed.call.call_id for listed in second.calls] == ["c4", "c3", "c2", "c1"]
    last = await books.minutes.calls(COMPANY, CallFilter(), after=second.next, limit=4)
    assert ([listed.call.call_id for listed in last.calls], last.next) == (["c0"], None)
    assert await pages(books, CallFilter(), 11) == [
        ["new", "c8", "c7", "c6", "c55", "c5", "c4", "c3", "c2", "c1", "c0"]
    ]


@pytest.mark.parametrize("place", ["", "x", "AAAA", "MjAyNg", str(Place(NOON, "a")) + "=", str(Place(NOON, "a"))[:-1]])
def test_what_is_no_place_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="not a place"):
        Place.parse(place)


def test_a_place_there_and_back() -> None:
    for place in (Place(NOON, "a b/ç"), Place(NOON + timedelta(microseconds=1), "")):
        assert Place.parse(str(place)) == place


async def test_calls_are_found_by_what_they_are(books: Books) -> None:
    """R10: status, direction, number, what was dialled, the contact's name and company."""

    def know(connection: Connection) -> None:
        connection.execute(
            insert(contacts).values(
                company_id=COMPANY, number="+5511988887777", name="José", contact_company="Pão", folded="jose pao"
            )
        )

    await books.database.writer.submit(know)
    await books.plan(100)
    await books.dial("calling")
    await books.dial("talking")
    await books.answer("talking", 1)
    await books.ledger.close(call("answered", NOON, number="+5511988887777", dialled="988887777"))
    await books.ledger.close(call("busy", NOON, None, disposition=Disposition.BUSY, number=None, dialled="0#_1"))
    await books.ledger.close(call("inside", NOON, direction="internal", number="1002", dialled="1002"))

    async def found(which: CallFilter) -> set[str]:
        return {row.call_id for row in await books.calls(which)}

    assert await found(CallFilter(statuses=frozenset({CallStatus.CALLING}))) == {"calling"}
    assert await found(CallFilter(statuses=frozenset({CallStatus.IN_CALL}))) == {"talking"}
    assert await found(CallFilter(statuses=frozenset({CallStatus.BUSY, CallStatus.IN_CALL}))) == {"busy", "talking"}
    assert await found(CallFilter(statuses=frozenset({CallStatus.REFUSED}))) == set()
    assert await found(CallFilter(direction="internal")) == {"inside"}
    for words in ("jose", "JOSÉ", "josé pão", "98888-7777", "+55 (11) 98888", "988887777"):
        assert await found(CallFilter(text=words)) == {"answered"}, words
    assert await found(CallFilter(text="0#_1")) == {"busy"}
    assert await found(CallFilter(text="1002")) == {"inside"}
    assert await found(CallFilter(text="%")) == set()
    assert await found(CallFilter(text="1002", direction="outbound")) == set()


async def test_a_search_for_what_is_rare_goes_on_where_it_stopped(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page looks at so many calls and no more; nothing is missed or seen twice."""
    monkeypatch.setattr(call_list, "EXAMINED", 4)
    for number in range(12):
        rare = {"disposition": Disposition.BUSY, "reason": Reason.BUSY} if number in (0, 3, 5, 6, 11) else {}
        await books.ledger.close(call(f"c{number:02}", NOON + timedelta(seconds=number), None, **rare))
    which = CallFilter(statuses=frozenset({CallStatus.BUSY}))
    assert await pages(books, which, 9) == [["c11"], ["c06", "c05"], ["c03", "c00"]]
    assert await pages(books, which, 1) == [["c11"], ["c06"], ["c05"], ["c03"], ["c00"]]


async def test_the_last_mark_of_a_node(books: Books) -> None:
    assert await books.ledger.last_mark("a") is None
    await books.ledger.mark_alive("a", NodeMark(books.at(1), books.at(-100)))
    await books.ledger.mark_alive("b", NodeMark(books.at(2), None))
    await books.ledger.mark_alive("a", NodeMark(books.at(3), books.at(-50)))
    assert await books.ledger.last_mark("a") == NodeMark(books.at(3), books.at(-50))
    assert await books.ledger.last_mark("b") == NodeMark(books.at(2), None)
