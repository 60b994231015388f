"""Requests that are wrong somewhere, each made by chance from a seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from tests.e2e.fuzz.spoiling import (
    CLIPS,
    SCALARS,
    SHAPES,
    spoiled_bytes,
    spoiled_resource,
    spoiled_xml,
)
from tests.e2e.fuzz.words import (
    HEADERS,
    IDS,
    METHODS,
    MODIFIERS,
    PARAMETERS,
    PATHS,
    POINTERS,
    SEGMENTS,
    TYPES,
    URLS,
    VALUES,
    VERSIONS,
)
from tests.support.raw_http import Ask

Records = Sequence[dict[str, Any]]
Making = Callable[[Random, Records], Ask]

JSON = (b"Content-Type", b"application/fhir+json")
XML = (b"Content-Type", b"application/fhir+xml")
JSON_PATCH = (b"Content-Type", b"application/json-patch+json")
FORM = (b"Content-Type", b"application/x-www-form-urlencoded")


def malformed_body(random: Random, records: Records) -> Ask:
    """A record whose bytes are spoiled."""
    record = random.choice(records)
    body = spoiled_bytes(random, json.dumps(record).encode())
    return _written(random, record, body, (JSON,))


def wrong_elements(random: Random, records: Records) -> Ask:
    """A record with elements that cannot be."""
    record = random.choice(records)
    return _written(random, record, spoiled_resource(random, record), (JSON,))


def bad_xml(random: Random, _: Records) -> Ask:
    """XML that is no patient, to where one is expected."""
    method, target = random.choice(((b"POST", b"/Patient"), (b"PUT", b"/Patient/xml")))
    return _ask(method, target, (XML,), spoiled_xml(random))


def bad_address(random: Random, _: Records) -> Ask:
    """A path of segments that do not belong together."""
    segments = [random.choice(SEGMENTS) for _ in range(random.randint(0, 5))]
    if random.random() < 0.4:
        segments = [
            random.choice(TYPES),
            random.choice(IDS),
            b"_history",
            random.choice(VERSIONS),
        ]
    return _ask(random.choice(METHODS), b"/" + b"/".join(segments), (JSON,), _small_body(random))


def bad_search(random: Random, _: Records) -> Ask:
    """A search with parameters, modifiers and values drawn by lot; some as a form."""
    query = _query(random)
    place = random.choice(
        (b"/Patient", b"/Observation", b"", b"/Encounter", b"/Patient/known/_history")
    )
    if random.random() < 0.2:
        return _ask(b"POST", place + b"/_search", (FORM,), query)
    # A lenient search leaves out what it does not know, and so gets to what it does.
    lenient = ((b"Prefer", b"handling=lenient"),) if random.random() < 0.6 else ()
    return _ask(b"GET", place + b"?" + query, lenient, b"")


def bad_headers(random: Random, records: Records) -> Ask:
    """A good request with headers that are none."""
    names = random.sample(sorted(HEADERS), random.randint(1, 3))
    headers = tuple((name, random.choice(HEADERS[name])) for name in names)
    method = random.choice((b"GET", b"PUT", b"POST", b"PATCH", b"DELETE", b"HEAD"))
    if b"Content-Type" not in names and random.random() < 0.8:
        headers = (*headers, JSON)
    target = b"/Patient" if method == b"POST" else b"/Patient/known"
    body = json.dumps(random.choice(records)).encode() if method in {b"PUT", b"POST"} else b""
    return _ask(method, target, headers, body)


def bad_patch(random: Random, _: Records) -> Ask:
    """A JSON Patch or a FHIRPath Patch that cannot be done, mostly."""
    if random.random() < 0.5:
        operations = [_operation(random) for _ in range(random.randint(0, 4))]
        patch: object = random.choice((operations, operations, _value(random)))
        return _ask(b"PATCH", b"/Patient/known", (JSON_PATCH,), _dumped(patch))
    parts = [_part(random) for _ in range(random.randint(0, 5))]
    parameter = [{"name": random.choice(("operation", "nonsense")), "part": parts}]
    return _ask(
        b"PATCH",
        b"/Patient/known",
        (JSON,),
        _dumped({"resourceType": "Parameters", "parameter": parameter}),
    )


def bad_bundle(random: Random, records: Records) -> Ask:
    """A batch or transaction whose entries are wrong somewhere."""
    entries = [_entry(random, records) for _ in range(random.randint(0, 6))]
    kind = random.choice(
        ("batch", "batch", "transaction", "transaction", "searchset", _value(random))
    )
    bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
    if random.random() < 0.2:
        bundle["entry"] = _value(random)
    return _ask(b"POST", random.choice((b"", b"/", b"/")), (JSON,), _dumped(bundle))


def bad_cursor(random: Random, _: Records) -> Ask:
    """A page link that nobody gave."""
    made = random.choice(
        (random.randbytes(40).hex().encode(), b"A" * random.randint(0, 3000), b"%FF")
    )
    return _ask(
        b"GET", random.choice((b"/Patient?_cursor=", b"/_history?_cursor=")) + made, (), b""
    )


def huge_body(random: Random, _: Records) -> Ask:
    """A body that is larger than the server takes."""
    body = b'{"resourceType":"Patient","name":[{"family":"' + b"x" * 300_000 + b'"}]}'
    return _ask(
        random.choice((b"POST", b"PUT")), b"/Patient", (random.choice((JSON, XML, FORM)),), body
    )


KINDS: Sequence[Making] = (
    malformed_body,
    wrong_elements,
    bad_xml,
    bad_address,
    bad_search,
    bad_headers,
    bad_patch,
    bad_bundle,
    bad_cursor,
    huge_body,
)


def asking(making: Making, random: Random, records: Records) -> Ask:
    """Return a bad request of a kind; every fifth client wants its answer in XML."""
    ask = making(random, records)
    if random.random() < 0.2 and all(name != b"Accept" for name, _ in ask.headers):
        ask = replace(ask, headers=(*ask.headers, (b"Accept", b"application/fhir+xml")))
    return ask


def _ask(method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> Ask:
    return Ask(method, b"/fhir" + target, headers, body)


def _written(
    random: Random, record: dict[str, Any], body: bytes, headers: Sequence[tuple[bytes, bytes]]
) -> Ask:
    kind, logical_id = record["resourceType"].encode(), record["id"].encode()
    if random.random() < 0.5:
        return _ask(b"POST", b"/" + kind, headers, body)
    return _ask(b"PUT", b"/" + kind + b"/" + logical_id, headers, body)


def _small_body(random: Random) -> bytes:
    return random.choice((b"", b"{}", b'{"resourceType":"Patient"}', random.choice(CLIPS)[:50]))


def _query(random: Random) -> bytes:
    pairs = []
    for _ in range(random.choice((1, 1, 1, 2, 2, 5))):
        name = random.choice(PARAMETERS) + random.choice(MODIFIERS)
        pairs.append(name if random.random() < 0.05 else name + b"=" + random.choice(VALUES))
    return random.choice((b"&", b"&", b"&", b"&&", b";")).join(pairs)


def _value(random: Random) -> Any:
    return random.choice((random.choice(SCALARS), random.choice(SHAPES)))


def _operation(random: Random) -> Any:
    if random.random() < 0.1:
        return _value(random)
    operation = {
        "op": random.choice(("add", "remove", "replace", "move", "copy", "test", "nonsense", None)),
        "path": random.choice((*POINTERS, _value(random))),
        "value": random.choice((_value(random), "1990-01-01")),
        "from": random.choice(POINTERS),
    }
    if random.random() < 0.2:
        del operation[random.choice(list(operation))]
    return operation


def _part(random: Random) -> Any:
    if random.random() < 0.1:
        return _value(random)
    name = random.choice(("type", "path", "name", "value", "index", "source", "destination", "x"))
    types = ("add", "insert", "delete", "replace", "move", "x", None)
    choices: Mapping[str, Sequence[Any]] = {"type": types, "path": PATHS}
    suffix = random.choice(("Code", "String", "Integer", "Nonsense", "HumanName", ""))
    return {
        "name": name,
        f"value{suffix}": random.choice(choices.get(name, (_value(random), 0, "a"))),
    }


def _entry(random: Random, records: Records) -> Any:
    if random.random() < 0.05:
        return _value(random)
    request: dict[str, Any] = {
        "method": random.choice(
            ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "nonsense", None)
        ),
        "url": random.choice((*URLS, *URLS, _value(random))),
    }
    for name in ("ifMatch", "ifNoneMatch", "ifNoneExist", "ifModifiedSince"):
        if random.random() < 0.1:
            request[name] = random.choice(("x", 'W/"1"', "identifier=x", _value(random)))
    record = random.choice(records)
    if random.random() < 0.5:
        request |= {"method": "PUT", "url": f"{record['resourceType']}/{record['id']}"}
    resource = record if random.random() < 0.6 else _value(random)
    urls = ("urn:uuid:x", "urn:uuid:0c4bbd4c-6c2a-4b6b-9b8d-8d5b0c6f0a01", _value(random))
    return {"fullUrl": random.choice(urls), "resource": resource, "request": request}


def _dumped(value: object) -> bytes:
    return json.dumps(value).encode()
