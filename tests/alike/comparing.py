"""Two nodes with the same past, ids and time, one on a file and one on MongoDB, are asked the same by the same callers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import zip_longest
from random import Random

from fhir_server.audit.trail import Trail
from fhir_server.fhir.resource import Key
from fhir_server.policy.access import Access
from fhir_server.policy.scopes import parse_scopes
from fhir_server.settings import Settings
from fhir_server.wiring import service_of
from tests.alike.requests import requests
from tests.noninterference.asking import BASE, LATER, Answer, Asking, Clock, a_service
from tests.noninterference.keeping import Keep, Kept
from tests.noninterference.scripts import Ask
from tests.noninterference.sides import Side, a_caller, build, inline, write
from tests.noninterference.worlds import PEOPLE, a_consent, number_of

CALLERS = 3
"""Callers of one world, one after the other."""

ROUNDS = 15
"""Scripts of each."""

_REVOKED = 0.2
_ANYBODY = 0.5
_SHOWN = 400


class Different(AssertionError):
    """Two stores do not answer alike: what was asked, and both answers."""


async def compare_world(keeps: tuple[Keep, Keep], seed: int, tally: Counter[int]) -> None:
    """Ask both; raise Different."""
    random = Random(seed)
    past, first = random.getrandbits(64), [each("alike") for each in keeps]
    with inline():
        for kept in first:
            kept.clear()
            await build(kept, Random(past))
        clock = Clock(LATER)
        for _ in range(CALLERS):
            await _compare_caller(first, random, clock, tally)


async def _compare_caller(
    both: list[Kept], random: Random, clock: Clock, tally: Counter[int]
) -> None:
    access = _a_caller(random)
    clocks = Clock(clock.now), Clock(clock.now)
    async with AsyncExitStack() as stack:
        one, other = [
            await _side(stack, kept, access, own) for kept, own in zip(both, clocks, strict=True)
        ]
        for _ in range(ROUNDS):
            if random.random() < _REVOKED:
                await _revoke(random.getrandbits(64), one, other)
            for ask in requests(random):
                await _compare(ask, one, other, tally)
        logs = [await _logged(each) for each in (one, other)]
        if logs[0] != logs[1]:
            pairs = zip_longest(*logs)
            pair = next(each for each in pairs if each[0] != each[1])
            raise Different(f"\n{access}\nis logged as\n  {pair[0]!r}\nand as\n  {pair[1]!r}")
    clock.now = clocks[0].now


def _a_caller(random: Random) -> Access:
    """Return somebody: every other one is told much."""
    access = a_caller(random)
    if random.random() < _ANYBODY:
        return access
    scopes = parse_scopes("system/*.cruds")
    return replace(access, scopes=scopes, role="integration", purpose="TREAT", programme=None)


async def _revoke(seed: int, one: Side, other: Side) -> None:
    """Have others deny something, or lift it, in both stores."""
    random = Random(seed)
    denying = a_consent(random)
    opted_out = [number_of(each) for each in random.sample(list(PEOPLE), random.randrange(3))]
    by_register = random.random() < 0.3
    for side in (one, other):
        side.clock.tick()
        if by_register:
            await side.store.replace_opt_outs(opted_out, as_of=LATER)
        else:
            await write(side.others, (Key("Consent", denying["id"]), denying))


async def _side(stack: AsyncExitStack, kept: Kept, access: Access, clock: Clock) -> Side:
    store = await stack.enter_async_context(kept.open(clock))
    service = await a_service(store, access, clock)
    told = replace(service, trail=Trail(store.audit_log))
    others = await service_of(Settings(base_url=BASE, auth="none"), store)
    return Side(kept, store, Asking(told, clock), others, clock)


async def _logged(side: Side) -> Sequence[bytes]:
    log = side.store.audit_log
    extent = await log.extent()
    return await log.entries(0, extent.last)


async def _compare(ask: Ask, one: Side, other: Side, tally: Counter[int]) -> None:
    answers = await one.answers(ask), await other.answers(ask)
    tally.update(status for _, status, _, _ in answers[0])
    if answers[0] != answers[1]:
        pairs = zip(*answers, strict=False)
        first, second = next(
            (each for each in pairs if each[0] != each[1]), (answers[0][-1], answers[1][-1])
        )
        raise Different(
            f"\n{ask}\nis answered\n  {_shown(first, second)}\nand\n  {_shown(second, first)}"
        )


def _shown(answer: Answer, other: Answer) -> tuple[object, ...]:
    """Return an answer with no more of its body than tells the difference."""
    asked, status, headers, body = answer
    pairs = enumerate(zip(body, other[3], strict=False))
    at = next((at for at, (mine, its) in pairs if mine != its), len(body))
    return asked, status, headers, body[max(0, at - _SHOWN) : at + _SHOWN]
