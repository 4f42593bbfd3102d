"""Who may call what, before anything is held (R2, R11, R13, D14, D16)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callcontrol.domain.admission import Caller, CallTerms, Refusal, Trunk, admit
from callcontrol.domain.causes import Reason
from callcontrol.domain.destinations import DestinationRule
from callcontrol.domain.rights import Role
from tests.support.site import ANA

CODES = frozenset({"190", "192"})


def decide(caller: Caller | None, dialled: str, trunk: Trunk | None = None) -> CallTerms | Refusal:
    return admit(caller, dialled, emergency_codes=CODES, emergency_trunk=trunk)


def reason(decided: CallTerms | Refusal) -> Reason:
    assert isinstance(decided, Refusal)
    return decided.reason


def terms(decided: CallTerms | Refusal) -> CallTerms:
    assert isinstance(decided, CallTerms)
    return decided


def test_r13_an_outbound_call_is_billed_to_the_agents_company() -> None:
    made = terms(decide(ANA, "988887777"))
    assert (made.billable, made.company_id, made.number) == (True, 1, "+5511988887777")
    assert made.dial_string == "PJSIP/+5511988887777@carrier"
    assert made.caller_id == "+551130003000"  # R11


def test_r13_an_internal_call_never_is() -> None:
    made = terms(decide(replace(ANA, extensions={"1002": "padaria-1002"}), "1002"))
    assert (made.billable, made.direction, made.dial_string) == (False, "internal", "PJSIP/padaria-1002")
    assert made.caller_id == "1001"


@pytest.mark.parametrize(
    ("number_format", "dialled", "sent"),
    [
        ("e164", "988887777", "+5511988887777"),
        ("digits", "988887777", "5511988887777"),
        ("national", "988887777", "011988887777"),
        ("national", "0014155552671", "0014155552671"),
        ("digits", "0014155552671", "14155552671"),
        ("digits", "08007771234", "08007771234"),
        ("national", "40041234", "40041234"),
    ],
)
def test_a_trunk_gets_numbers_as_it_wants_them(number_format: str, dialled: str, sent: str) -> None:
    caller = replace(
        ANA,
        trunk=Trunk("carrier", "carrier", number_format),
        destinations=(DestinationRule("+", True),),
    )
    assert terms(decide(caller, dialled)).dial_string == f"PJSIP/{sent}@carrier"


def test_r2_a_follow_up_manager_calls_nobody_outside_and_everybody_inside() -> None:
    caller = replace(ANA, role=Role.FOLLOW_UP_MANAGER, extensions={"1002": "1002"})
    assert reason(decide(caller, "988887777")) is Reason.FOLLOW_UP_MANAGER
    assert terms(decide(caller, "1002")).direction == "internal"


@pytest.mark.parametrize("role", [None, *(role for role in Role if role is not Role.FOLLOW_UP_MANAGER)])
def test_r2_everybody_else_may_use_minutes(role: Role | None) -> None:
    assert terms(decide(replace(ANA, role=role), "988887777")).billable


@pytest.mark.parametrize(("dialled", "prefix"), [("0900123456", "0900"), ("0014155552671", "+")])
def test_d14_denied_by_default_and_allowed_by_company(dialled: str, prefix: str) -> None:
    assert reason(decide(ANA, dialled)) is Reason.DESTINATION_DENIED
    assert terms(decide(replace(ANA, destinations=(DestinationRule(prefix, True),)), dialled)).billable


def test_d14_a_company_denies_what_others_may_call() -> None:
    caller = replace(ANA, destinations=(DestinationRule("+5511", False), DestinationRule("+55113000", True)))
    assert reason(decide(caller, "988887777")) is Reason.DESTINATION_DENIED
    assert terms(decide(caller, "30001000")).number == "+551130001000"
    assert terms(decide(caller, "021988887777")).number == "+5521988887777"


@pytest.mark.parametrize(
    ("caller", "dialled", "expected"),
    [
        (None, "988887777", Reason.UNKNOWN_AGENT),
        (replace(ANA, blocked=True), "988887777", Reason.COMPANY_BLOCKED),
        (replace(ANA, origin_number=None), "988887777", Reason.NO_ORIGIN_NUMBER),
        (replace(ANA, trunk=None), "988887777", Reason.NO_TRUNK),
        (ANA, "5", Reason.UNDIALLABLE_NUMBER),
    ],
)
def test_refused_with_the_reason(caller: Caller | None, dialled: str, expected: Reason) -> None:
    assert reason(decide(caller, dialled)) is expected


@pytest.mark.parametrize(
    "caller",
    [None, ANA, replace(ANA, blocked=True), replace(ANA, role=Role.FOLLOW_UP_MANAGER), replace(ANA, trunk=None)],
)
def test_d16_emergency_passes_for_anyone(caller: Caller | None) -> None:
    denied = (DestinationRule("+", False), DestinationRule("190", False))
    caller = replace(caller, destinations=denied) if caller else None
    made = terms(decide(caller, "190", Trunk("rescue", "rescue")))
    assert not made.billable
    assert made.dial_string in ("PJSIP/190@carrier", "PJSIP/190@rescue")
    assert made.max_call_s >= 24 * 3600, "no cap (D13 does not apply)"


def test_d16_an_emergency_code_is_one_before_an_extension() -> None:
    caller = replace(ANA, extensions={"190": "190"})
    assert terms(decide(caller, "190")).direction == "outbound"
