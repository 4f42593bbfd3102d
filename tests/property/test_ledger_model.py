"""The ledger against the reference model, over months, duplicates, disorder, crashes, steps of the clock and changes of
the time zone; audited after every step."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Connection, select, text, update

from callcontrol.directory.tables import companies
from callcontrol.domain.grants import GrantKind
from callcontrol.domain.minutes import Period, billsec, period_of
from callcontrol.domain.reference import Model, Source
from callcontrol.engine.ports.ledger import CallClosing, Cdr, Hold, LedgerUnavailable
from callcontrol.engine.ports.minutes import (
    Cancellation,
    Gift,
    LiveCalls,
    NotRefundable,
    NotWithdrawable,
    Order,
    PlanCorrection,
    PolicyOrder,
    RefundRequest,
)
from callcontrol.ledger import keys
from callcontrol.ledger.accounts import group
from callcontrol.ledger.audit import audit
from callcontrol.ledger.tables import operations
from tests.support.books import COMPANY, NODE, Books, add_company, closing, open_books, opening
from tests.support.databases import new_database
from tests.support.fuse import Fuse, Moment, armed, fusible

T = TypeVar("T")
_POSTINGS = text(
    "SELECT g.id, g.kind, g.period, e.call_id, coalesce(e.minutes, 0) - (SELECT coalesce(sum(m.minutes), 0)"
    " FROM entries m WHERE m.company_id = e.company_id AND m.mirrors = e.seq) AS minutes"
    " FROM grants g LEFT JOIN entries e ON e.grant_id = g.id AND e.kind = 'post'"
)
MIDNIGHT = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
ZONES = ("America/Sao_Paulo", "America/Noronha", "America/Los_Angeles", "Pacific/Kiritimati", "Asia/Kathmandu")


@dataclass
class Talk:
    """A call that has been dialled and not closed."""

    call_id: str
    started_at: datetime
    answered_at: datetime | None = None
    held: int = 1


@dataclass
class Deed:
    """An operation that is asked for together with others."""

    keys: tuple[str, ...]
    """One of them is stored when it is done; a refused one leaves nothing."""
    ask: Callable[[], Awaitable[Any]]
    learn: Callable[[Any], None]
    """What came of it, told to the model and compared with what the model expects."""
    again: Callable[[], Awaitable[Any]] | None = None
    """The honest repetition of one that was stored, where it may have measured otherwise."""
    refusable: bool = False


Ask = Callable[[Books, Any], Coroutine[Any, Any, Any]]


@dataclass
class Pack:
    """An add-on or a gift, by its number among those of its kind."""

    kind: GrantKind
    order_id: str
    number: int
    granted: int


class LedgerMachine(RuleBasedStateMachine):
    dialect = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.place = ExitStack()
        directory = Path(self.place.enter_context(TemporaryDirectory()))
        self.place.enter_context(fusible())
        self.url = self.place.enter_context(new_database(self.dialect, directory, add_company))
        self.stack = AsyncExitStack()
        self.now = MIDNIGHT
        self.model = Model(SAO_PAULO)
        self.open: dict[str, Talk] = {}
        self.holds_told: dict[tuple[str, int], Hold] = {}
        self.closed: dict[str, tuple[CallClosing, Cdr]] = {}
        self.done: list[tuple[Ask, Any, Any]] = []
        """Every order, refund and correction, and what was answered."""
        self.packs: list[Pack] = []
        self.ordered = 0
        self.calls = 0

    def run(self, operation: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(operation)

    def ask(self, ask: Ask, request: Any) -> Any:
        """An order, or another request for minutes, that may be repeated later."""
        answer = self.run(ask(self.books, request))
        self.done.append((ask, request, answer))
        return answer

    def _request(self, ask: Ask, request: Any, learn: Callable[[Any], None]) -> Deed:
        """The same, to be asked for together with others."""

        def note(answer: Any) -> None:
            self.done.append((ask, request, answer))
            learn(answer)

        return Deed((keys.order_key(request.order_id),), lambda: ask(self.books, request), note)

    @property
    def order_id(self) -> str:
        """Of another order each time it is asked for."""
        self.ordered += 1
        return f"order-{self.ordered}"

    @initialize(
        before_midnight_s=st.sampled_from([0, 5, 70, 3600]),
        plan=st.sampled_from([0, 1, 2, 3, 4, 60]),
        next_plan=st.sampled_from([0, 1, 2, 3]),
        addon=st.sampled_from([0, 0, 0, 1]),
        limit=st.sampled_from([0, 0, 1, 6]),
    )
    def open_ledger(self, before_midnight_s: int, plan: int, next_plan: int, addon: int, limit: int) -> None:
        """Little is left and day 1 is near: where the rules meet."""
        self._open()
        self.now = MIDNIGHT - timedelta(seconds=before_midnight_s + 1)
        self.set_plan(plan)
        if next_plan < plan:
            self.set_plan(next_plan)
        if addon:
            self.buy_addon(addon)
        if limit:
            self.set_policy(limit)

    def _open(self) -> None:
        self.books: Books = self.run(self.stack.enter_async_context(open_books(self.url)))

    @rule()
    def restart(self) -> None:
        self._reopen()
        self._assert_recovery_finds_what_is_open()

    def _reopen(self) -> None:
        self.run(self.stack.aclose())
        self._open()

    def _assert_recovery_finds_what_is_open(self) -> None:
        found = {call.opening.call_id: call for call in self.run(self.books.ledger.open_calls(NODE))}
        assert set(found) == set(self.open)
        for call_id, talk in self.open.items():
            assert found[call_id].held.minutes == talk.held
            assert found[call_id].answered_at == talk.answered_at

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        self.place.close()

    # time

    @rule(seconds=st.sampled_from([1, 5, 59, 60, 61, 130]))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: not self.open)
    @rule(months=st.sampled_from([1, 3]), before_s=st.sampled_from([1, 5, 70]))
    def stay_idle(self, months: int, before_s: int) -> None:
        """Come back shortly before a day 1."""
        month = period_of(self.now, self.model.zone)
        for _ in range(months):
            month = month.next()
        self.now = month.ends_at(self.model.zone) - timedelta(seconds=before_s)

    @rule(seconds=st.sampled_from([-7200, -61, -3, 3, 61, 7200]))
    def step_the_clock(self, seconds: int) -> None:
        """Somebody sets it, or NTP does: what was told with the old time stays as it was told."""
        self.now += timedelta(seconds=seconds)

    @rule(zone=st.sampled_from(ZONES))
    def change_zone(self, zone: str) -> None:
        """The company moves, in the middle of whatever it does: from now on months begin elsewhere."""
        self.model.zone = ZoneInfo(zone)
        moved = update(companies).where(companies.c.id == COMPANY).values(time_zone=zone)
        self.run(self.books.database.writer.submit(lambda connection: connection.execute(moved) and None))

    # orders

    @rule(minutes=st.sampled_from([0, 1, 2, 3]))
    def set_plan(self, minutes: int) -> None:
        self._do(self._plan(minutes))

    def _plan(self, minutes: int) -> Deed:
        order = Order(COMPANY, minutes, self.order_id, self.now)

        def learn(period: Period) -> None:
            assert period == self.model.set_plan(minutes, order.at)

        return self._request(lambda books, order: books.minutes.set_plan(order), order, learn)

    @precondition(lambda self: sum(self.model.addons) < 2)
    @rule(minutes=st.sampled_from([1, 2, 3]))
    def buy_addon(self, minutes: int) -> None:
        """D4: it pays back what is owed first."""
        self._do(self._addon(minutes))

    def _addon(self, minutes: int) -> Deed:
        order = Order(COMPANY, minutes, self.order_id, self.now)

        def learn(_: None) -> None:
            self.packs.append(Pack(GrantKind.ADDON, order.order_id, len(self.model.addons), minutes))
            self.model.add_addon(minutes)

        return self._request(lambda books, order: books.minutes.add_addon(order), order, learn)

    @precondition(lambda self: sum(self.model.courtesies) < 2)
    @rule(minutes=st.sampled_from([1, 2]))
    def give_courtesy(self, minutes: int) -> None:
        self._do(self._gift(minutes))

    def _gift(self, minutes: int) -> Deed:
        gift = Gift(COMPANY, minutes, self.order_id, "goodwill", "operator", self.now)

        def learn(_: None) -> None:
            self.packs.append(Pack(GrantKind.COURTESY, gift.order_id, len(self.model.courtesies), minutes))
            self.model.courtesies.append(minutes)

        return self._request(lambda books, gift: books.minutes.give_courtesy(gift), gift, learn)

    @rule(limit=st.sampled_from([0, 1, 2, 6]))
    def set_policy(self, limit: int) -> None:
        """D4."""
        self._do(self._policy(limit))

    def _policy(self, limit: int) -> Deed:
        order = PolicyOrder(COMPANY, limit, self.order_id, "operator", self.now)

        def learn(_: object) -> None:
            self.model.limit = limit

        return self._request(lambda books, order: books.minutes.set_policy(order), order, learn)

    @precondition(lambda self: self.packs)
    @rule(data=st.data(), minutes=st.sampled_from([None, 1, 2]))
    def cancel_an_order(self, data: st.DataObject, minutes: int | None) -> None:
        pack = data.draw(st.sampled_from(self.packs))
        asked = Cancellation(
            COMPANY, pack.kind, pack.order_id, minutes, self.order_id, "typing error", "operator", self.now
        )
        self.model.renew(self.now)
        stock = self.model.addons if pack.kind is GrantKind.ADDON else self.model.courtesies
        fewer = pack.granted if minutes is None else minutes
        if fewer and self.model.withdraw(stock, pack.number, fewer):
            pack.granted -= fewer
            done = self.ask(lambda books, asked: books.minutes.cancel_order(asked), asked)
            assert (done.minutes, done.granted) == (fewer, pack.granted)
        else:
            with pytest.raises(NotWithdrawable):
                self.run(self.books.minutes.cancel_order(asked))

    @rule(minutes=st.sampled_from([0, 1, 2, 3]))
    def correct_the_plan(self, minutes: int) -> None:
        asked = PlanCorrection(COMPANY, minutes, self.order_id, "typing error", "operator", self.now)
        before = self.model.granted.get(self.model.renew(self.now), 0)
        if before > minutes and self.model.correct_plan(minutes, self.now):
            done = self.ask(lambda books, asked: books.minutes.correct_plan(asked), asked)
            assert (done.minutes, done.granted) == (before - minutes, minutes)
        else:
            with pytest.raises(NotWithdrawable):
                self.run(self.books.minutes.correct_plan(asked))

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def repeat_an_order(self, data: st.DataObject) -> None:
        ask, request, answer = data.draw(st.sampled_from(self.done))
        assert self.run(ask(self.books, replace(request, at=self.now))) == answer

    # calls

    @rule(count=st.integers(1, 3))
    def dial_together(self, count: int) -> None:
        """In one commit, so each must see what the others hold."""
        self._together([self._dial() for _ in range(count)])

    def _dial(self) -> Deed:
        name = self._new_call()

        def learn(hold: Hold | None) -> None:
            assert (hold and (hold.minutes, hold.last)) == self.model.dial(name, self.now)
            if hold is not None:
                self.open[name] = Talk(name, self.now)
                self.holds_told[name, 1] = hold

        key = keys.hold_key(keys.customer_leg(name), 1)
        return Deed((key,), lambda: self.books.ledger.authorise(opening(name, self.now)), learn, refusable=True)

    def _new_call(self) -> str:
        self.calls += 1
        return f"call-{self.calls}"

    @precondition(lambda self: any(talk.answered_at is None for talk in self.open.values()))
    @rule(data=st.data(), extends=st.booleans())
    def answer(self, data: st.DataObject, extends: bool) -> None:
        self._answer(
            data.draw(st.sampled_from([talk for talk in self.open.values() if talk.answered_at is None])), extends
        )

    def _answer(self, talk: Talk, extends: bool) -> None:
        talk.answered_at = self.now
        self.run(self.books.ledger.record_answer(talk.call_id, self.now, company_id=COMPANY))
        if extends:
            self._do(self._extend(talk, talk.held + 1))

    @precondition(lambda self: any(talk.answered_at is not None for talk in self.open.values()))
    @rule(data=st.data())
    def tell_an_answer_again(self, data: st.DataObject) -> None:
        """The first one stays (D7)."""
        talk = data.draw(st.sampled_from([talk for talk in self.open.values() if talk.answered_at is not None]))
        self.run(self.books.ledger.record_answer(talk.call_id, self.now, company_id=COMPANY))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), more=st.integers(0, 3))
    def extend(self, data: st.DataObject, more: int) -> None:
        """Also before the answer was told: the ledger cannot know in which order it will hear of things."""
        talk = data.draw(st.sampled_from(list(self.open.values())))
        self._do(self._extend(talk, talk.held + more))

    def _extend(self, talk: Talk, until: int) -> Deed:
        def learn(hold: Hold | None) -> None:
            if (talk.call_id, until) in self.holds_told:
                assert hold == self.holds_told[talk.call_id, until]
                return
            expected = self.model.extend(talk.call_id, until, self.now, talk.answered_at)
            assert (hold and (hold.minutes, hold.last)) == expected
            if hold is not None:
                talk.held = hold.minutes
                self.holds_told[talk.call_id, until] = hold

        key = keys.hold_key(keys.customer_leg(talk.call_id), until)

        def ask() -> Awaitable[Hold | None]:
            return self.books.ledger.extend(talk.call_id, until, self.now, company_id=COMPANY)

        return Deed((key,), ask, learn, refusable=True)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), cut=st.booleans(), untold_s=st.sampled_from([None, 1, 90]))
    def hang_up(self, data: st.DataObject, cut: bool, untold_s: int | None) -> None:
        talk = data.draw(st.sampled_from(list(self.open.values())))
        self._do(self._hang_up(talk, cut, untold_s))

    def _hang_up(self, talk: Talk, cut: bool, untold_s: int | None = None) -> Deed:
        """`untold_s`: one whose answer nobody has told was answered so long ago; one whose answer was told is closed
        by somebody who does not know of it (R6, D6)."""
        told_answer = talk.answered_at
        if untold_s is not None:
            told_answer = None if talk.answered_at else self.now - timedelta(seconds=untold_s)
        answered_at = talk.answered_at or told_answer
        cut = cut and answered_at is not None
        told = closing(talk.call_id, self.now, started_at=talk.started_at, answered_at=told_answer, cut=cut)

        def learn(cdr: Cdr) -> None:
            seconds = None if answered_at is None else billsec(answered_at, told.ended_at)
            billed = self.model.close(talk.call_id, seconds, cut, told.ended_at, answered_at)
            assert (cdr.billsec, cdr.billed_minutes) == (seconds or 0, billed)
            del self.open[talk.call_id]
            self.closed[talk.call_id] = told, cdr

        later = replace(told, ended_at=told.ended_at + timedelta(seconds=61), estimated=True)
        leg = keys.customer_leg(talk.call_id)
        ask, again = (lambda: self.books.ledger.close(told)), (lambda: self.books.ledger.close(later))
        return Deed((keys.post_key(leg), keys.void_key(leg)), ask, learn, again)

    @rule(
        next_plan=st.sampled_from([0, 1, 2]),
        count=st.integers(1, 2),
        dials_after=st.booleans(),
        extends=st.booleans(),
    )
    def dial_before_midnight_and_answer_after(
        self, next_plan: int, count: int, dials_after: bool, extends: bool
    ) -> None:
        """billing.md, Edges: from a month that has minutes into one that has few, which a new call may want too."""
        midnight = period_of(self.now, self.model.zone).ends_at(self.model.zone)
        if self.open and midnight - self.now > timedelta(hours=1):
            return  # nobody talks for weeks: the model posts minute by minute
        self.now = max(self.now, midnight - timedelta(seconds=5))
        self.set_plan(60)
        self.set_plan(next_plan)
        before = set(self.open)
        self.dial_together(count)
        over_midnight = set(self.open) - before
        self.now = midnight + timedelta(seconds=5)
        if dials_after:
            self.dial_together(1)
        for call_id in sorted(over_midnight):
            self._answer(self.open[call_id], extends)

    @rule(
        limit=st.sampled_from([0, 1, 3, 6]),
        minutes=st.integers(2, 7),
        watched=st.booleans(),
        ends=st.sampled_from([True, True, False]),
        addon=st.sampled_from([0, 0, 1, 3, 9]),
    )
    def talk_into_the_overdraft(self, limit: int, minutes: int, watched: bool, ends: bool, addon: int) -> None:
        """D4, D5: with somebody there to hold each minute, or nobody; and the add-on that pays back, or a part of it.
        By chance alone few calls would get so far."""
        self.set_policy(limit)
        self.model.renew(self.now)
        if self.model.free(self.model.holds, self.model.month(self.now)) < 1:
            self.give_courtesy(1)
        before = set(self.open)
        self.dial_together(1)
        for call_id in set(self.open) - before:
            talk = self.open[call_id]
            self._answer(talk, extends=False)
            for until in range(2, minutes + 1 if watched else 2):
                self._do(self._extend(talk, until))
            self.now += timedelta(minutes=minutes, seconds=-5)
            if ends:
                self._do(self._hang_up(talk, cut=watched))
        if addon:
            self.buy_addon(addon)

    # refunds (D9)

    @precondition(lambda self: any(self.model.posted.values()))
    @rule(data=st.data(), minutes=st.sampled_from([None, 1, 2, 3]))
    def refund(self, data: st.DataObject, minutes: int | None) -> None:
        call_id = data.draw(st.sampled_from([call_id for call_id, posted in self.model.posted.items() if posted]))
        request = RefundRequest(call_id, minutes, self.order_id, "reason", "operator", self.now)
        left = len(self.model.posted[call_id])
        if minutes is not None and minutes > left:
            with pytest.raises(NotRefundable):
                self.run(self.books.minutes.refund(request))
            return
        refund = self.ask(lambda books, request: books.minutes.refund(request), request)
        self.model.refund(call_id, minutes or left, self.model.renew(self.now))
        assert refund.left == len(self.model.posted[call_id])

    # repetition and disorder (D7)

    @precondition(lambda self: self.holds_told)
    @rule(data=st.data())
    def repeat_a_hold(self, data: st.DataObject) -> None:
        (call_id, minute), hold = data.draw(st.sampled_from(list(self.holds_told.items())))
        if minute == 1:
            assert self.run(self.books.ledger.authorise(opening(call_id, self.now))) == hold
        elif call_id in self.open:
            assert self.run(self.books.ledger.extend(call_id, minute, self.now, company_id=COMPANY)) == hold

    @precondition(lambda self: self.closed)
    @rule(data=st.data(), answered=st.booleans())
    def close_again_with_other_figures(self, data: st.DataObject, answered: bool) -> None:
        told, cdr = data.draw(st.sampled_from(list(self.closed.values())))
        again = replace(told, ended_at=self.now, answered_at=told.started_at if answered else None)
        assert self.run(self.books.ledger.close(again)) == cdr

    @precondition(lambda self: self.closed)
    @rule(data=st.data())
    def tell_a_closed_call_something_late(self, data: st.DataObject) -> None:
        call_id = data.draw(st.sampled_from(list(self.closed)))
        self.run(self.books.ledger.record_answer(call_id, self.now, company_id=COMPANY))
        assert self.run(self.books.ledger.extend(call_id, 99, self.now, company_id=COMPANY)) is None

    @rule()
    def close_a_call_that_was_never_authorised(self) -> None:
        name = self._new_call()
        told = closing(name, self.now, started_at=self.now)
        self.closed[name] = told, self.run(self.books.ledger.close(told))
        assert self.run(self.books.ledger.authorise(opening(name, self.now))) is None
        self.model.posted[name] = []

    # crashes

    @rule(
        data=st.data(),
        size=st.integers(1, 4),
        moment=st.sampled_from(Moment),
        statements=st.integers(1, 40),
        kills=st.booleans(),
        twice=st.booleans(),
    )
    def crash(self, data: st.DataObject, size: int, moment: Moment, statements: int, kills: bool, twice: bool) -> None:
        """Everything of one commit is lost or stored, whatever was asked for together, and asked for once more."""
        deeds = self._draw_deeds(data, size)
        if moment is Moment.AFTER_COMMIT:
            # A refusal stores nothing. Asked for again, after the others, it must have no reason to end otherwise.
            deeds.sort(key=lambda deed: deed.refusable)
        results, cut = self.run(self._cut(deeds, Fuse(moment, statements, kills), twice))
        if cut and kills:
            assert all(isinstance(result, asyncio.CancelledError) for result in results)
            self._reopen()
        untold: list[Deed] = []
        for deed, result in zip(deeds, results, strict=True):
            if not isinstance(result, BaseException):
                deed.learn(result)
            elif self._stored(deed):
                assert moment is Moment.AFTER_COMMIT
                deed.learn(self.run(_ended((deed.again or deed.ask)())))
            else:
                assert kills or isinstance(result, LedgerUnavailable)
                untold.append(deed)
        for deed in untold:
            self._do(deed)
        self._assert_recovery_finds_what_is_open()

    def _draw_deeds(self, data: st.DataObject, size: int) -> list[Deed]:
        """At most one about each call: what one finds depends on the other."""
        deeds: list[Deed] = []
        idle = list(self.open.values())
        for _ in range(size):
            what = data.draw(st.sampled_from(["dial", "extend", "hang up", "buy", "give", "overdraw", "plan"]))
            if what in ("extend", "hang up") and idle:
                talk = idle.pop(data.draw(st.integers(0, len(idle) - 1)))
                deeds.append(self._extend(talk, talk.held + 1) if what == "extend" else self._hang_up(talk, cut=False))
            elif what == "buy" and sum(self.model.addons) < 2:
                deeds.append(self._addon(1))
            elif what == "give" and sum(self.model.courtesies) < 2:
                deeds.append(self._gift(1))
            elif what == "overdraw":
                deeds.append(self._policy(data.draw(st.sampled_from([0, 2]))))
            elif what == "plan":
                deeds.append(self._plan(data.draw(st.integers(0, 3))))
            else:
                deeds.append(self._dial())
        return deeds

    async def _cut(self, deeds: list[Deed], fuse: Fuse, twice: bool) -> tuple[list[Any], bool]:
        """Ask for all of them in one commit and let the fuse blow in it. What each was told, a result or an error, and
        whether it blew: where all is refused nothing is committed."""
        writer = self.books.database.writer
        busy, go = threading.Event(), threading.Event()

        def wait(_: Connection) -> None:
            busy.set()
            assert go.wait(60)

        waiting = asyncio.create_task(writer.submit(wait, group(COMPANY)))
        assert await asyncio.to_thread(busy.wait, 60)
        asked = [asyncio.ensure_future(deed.ask()) for deed in deeds for _ in range(1 + twice)]
        await asyncio.sleep(0)  # each runs until it waits for the writer
        with armed(fuse):
            go.set()
            await waiting
            blown = asyncio.create_task(asyncio.to_thread(fuse.blown.wait))
            told = asyncio.gather(*asked, return_exceptions=True)
            await asyncio.wait({blown, told}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
            cut = fuse.blown.is_set()
            if cut and fuse.kills:
                for task in asked:
                    task.cancel()
            results = await told
            fuse.blown.set()
            await blown
        for once, again in zip(results[::2], results[1::2], strict=True) if twice else ():
            assert once == again or isinstance(once, BaseException)
        return results[:: 1 + twice], cut

    def _stored(self, deed: Deed) -> bool:
        found = select(operations.c.key).where(operations.c.key.in_(deed.keys))
        return self.run(self.books.database.writer.submit(lambda connection: connection.scalar(found) is not None))

    def _do(self, deed: Deed) -> None:
        deed.learn(self.run(_ended(deed.ask())))

    def _together(self, deeds: list[Deed]) -> None:
        async def ask() -> list[Any]:
            return await asyncio.gather(*(deed.ask() for deed in deeds))

        for deed, result in zip(deeds, self.run(ask()), strict=True):
            deed.learn(result)

    # after every step

    @invariant()
    def the_books_are_in_order(self) -> None:
        """I1-I12."""
        live = LiveCalls(NODE, frozenset(self.open), self.now)
        found = self.run(self.books.database.writer.submit(lambda connection: audit(connection, self.now, None, live)))
        assert found == []

    @invariant()
    def usage_is_the_models(self) -> None:
        usage = self.run(self.books.minutes.usage(COMPANY, self.now))
        self.model.renew(self.now)
        month = period_of(self.now, self.model.zone)
        granted = self.model.granted.get(month, 0)
        assert usage.monthly_granted == granted
        assert usage.monthly_posted == granted - self.model.pools.get(month, 0)
        assert usage.addon_balance == sum(self.model.addons)
        assert usage.courtesy_balance == sum(self.model.courtesies)
        assert usage.overdraft == sum(self.model.owed.values())
        assert usage.overdraft_limit == self.model.limit
        assert usage.held == sum(talk.held for talk in self.open.values())

    @invariant()
    def postings_are_the_models(self) -> None:
        """I7, net of refunds."""
        posted: dict[str, Counter[Source]] = {call_id: Counter() for call_id in self.closed}
        for call_id, source, minutes in self._postings():
            posted[call_id] += Counter({source: minutes})
        assert posted == {call_id: Counter(sources) for call_id, sources in self.model.posted.items()}

    @invariant()
    def grace_is_the_models(self) -> None:
        """D4, D5: which overdrawn minutes were beyond the limit."""
        entries = self.run(self.books.minutes.entries(COMPANY))
        graced = Counter({entry.call_id: 0 for entry in entries})
        for entry in entries:
            if entry.kind == "grace":
                graced[entry.call_id] += entry.minutes
        assert +graced == +Counter(self.model.graced)

    def _postings(self) -> list[tuple[str, Source, int]]:
        rows = self.run(self.books.database.writer.submit(lambda connection: connection.execute(_POSTINGS).all()))
        lasting = {kind: sorted({row.id for row in rows if row.kind == kind}) for kind in ("addon", "courtesy")}
        return [(row.call_id, (row.kind, _which(lasting, row)), row.minutes) for row in rows if row.call_id is not None]


async def _ended(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _which(lasting: dict[str, list[int]], row: Any) -> str:
    return str(lasting[row.kind].index(row.id)) if row.kind in lasting else str(row.period)


class PostgresqlLedgerMachine(LedgerMachine):
    dialect = "postgresql"


_USUAL = settings(max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LedgerMachine.TestCase.settings = _USUAL
PostgresqlLedgerMachine.TestCase.settings = settings(_USUAL, max_examples=5)
# Shrinking a failure takes longer than any one test may.
TestLedgerOnSqlite = pytest.mark.timeout(600)(LedgerMachine.TestCase)
TestLedgerOnPostgresql = pytest.mark.timeout(600)(PostgresqlLedgerMachine.TestCase)
