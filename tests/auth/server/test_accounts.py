"""People who sign in with a password."""

from __future__ import annotations

from statistics import median
from time import process_time
from typing import Any

import msgspec
import pytest

from fhir_server.auth.server.accounts import KIND, Accounts, BadAccount
from tests.auth.server.material import ADA, MARY, MOMENT
from tests.support.remembering import Memory

PASSWORD = "correct horse battery"  # noqa: S105 - of nobody


async def accounts() -> Accounts:
    known = Accounts(Memory())
    assert await known.add("Ada ", PASSWORD, ADA, now=MOMENT)
    return known


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", ""),
        ("ada", PASSWORD.upper()),
        ("ada", PASSWORD + " "),
        ("ada", PASSWORD[:-1]),
        ("bob", PASSWORD),
        ("", ""),
        ("ada", "x" * 100_000),
    ],
)
async def test_a_wrong_password_is_as_an_unknown_name(name: str, password: str) -> None:
    assert await (await accounts()).verify(name, password, now=MOMENT) is None


async def test_the_right_password_tells_who_it_is() -> None:
    known = await accounts()

    assert await known.verify("ada", PASSWORD, now=MOMENT) == ADA
    assert await known.verify(" ADA", PASSWORD, now=MOMENT) == ADA


async def test_an_unknown_name_takes_as_long_as_a_wrong_password() -> None:
    known = await accounts()

    async def seconds(name: str) -> float:
        began = process_time()
        await known.verify(name, "wrong password", now=MOMENT)
        return process_time() - began

    pairs = [(await seconds("ada"), await seconds("nobody")) for _ in range(5)]

    assert 0.4 < median(known / unknown for known, unknown in pairs) < 2.5


async def test_a_password_is_not_kept() -> None:
    known = await accounts()

    (_, kept), *others = await known.values.items(KIND, now=MOMENT)

    assert not others
    assert PASSWORD.encode() not in kept


@pytest.mark.parametrize(
    ("name", "password", "changes", "told"),
    [
        (" ", PASSWORD, {}, "name"),
        ("bob", "short", {}, "12 characters"),
        ("bob", "x" * 1025, {}, "12 characters"),
        ("bob", PASSWORD, {"purposes": ()}, "purposes"),
        ("bob", PASSWORD, {"fhir_user": "ada"}, "Practitioner/ada"),
        ("bob", PASSWORD, {"fhir_user": "https://x.example/Practitioner/ada"}, "Practitioner/ada"),
        ("bob", PASSWORD, {"patients": ("a b",)}, "ids"),
    ],
)
async def test_what_is_no_account_is_refused(
    name: str, password: str, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadAccount, match=told):
        await Accounts(Memory()).add(
            name, password, msgspec.structs.replace(ADA, **changes), now=MOMENT
        )


async def test_a_name_is_given_once_and_free_once_it_is_removed() -> None:
    known = await accounts()
    assert not await known.add("ADA", PASSWORD, MARY, now=MOMENT)

    assert await known.remove("ada", now=MOMENT) == ADA
    assert await known.remove("ada", now=MOMENT) is None
    assert await known.verify("ada", PASSWORD, now=MOMENT) is None
    assert await known.add("ada", PASSWORD, MARY, now=MOMENT)
    assert await known.all(now=MOMENT) == [("ada", MARY)]
