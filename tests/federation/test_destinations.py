"""Where members may be: nothing inside the network but what is listed, and what was looked at is what is dialled."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fhir_server.federation.destinations import Destinations, Forbidden, networks_of

INSIDE = [
    "http://127.0.0.1/", "https://127.0.0.1/", "https://[::1]/", "https://10.1.2.3/", "https://192.168.0.1/",
    "https://172.16.0.1/", "https://169.254.169.254/latest/meta-data/", "https://[fe80::1]/", "https://0.0.0.0/",
    "https://[::]/", "https://100.64.0.1/", "https://[fd00::1]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:10.0.0.1]/", "https://[2002:7f00:1::]/", "https://224.0.0.1/", "https://255.255.255.255/",
    "https://192.0.2.1/", "https://198.18.0.1/", "https://[::ffff:169.254.169.254]/", "https://localhost/",
]  # fmt: skip


async def resolved(host: str, _: int) -> Sequence[str]:
    """Know these names; an address is its own name."""
    names = {
        "localhost": ("127.0.0.1",),
        "inside.example": ("10.0.0.1",),
        "both.example": ("93.184.216.34", "10.0.0.1"),
        "good.example": ("93.184.216.34",),
        "nowhere.example": (),
    }
    return names.get(host, (host,))


@pytest.mark.parametrize("url", INSIDE)
async def test_what_is_inside_the_network_is_refused(url: str) -> None:
    with pytest.raises(Forbidden):
        await Destinations(resolve=resolved).of(url)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://good.example/",
        "file:///etc/passwd",
        "https:///fhir",
        "gopher://good.example/",
        "good.example",
        "",
    ],
)
async def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(Forbidden):
        await Destinations(resolve=resolved).of(url)


@pytest.mark.parametrize("host", ["inside.example", "both.example"])
async def test_a_name_that_leads_inside_is_refused_whatever_else_it_leads_to(host: str) -> None:
    with pytest.raises(Forbidden):
        await Destinations(resolve=resolved).of(f"https://{host}/fhir")


async def test_a_public_address_needs_https() -> None:
    with pytest.raises(Forbidden, match="HTTPS"):
        await Destinations(resolve=resolved).of("http://good.example/fhir")
    found = await Destinations(resolve=resolved).of("https://good.example/fhir")
    assert (found.address, found.port, found.host) == ("93.184.216.34", 443, "good.example")


async def test_a_name_that_leads_nowhere_is_told() -> None:
    with pytest.raises(OSError, match="no address"):
        await Destinations(resolve=resolved).of("https://nowhere.example/")


async def test_a_listed_network_is_dialled_without_tls_too() -> None:
    listed = Destinations(networks_of(["10.0.0.0/8", "::1/128"]), resolved)
    assert (await listed.of("http://inside.example:8080/fhir")).port == 8080
    assert (await listed.of("http://[::1]/fhir")).address == "::1"
    with pytest.raises(Forbidden):
        await listed.of("http://127.0.0.1/fhir")


async def test_each_request_looks_the_name_up_and_dials_what_it_looked_at() -> None:
    """A name that leads outside first and inside later (DNS rebinding) is refused the second time."""
    answers = iter([("93.184.216.34",), ("169.254.169.254",)])

    async def changing(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    destinations = Destinations(resolve=changing)
    assert (await destinations.of("https://rebinding.example/")).address == "93.184.216.34"
    with pytest.raises(Forbidden):
        await destinations.of("https://rebinding.example/")
