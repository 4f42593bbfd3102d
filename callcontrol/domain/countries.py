"""Country codes of E.164 and how long national numbers are, as far as that tells one dialled form from another.

Source: ITU-T, list of E.164 country codes; E.164 itself allows 15 digits in all. Where a country's own plan is not
in the table, any length is taken: a carrier refuses what does not exist, and that costs nothing.
"""

from __future__ import annotations

import re

_MOST_DIGITS = 15
_FEWEST_DIGITS = 7

_CODES = re.compile(
    "1|7|20|27|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    "|21[12368]|22[0-9]|23[0-9]|24[0-9]|25[0-8]|26[0-9]|29[01789]"
    "|35[0-9]|37[0-8]|38[0-35-79]|42[013]"
    "|50[0-9]|59[0-9]|67[02-9]|68[0-35-9]|69[0-2]"
    "|800|808|85[02356]|870|878|88[01236]|96[0-8]|97[0-79]|99[2-68]"
)

_NATIONAL_DIGITS: dict[str, tuple[int, int]] = {
    "1": (10, 10),
    "7": (10, 10),
    "20": (8, 10),
    "211": (9, 9),
    "212": (9, 9),
    "213": (8, 9),
    "216": (8, 8),
    "218": (8, 9),
    "27": (9, 9),
    "30": (10, 10),
    "31": (9, 9),
    "32": (8, 9),
    "33": (9, 9),
    "34": (9, 9),
    "351": (9, 9),
    "36": (8, 9),
    "39": (6, 11),
    "41": (9, 9),
    "43": (4, 13),
    "44": (9, 10),
    "49": (5, 13),
    "51": (8, 9),
    "52": (10, 10),
    "54": (10, 11),
    "56": (9, 9),
    "57": (10, 10),
    "58": (10, 10),
    "591": (8, 8),
    "593": (8, 9),
    "595": (7, 9),
    "598": (7, 8),
    "81": (9, 10),
    "86": (9, 11),
    "91": (10, 10),
}


def is_foreign_number(digits: str) -> bool:
    """Whether these digits (country code first, no `+`) can be a number outside Brazil."""
    code = _CODES.match(digits)
    if code is None or code.group() == "55" or not _FEWEST_DIGITS <= len(digits) <= _MOST_DIGITS:
        return False
    fewest, most = _NATIONAL_DIGITS.get(code.group(), (0, _MOST_DIGITS))
    return fewest <= len(digits) - code.end() <= most


def country_code(digits: str) -> str:
    """The country code that these digits begin with; empty where none is known."""
    code = _CODES.match(digits)
    return code.group() if code else ""
