"""D14: which destinations a company may call, prefix by prefix."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from callcontrol.domain.destinations import (
    DENIED_BY_DEFAULT,
    DestinationRule,
    ImpossiblePrefix,
    Verdict,
    judge,
    normalise_prefix,
)
from callcontrol.domain.numbers import Destination, DestinationKind, UndiallableNumber, normalise

EMERGENCY_CODES = ("190", "192")
EXTENSIONS = ("1001", "0800")


def dialled(number: str) -> Destination:
    return normalise(number, area_code="11", emergency_codes=EMERGENCY_CODES, extensions=EXTENSIONS)


def rules(*words: str) -> list[DestinationRule]:
    """`allow +1`, `deny 0800`."""
    return [DestinationRule(word.split()[1], word.startswith("allow")) for word in words]


NORTH = ("allow +1", "deny +1900", "deny +1876", "allow +18765550")
CITY = ("deny +55", "allow +5511", "deny +55119", "allow +551198")
DECISIONS = [
    # the defaults of the kinds
    ((), "988887777", True, None),
    ((), "30001000", True, None),
    ((), "0800 777 1234", True, None),
    ((), "0300 123 4567", True, None),
    ((), "0500 123 4567", True, None),
    ((), "4004 1234", True, None),
    ((), "102", True, None),
    ((), "0900 123 4567", False, None),
    ((), "0014155552671", False, None),
    ((), "+351211234567", False, None),
    # one prefix opens a kind, or a part of it
    (("allow +",), "+351211234567", True, "+"),
    (("allow +",), "988887777", True, "+"),
    (("allow +",), "0900 123 4567", False, None),
    (("allow +351",), "00 351 211 234 567", True, "+351"),
    (("allow +351",), "+33142345678", False, None),
    (("allow 0900",), "0900123456", True, "0900"),
    (("allow 0900123",), "0900123456", True, "0900123"),
    (("allow 0900124",), "0900123456", False, None),
    # one prefix closes one
    (("deny +",), "988887777", False, "+"),
    (("deny +",), "08007771234", True, None),
    (("deny 0800",), "08007771234", False, "0800"),
    (("deny 0300",), "0300 123 4567", False, "0300"),
    (("deny 4004",), "40041234", False, "4004"),
    (("deny 4004",), "40031234", True, None),
    (("deny 102",), "102", False, "102"),
    (("deny 102",), "115", True, None),
    (("deny +5511988887777",), "988887777", False, "+5511988887777"),
    (("deny +5511988887777",), "988887778", True, None),
    # the longest of several decides, in whatever order they are
    (NORTH, "+12125551234", True, "+1"),
    (NORTH, "+19005551234", False, "+1900"),
    (NORTH, "+18765551234", False, "+1876"),
    (NORTH, "+18765550234", True, "+18765550"),
    (NORTH[::-1], "+18765550234", True, "+18765550"),
    (NORTH, "+442079460958", False, None),
    (CITY, "2130001000", False, "+55"),
    (CITY, "30001000", True, "+5511"),
    (CITY, "977777777", False, "+55119"),
    (CITY, "988887777", True, "+551198"),
    (CITY[::-1], "988887777", True, "+551198"),
    (CITY, "021988887777", False, "+55"),
    # however it was dialled: the normalised number counts
    (("deny +5521",), "0 15 21 3333 4444", False, "+5521"),
    (("deny +5521",), "005521987654321", False, "+5521"),
    (("allow +33",), "001533142345678", True, "+33"),
    # a prefix of the national form says nothing of E.164, and the other way round
    (("deny 115",), "1150001000", True, None),
    (("deny +190",), "190", True, None),
    # what always passes (D16)
    (("deny 190", "deny +"), "190", True, None),
    (("deny 100", "deny 0800"), "1001", True, None),
    (("deny 0800",), "0800", True, None),
]


@pytest.mark.parametrize(("words", "number", "allowed", "prefix"), DECISIONS)
def test_the_longest_prefix_decides(words: tuple[str, ...], number: str, allowed: bool, prefix: str | None) -> None:
    verdict = judge(dialled(number), rules(*words))
    assert (verdict.allowed, verdict.rule and verdict.rule.prefix) == (allowed, prefix)


@pytest.mark.parametrize(
    ("written", "prefix"),
    [
        ("+", "+"),
        ("+1", "+1"),
        ("+55 (11) 9", "+55119"),
        ("+55.11", "+5511"),
        ("+5511987654321", "+5511987654321"),
        ("+555", "+555"),
        ("+8", "+8"),
        ("+21", "+21"),
        (" 0300 ", "0300"),
        ("0500", "0500"),
        ("0800 777", "0800777"),
        ("0900", "0900"),
        ("4003", "4003"),
        ("4004-12", "400412"),
        ("102", "102"),
    ],
)
def test_a_prefix_is_kept_normalised(written: str, prefix: str) -> None:
    assert normalise_prefix(written, emergency_codes=EMERGENCY_CODES) == prefix


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "++", "+0", "+055", "00", "0044", "0055", "55", "11", "1", "11987654321", "021", "98", "30001000"),
        *("0", "03", "080", "0700", "0310", "400", "4005", "2", "200", "1023", "40041234567", "080077712345678"),
        *("+5520", "+5510", "+55111", "+551112", "+999", "+9991", "+55119876543210", "+1234567890123456"),
        *("+1*", "abc", "+a", "١", "+１", "1\n02"),
    ],
)
def test_what_no_number_begins_with_is_refused(written: str) -> None:
    with pytest.raises(ImpossiblePrefix, match="no number begins with"):
        normalise_prefix(written, emergency_codes=EMERGENCY_CODES)


def test_a_rule_about_an_emergency_code_is_refused() -> None:
    """It would have no effect, and whoever wrote it would believe otherwise (D16)."""
    with pytest.raises(ImpossiblePrefix, match="always passes"):
        normalise_prefix("190", emergency_codes=EMERGENCY_CODES)
    assert normalise_prefix("190", emergency_codes=()) == "190"


national = st.sampled_from(["0300", "0500", "0800", "0900", "4003", "4004", "102", "115", "190", "1001"])
mobile = st.builds(
    str.__add__, st.sampled_from(["9", "+55119", "+55219"]), st.text("0123456789", min_size=8, max_size=8)
)
written = st.one_of(
    mobile,
    st.text("2345678", min_size=8, max_size=8),
    st.builds(str.__add__, st.just("+1"), st.text("0123456789", min_size=10, max_size=10)),
    st.builds(str.__add__, st.sampled_from(["+", "+55", "+5511", "+351"]), st.text("0123456789", max_size=12)),
    st.builds(str.__add__, national, st.text("0123456789", min_size=6, max_size=7)),
    national,
)


@st.composite
def destinations(draw: st.DrawFn) -> Destination:
    try:
        return dialled(draw(written))
    except UndiallableNumber:
        assume(False)
        raise


@st.composite
def situations(draw: st.DrawFn) -> tuple[Destination, dict[str, bool]]:
    """A number and rules, many of which are about it."""
    destination = draw(destinations())
    related = st.integers(1, len(destination.number)).map(lambda length: destination.number[:length])
    return destination, draw(st.dictionaries(related | st.text("+0123456789", min_size=1, max_size=6), st.booleans()))


def naive(destination: Destination, said: dict[str, bool]) -> Verdict:
    """Take one digit after the other away until there is a rule."""
    if destination.kind in (DestinationKind.EMERGENCY, DestinationKind.EXTENSION):
        return Verdict(True, None)
    prefix = destination.number
    while prefix:
        if prefix in said:
            return Verdict(said[prefix], DestinationRule(prefix, said[prefix]))
        prefix = prefix[:-1]
    return Verdict(destination.kind not in DENIED_BY_DEFAULT, None)


@given(situations(), st.randoms())
def test_as_a_naive_model_decides_whatever_the_order(
    situation: tuple[Destination, dict[str, bool]], random: Random
) -> None:
    destination, said = situation
    shuffled = [DestinationRule(prefix, allowed) for prefix, allowed in said.items()]
    random.shuffle(shuffled)
    assert judge(destination, shuffled) == naive(destination, said)


@given(destinations(), st.data())
def test_every_beginning_of_a_number_can_be_a_rule(destination: Destination, data: st.DataObject) -> None:
    """But for national forms, whose first digits alone would say too little."""
    assume(destination.kind not in (DestinationKind.EMERGENCY, DestinationKind.EXTENSION))
    shortest = 1 if destination.number.startswith("+") else min(4, len(destination.number))
    prefix = destination.number[: data.draw(st.integers(shortest, len(destination.number)))]
    assert normalise_prefix(prefix, emergency_codes=EMERGENCY_CODES) == prefix


@given(st.text(max_size=20) | st.text("+0123456789 -()", max_size=20))
def test_a_prefix_is_its_own_normal_form_or_refused(text: str) -> None:
    try:
        prefix = normalise_prefix(text, emergency_codes=EMERGENCY_CODES)
    except ImpossiblePrefix:
        return
    assert normalise_prefix(prefix, emergency_codes=EMERGENCY_CODES) == prefix
