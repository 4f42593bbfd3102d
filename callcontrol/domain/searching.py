"""What is typed into a search box finds what is meant, whatever its accents and case."""

from __future__ import annotations

import unicodedata

from callcontrol.domain.numbers import without_separators


def folded(text: str) -> str:
    """`  João da  Silva` -> `joao da silva`: two texts that are read alike are equal when folded."""
    plain = unicodedata.normalize("NFKD", text)
    letters = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(letters.casefold().split())


def searched_digits(text: str) -> str | None:
    """`(11) 9123-4` -> `1191234`; None for what does not look like a telephone number, or part of one."""
    digits = without_separators(text).removeprefix("+")
    return digits if digits.isascii() and digits.isdigit() else None
