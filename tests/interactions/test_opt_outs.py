"""The register of opt-outs as a client sends it: what is none loads nothing, on any backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.fhir.errors import BadRequest
from fhir_server.interactions.opt_outs import moment_as_of, replace_opt_outs
from fhir_server.storage.contract import OptOuts, Store
from tests.storage.conftest import BACKENDS

NOW = int(datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000
ADA, GRACE = nhs_number(1).encode(), nhs_number(2).encode()

NO_REGISTERS = {
    "nothing": (b"", "no NHS number; nothing was loaded"),
    "blank lines": (b"\n \r\n\n", "no NHS number"),
    "a heading alone": (b"NHS number\n", "no NHS number"),
    "JSON on one line": (b'{"resourceType":"Parameters"}', "no NHS number"),
    "a wrong check digit": (b"NHS number\n" + ADA + b"\n9990000019\n", "line 3 holds no NHS"),
    "a line that was cut off": (ADA + b"\n" + GRACE[:7], "line 2 holds no NHS number"),
    "a page": (b"<html>\n<body>\n", "line 2 holds no NHS number"),
    "bytes": (ADA + b"\n\xff\xfe", "not UTF-8; nothing was loaded"),
}


@pytest.fixture(params=BACKENDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with BACKENDS[request.param](tmp_path) as opened:
        yield opened


async def test_what_is_no_register_is_refused_by_its_line_and_changes_nothing(store: Store) -> None:
    before = await replace_opt_outs(store, ADA, as_of=1)

    for content, told in NO_REGISTERS.values():
        with pytest.raises(BadRequest, match=told) as refused:
            await replace_opt_outs(store, content, as_of=2)
        assert "999" not in str(refused.value)

    assert await store.opt_outs() == before == OptOuts(1, 1)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
async def test_a_register_takes_the_place_of_the_one_before_however_its_lines_end(
    store: Store, ends: str
) -> None:
    await replace_opt_outs(store, ADA, as_of=2)
    lines = ("\ufeffNHS number,x", f"999 {GRACE.decode()[3:]},y", nhs_number(3), nhs_number(3), "")

    known = await replace_opt_outs(store, ends.join(lines).encode(), as_of=1)

    assert known == OptOuts(1, 2) == await store.opt_outs()


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "2026-6-1", "20260601", "2026-W23-1", "2026-06-01T00:00:00Z"),
        *("2026-02-30", "2026-13-01", "0000-01-01", "2026-07-02", "9999-12-31", "2026-06-01 "),
        "\uff12\uff10\uff12\uff16-06-01",
    ],
)
def test_what_is_no_day_or_one_to_come_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="as-of"):
        moment_as_of(text, now=NOW)


def test_a_day_begins_as_in_england() -> None:
    begins = moment_as_of("2026-07-01", now=NOW)
    assert begins == NOW - 13 * 3_600_000_000
    assert moment_as_of("0001-01-01", now=NOW) < 0
