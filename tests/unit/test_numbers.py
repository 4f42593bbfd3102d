"""Dialled numbers, form by form (the rule book's "Numbers")."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcontrol.domain.numbers import Destination, DestinationKind, UndiallableNumber, normalise

EMERGENCY_CODES = ("190", "191", "192", "193", "194", "197", "198", "199")
EXTENSIONS = ("1001", "33334444", "0800", "19", "192")
K = DestinationKind


def dialled(number: str, area_code: str = "11") -> Destination:
    return normalise(number, area_code=area_code, emergency_codes=EMERGENCY_CODES, extensions=EXTENSIONS)


TABLE = [
    # emergency first, then extensions
    ("190", K.EMERGENCY, "190"),
    ("192", K.EMERGENCY, "192"),
    ("1-9-9", K.EMERGENCY, "199"),
    ("1001", K.EXTENSION, "1001"),
    ("33334444", K.EXTENSION, "33334444"),
    ("3333-4444", K.EXTENSION, "33334444"),
    ("0800", K.EXTENSION, "0800"),
    ("19", K.EXTENSION, "19"),
    # three-digit services keep their form
    ("102", K.SERVICE, "102"),
    ("115", K.SERVICE, "115"),
    ("156", K.SERVICE, "156"),
    ("188", K.SERVICE, "188"),
    # numbers without E.164 form
    ("08001234567", K.NON_GEOGRAPHIC, "08001234567"),
    ("0800 123 4567", K.NON_GEOGRAPHIC, "08001234567"),
    ("0800 701 234", K.NON_GEOGRAPHIC, "0800701234"),
    ("0300 123 4567", K.NON_GEOGRAPHIC, "03001234567"),
    ("0500 123 4567", K.NON_GEOGRAPHIC, "05001234567"),
    ("4003-1234", K.NON_GEOGRAPHIC, "40031234"),
    ("40041234", K.NON_GEOGRAPHIC, "40041234"),
    ("0900 123 4567", K.PREMIUM, "09001234567"),
    # the company's area code
    ("30003000", K.GEOGRAPHIC, "+551130003000"),
    ("3000-3000", K.GEOGRAPHIC, "+551130003000"),
    ("20001000", K.GEOGRAPHIC, "+551120001000"),
    ("40051234", K.GEOGRAPHIC, "+551140051234"),
    ("50001000", K.GEOGRAPHIC, "+551150001000"),
    ("78001000", K.GEOGRAPHIC, "+551178001000"),
    ("987654321", K.MOBILE, "+5511987654321"),
    ("98765-4321", K.MOBILE, "+5511987654321"),
    ("9 8765 4321", K.MOBILE, "+5511987654321"),
    # with an area code
    ("1130003000", K.GEOGRAPHIC, "+551130003000"),
    ("(11) 3000-3000", K.GEOGRAPHIC, "+551130003000"),
    ("11987654321", K.MOBILE, "+5511987654321"),
    ("5530003000", K.GEOGRAPHIC, "+555530003000"),
    ("55987654321", K.MOBILE, "+5555987654321"),
    ("02133334444", K.GEOGRAPHIC, "+552133334444"),
    ("0 21 3333-4444", K.GEOGRAPHIC, "+552133334444"),
    ("(021) 98765-4321", K.MOBILE, "+5521987654321"),
    ("021987654321", K.MOBILE, "+5521987654321"),
    ("05530003000", K.GEOGRAPHIC, "+555530003000"),
    # with a carrier code
    ("0152133334444", K.GEOGRAPHIC, "+552133334444"),
    ("0 15 21 3333 4444", K.GEOGRAPHIC, "+552133334444"),
    ("02121987654321", K.MOBILE, "+5521987654321"),
    ("04148987654321", K.MOBILE, "+5548987654321"),
    ("05511987654321", K.MOBILE, "+5511987654321"),
    # country code 55 in every form
    ("+551130003000", K.GEOGRAPHIC, "+551130003000"),
    ("+55 11 98765-4321", K.MOBILE, "+5511987654321"),
    ("+55 (11) 3000.3000", K.GEOGRAPHIC, "+551130003000"),
    ("+55/11/30003000", K.GEOGRAPHIC, "+551130003000"),
    ("+55\u00a011\u00a098765\u20114321", K.MOBILE, "+5511987654321"),
    ("551130003000", K.GEOGRAPHIC, "+551130003000"),
    ("5511987654321", K.MOBILE, "+5511987654321"),
    ("00551130003000", K.GEOGRAPHIC, "+551130003000"),
    ("005511987654321", K.MOBILE, "+5511987654321"),
    ("0015551130003000", K.GEOGRAPHIC, "+551130003000"),
    ("00 21 55 11 98765 4321", K.MOBILE, "+5511987654321"),
    ("+555530003000", K.GEOGRAPHIC, "+555530003000"),
    # international
    ("+12125551234", K.INTERNATIONAL, "+12125551234"),
    ("+1 (212) 555-1234", K.INTERNATIONAL, "+12125551234"),
    ("0012125551234", K.INTERNATIONAL, "+12125551234"),
    ("00 351 211 234 567", K.INTERNATIONAL, "+351211234567"),
    ("+442079460958", K.INTERNATIONAL, "+442079460958"),
    ("+4930123456", K.INTERNATIONAL, "+4930123456"),
    ("+541143210000", K.INTERNATIONAL, "+541143210000"),
    ("0031201234567", K.INTERNATIONAL, "+31201234567"),
    ("+2904567", K.INTERNATIONAL, "+2904567"),
    ("+88213300000", K.INTERNATIONAL, "+88213300000"),
    # international with a carrier code
    ("001512125551234", K.INTERNATIONAL, "+12125551234"),
    ("002112125551234", K.INTERNATIONAL, "+12125551234"),
    ("003112125551234", K.INTERNATIONAL, "+12125551234"),
    ("004112125551234", K.INTERNATIONAL, "+12125551234"),
    ("0021351211234567", K.INTERNATIONAL, "+351211234567"),
    ("0014541143210000", K.INTERNATIONAL, "+541143210000"),
    ("001533142345678", K.INTERNATIONAL, "+33142345678"),
]


@pytest.mark.parametrize(("number", "kind", "kept"), TABLE)
def test_diallable(number: str, kind: DestinationKind, kept: str) -> None:
    assert dialled(number) == Destination(kind, kept)


@pytest.mark.parametrize(("number", "kind", "kept"), TABLE)
def test_what_is_normalised_stays_as_it_is(number: str, kind: DestinationKind, kept: str) -> None:
    assert dialled(kept) == Destination(kind, kept)


UNDIALLABLE = [
    *("", " ", "-", "+", "0", "00", "000", "+0", "7", "77", "2001", "200", "911", "12345", "123456", "1234567"),
    *("11111111", "01234567", "98765432", "87654321x", "87654321 ext 2", "887654321"),
    *("2030003000", "020987654321", "+55203000300", "+552030003000", "+55119876543210", "+5511187654321"),
    *("0030003000", "0110300030001", "015300030001", "+550800123456", "+55", "0055", "00551", "+5540041234"),
    *("0800", "08001", "080012345678", "0700 123 4567", "03031234567", "40021", "4004123", "400412345"),
    *("+1212555123", "+121255512345", "+999123456789", "+0012125551234", "+1234567890123456", "++12125551234"),
    *("12125551234+", "+1212+5551234", "*99", "#31#11987654321", "1001@pbx", "sip:1001", "١٩٠", "１９０", "十九"),
    *("11987654321\n5", "3000;3000", "3000,3000", "\x00", "190\x00"),
]


@pytest.mark.parametrize("number", UNDIALLABLE)
def test_undiallable(number: str) -> None:
    with pytest.raises(UndiallableNumber) as caught:
        normalise(number, area_code="11", emergency_codes=EMERGENCY_CODES, extensions=("1001",))
    assert caught.value.args == (number,)


def test_the_area_code_is_the_companys() -> None:
    assert dialled("30003000", "85").number == "+558530003000"
    assert dialled("987654321", "55").number == "+5555987654321"


@pytest.mark.parametrize("area_code", ["", "1", "10", "20", "abc", "011"])
def test_a_company_without_a_valid_area_code_has_no_local_numbers(area_code: str) -> None:
    with pytest.raises(UndiallableNumber):
        dialled("30003000", area_code)


def test_every_area_code_of_the_plan_and_no_other() -> None:
    valid = set()
    for area in range(10, 100):
        try:
            assert dialled(f"0{area}20001000").kind is K.GEOGRAPHIC
            valid.add(area)
        except UndiallableNumber:
            pass
    groups: list[Iterable[int]] = [range(11, 20), (21, 22, 24, 27, 28), range(31, 36), (37, 38), range(41, 50)]
    groups += [(51, 53, 54, 55), range(61, 70), (71, 73, 74, 75, 77, 79), range(81, 90), range(91, 100)]
    assert valid == {area for group in groups for area in group}


digits = st.text("0123456789", max_size=18)
anything = st.one_of(
    st.text(max_size=30),
    st.text("0123456789+-() .*#", max_size=24),
    st.builds(
        lambda prefix, rest: prefix + rest, st.sampled_from(["+", "00", "+55", "0055", "0", "015", "0800"]), digits
    ),
)


@given(anything, st.sampled_from(["11", "55", "85", "", "9", "00"]))
def test_nothing_else_is_raised_and_the_result_is_its_own_normal_form(number: str, area_code: str) -> None:
    try:
        found = dialled(number, area_code)
    except UndiallableNumber:
        return
    assert dialled(found.number, area_code) == found
    assert found.number.removeprefix("+").isdigit()
    assert found.number.isascii()
    assert len(found.number) <= 16
