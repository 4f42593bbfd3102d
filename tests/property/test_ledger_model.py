"""The ledger against the reference model, over months, duplicates, disorder and restarts; audited after every step."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import text

from callcontrol.domain.grants import GrantKind
from callcontrol.domain.minutes import billsec, period_of
from callcontrol.domain.reference import Model, Source
from callcontrol.engine.ports.ledger import CallClosing, Cdr, Hold
from callcontrol.engine.ports.minutes import (
    Cancellation,
    Gift,
    NotRefundable,
    NotWithdrawable,
    Order,
    PlanCorrection,
    PolicyOrder,
    RefundRequest,
)
from tests.support.books import COMPANY, NODE, Books, closing, open_books, opening

T = TypeVar("T")
_POSTINGS = text(
    "SELECT g.id, g.kind, g.period, e.call_id, coalesce(e.minutes, 0) - (SELECT coalesce(sum(m.minutes), 0)"
    " FROM entries m WHERE m.company_id = e.company_id AND m.mirrors = e.seq) AS minutes"
    " FROM grants g LEFT JOIN entries e ON e.grant_id = g.id AND e.kind = 'post'"
)
MIDNIGHT = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


@dataclass
class Talk:
    """A call that has been dialled and not closed."""

    call_id: str
    started_at: datetime
    answered_at: datetime | None = None
    held: int = 1


Ask = Callable[[Books, Any], Coroutine[Any, Any, Any]]


@dataclass
class Pack:
    """An add-on or a gift, by its number among those of its kind."""

    kind: GrantKind
    order_id: str
    number: int
    granted: int


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(mkdtemp())
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.now = MIDNIGHT
        self.model = Model(SAO_PAULO)
        self.open: dict[str, Talk] = {}
        self.holds_told: dict[tuple[str, int], Hold] = {}
        self.closed: dict[str, tuple[CallClosing, Cdr]] = {}
        self.done: list[tuple[Ask, Any, Any]] = []
        """Every order, refund and correction, and what was answered."""
        self.packs: list[Pack] = []
        self.calls = 0

    def run(self, operation: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(operation)

    def ask(self, ask: Ask, request: Any) -> Any:
        """An order, or another request for minutes, that may be repeated later."""
        answer = self.run(ask(self.books, request))
        self.done.append((ask, request, answer))
        return answer

    @property
    def order_id(self) -> str:
        return f"order-{len(self.done)}"

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
        self.books: Books = self.run(self.stack.enter_async_context(open_books(self.directory)))

    @rule()
    def restart(self) -> None:
        self.run(self.stack.aclose())
        self._open()
        found = {call.opening.call_id: call for call in self.run(self.books.ledger.open_calls(NODE))}
        assert set(found) == set(self.open)
        for call_id, talk in self.open.items():
            assert found[call_id].held.minutes == talk.held
            assert found[call_id].answered_at == talk.answered_at

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.directory)

    # time

    @rule(seconds=st.sampled_from([1, 5, 59, 60, 61, 130]))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: not self.open)
    @rule(months=st.sampled_from([1, 3]), before_s=st.sampled_from([1, 5, 70]))
    def stay_idle(self, months: int, before_s: int) -> None:
        """Come back shortly before a day 1."""
        month = period_of(self.now, SAO_PAULO)
        for _ in range(months):
            month = month.next()
        self.now = month.ends_at(SAO_PAULO) - timedelta(seconds=before_s)

    # orders

    @rule(minutes=st.sampled_from([0, 1, 2, 3]))
    def set_plan(self, minutes: int) -> None:
        order = Order(COMPANY, minutes, self.order_id, self.now)
        assert self.ask(lambda books, order: books.minutes.set_plan(order), order) == self.model.set_plan(
            minutes, self.now
        )

    @precondition(lambda self: sum(self.model.addons) < 2)
    @rule(minutes=st.sampled_from([1, 2, 3]))
    def buy_addon(self, minutes: int) -> None:
        """D4: it pays back what is owed first."""
        order = Order(COMPANY, minutes, self.order_id, self.now)
        self.packs.append(Pack(GrantKind.ADDON, order.order_id, len(self.model.addons), minutes))
        self.ask(lambda books, order: books.minutes.add_addon(order), order)
        self.model.add_addon(minutes, self.now)

    @precondition(lambda self: sum(self.model.courtesies) < 2)
    @rule(minutes=st.sampled_from([1, 2]))
    def give_courtesy(self, minutes: int) -> None:
        gift = Gift(COMPANY, minutes, self.order_id, "goodwill", "operator", self.now)
        self.packs.append(Pack(GrantKind.COURTESY, gift.order_id, len(self.model.courtesies), minutes))
        self.ask(lambda books, gift: books.minutes.give_courtesy(gift), gift)
        self.model.give_courtesy(minutes, self.now)

    @rule(limit=st.sampled_from([0, 1, 2, 6]))
    def set_policy(self, limit: int) -> None:
        """D4."""
        order = PolicyOrder(COMPANY, limit, self.order_id, "operator", self.now)
        self.ask(lambda books, order: books.minutes.set_policy(order), order)
        self.model.limit = limit

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
        self.model.renew(self.now)
        before = self.model.granted.get(self.model.month(self.now), 0)
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
        names = [f"call-{self.calls + number}" for number in range(count)]
        self.calls += count
        holds = self.run(self._dial(names))
        for name, hold in zip(names, holds, strict=True):
            expected = self.model.dial(name, self.now)
            assert (hold and (hold.minutes, hold.last)) == expected
            if hold is not None:
                self.open[name] = Talk(name, self.now)
                self.holds_told[name, 1] = hold

    async def _dial(self, names: list[str]) -> list[Hold | None]:
        return await asyncio.gather(*(self.books.ledger.authorise(opening(name, self.now)) for name in names))

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
            self._extend(talk, talk.held + 1)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), more=st.integers(0, 3))
    def extend(self, data: st.DataObject, more: int) -> None:
        talk = data.draw(st.sampled_from(list(self.open.values())))
        if talk.answered_at is not None:
            self._extend(talk, talk.held + more)

    def _extend(self, talk: Talk, until: int) -> None:
        hold = self.run(self.books.ledger.extend(talk.call_id, until, self.now, company_id=COMPANY))
        if (talk.call_id, until) in self.holds_told:
            assert hold == self.holds_told[talk.call_id, until]
            return
        assert (hold and (hold.minutes, hold.last)) == self.model.extend(
            talk.call_id, until, self.now, talk.answered_at
        )
        if hold is not None:
            talk.held = hold.minutes
            self.holds_told[talk.call_id, until] = hold

    @precondition(lambda self: self.open)
    @rule(data=st.data(), cut=st.booleans())
    def hang_up(self, data: st.DataObject, cut: bool) -> None:
        talk = data.draw(st.sampled_from(list(self.open.values())))
        cut = cut and talk.answered_at is not None
        told = closing(talk.call_id, self.now, started_at=talk.started_at, answered_at=talk.answered_at, cut=cut)
        cdr = self.run(self.books.ledger.close(told))
        seconds = None if talk.answered_at is None else billsec(talk.answered_at, self.now)
        billed = self.model.close(talk.call_id, seconds, cut, self.now, talk.answered_at)
        assert (cdr.billsec, cdr.billed_minutes) == (seconds or 0, billed)
        del self.open[talk.call_id]
        self.closed[talk.call_id] = told, cdr

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
        midnight = period_of(self.now, SAO_PAULO).ends_at(SAO_PAULO)
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
        self.model.renew(self.now)
        self.model.refund(call_id, minutes or left, self.model.month(self.now))
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
        name = f"call-{self.calls}"
        self.calls += 1
        told = closing(name, self.now, started_at=self.now)
        self.closed[name] = told, self.run(self.books.ledger.close(told))
        assert self.run(self.books.ledger.authorise(opening(name, self.now))) is None
        self.model.posted[name] = []

    # after every step

    @invariant()
    def the_books_are_in_order(self) -> None:
        """I1-I6, I8, I9."""
        assert self.run(self.books.findings()) == []

    @invariant()
    def usage_is_the_models(self) -> None:
        usage = self.run(self.books.minutes.usage(COMPANY, self.now))
        self.model.renew(self.now)
        month = period_of(self.now, SAO_PAULO)
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


def _which(lasting: dict[str, list[int]], row: Any) -> str:
    return str(lasting[row.kind].index(row.id)) if row.kind in lasting else str(row.period)


LedgerMachine.TestCase.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# Shrinking a failure takes longer than any one test may.
TestLedger = pytest.mark.timeout(600)(LedgerMachine.TestCase)
