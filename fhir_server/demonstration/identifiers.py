"""Identifiers that are well formed and belong to nobody.

NHS numbers come from 999 000 0000 to 999 999 9999, the range that is never issued:
https://www.datadictionary.nhs.uk/attributes/nhs_number.html.
"""

from __future__ import annotations

NHS_NUMBERS = 900_000
"""How many numbers `nhs_number` can give."""

_FREE_PER_BLOCK = 9
_LETTERS = "ABCDEFGHJKLMNPQRSTUV"


def nhs_number(n: int) -> str:
    """Return the n-th test number, from 0; each n has its own; raise ValueError past the range."""
    if not 0 <= n < NHS_NUMBERS:
        raise ValueError(f"the test range gives NHS numbers 0 to {NHS_NUMBERS - 1}, not {n}")
    block, index = divmod(n, _FREE_PER_BLOCK)
    digits = f"999{block:05}"
    total = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 2, -1), strict=True))
    # Of ten ninth digits at most one leads to a check digit of 10, which is none: nine remain in each block.
    checks = [(-total - 2 * ninth) % 11 for ninth in range(10)]
    ninth = [each for each in range(10) if checks[each] != 10][index]  # noqa: PLR2004
    return f"{digits}{ninth}{checks[ninth]}"


def trust_code(trust: int) -> str:
    """Return an ODS-shaped code for the n-th trust, from 1: ZA1, then ZB1."""
    return f"Z{_LETTERS[trust - 1]}1"


def site_code(trust: int, site: int) -> str:
    """Return an ODS-shaped code for a site or a practice of a trust's area."""
    return f"{trust_code(trust)}{site:02}"


def gtin(item: int) -> str:
    """Return a GTIN-14 under the prefix that GS1 keeps for examples, with its check digit."""
    digits = f"09506000{item:05}"
    total = sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"
