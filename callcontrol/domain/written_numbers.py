"""How numbers are written for people: grouped, so that no spreadsheet takes one for a quantity."""

from __future__ import annotations

import re

from callcontrol.domain.countries import country_code

_BRAZILIAN = re.compile("([+]55)([0-9]{2})([0-9]{4,5})([0-9]{4})")
_TOLL_FREE = re.compile("(0[0-9]00)([0-9]{3})([0-9]{3,4})")
_NATIONWIDE = re.compile("(400[34])([0-9]{4})")
_LOCAL = re.compile("([0-9]{4,5})([0-9]{4})")


def written(number: str) -> str:
    """`+5511999990000` -> `+55 11 99999-0000`, `+12125551234` -> `+1 2125551234`, `08001234567` -> `0800 123 4567`.

    Other digits are grouped by four from six digits on, or where they begin with 0; anything else stays as it is.
    """
    if match := _BRAZILIAN.fullmatch(number):
        return "{} {} {}-{}".format(*match.groups())
    if number.startswith("+") and number[1:].isdigit():
        code = country_code(number[1:])
        return f"+{code} {number[1 + len(code) :]}"
    if match := _TOLL_FREE.fullmatch(number):
        return "{} {} {}".format(*match.groups())
    if match := _NATIONWIDE.fullmatch(number) or _LOCAL.fullmatch(number):
        return "{}-{}".format(*match.groups())
    if number.isascii() and number.isdigit() and (len(number) > 5 or number.startswith("0")):
        return " ".join(re.findall(".{1,4}", number))
    return number
