"""Requests that break off, lie about their length or never come to an end."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.support.nodes import Node, running_node
from tests.support.patience import PATIENCE
from tests.support.raw_http import Ask, answer_to, line_to

POST = b"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nContent-Type: application/fhir+json\r\n"
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /fhir/Patient/nobody HTTP/1.1\r\nHost: h\r\n"
PATIENT = b'{"resourceType":"Patient"}'


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Serve a node that has no patient afterwards, still answers, and failed at nothing."""
    with running_node(tmp_path_factory.mktemp("sockets") / "node.db") as running:
        yield running
        with line_to(running.port) as line:
            found = line.ask(Ask(b"GET", b"/fhir/Patient?_summary=count"))
        assert b'"total":0' in found.body
        assert running.failures() == []


CASES = {
    "nothing": (b"",),
    "empty lines": (b"\r\n\r\n",),
    "a word": (b"nonsense",),
    "a TLS greeting": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),),
    "HTTP 9.9": (b"GET / HTTP/9.9\r\nHost: h\r\n\r\n",),
    "HTTP 2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",),
    "bytes in the target": (b"GET /fhir/Patient/\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n",),
    "a blank in the target": (b"GET /fhir/Patient name HTTP/1.1\r\nHost: h\r\n\r\n",),
    "a long target": (b"GET /fhir/" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",),
    "a long header": (GET + b"X: " + b"a" * 200_000 + b"\r\n\r\n",),
    "many headers": (GET + b"X: a\r\n" * 20_000 + b"\r\n",),
    "a header without a colon": (GET + b"no colon\r\n\r\n",),
    "a blank in a header's name": (GET + b"Bad Name: x\r\n\r\n",),
    "a NUL in a header": (GET + b"X: a\x00b\r\n\r\n",),
    "two hosts": (b"GET /fhir/Patient HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",),
    "a host that is none": (b"GET /fhir/Patient HTTP/1.1\r\nHost: <script>\r\n\r\n",),
    "no host": (b"GET /fhir/Patient HTTP/1.1\r\n\r\n",),
    "another host's target": (b"GET http://elsewhere.example/fhir HTTP/1.1\r\nHost: h\r\n\r\n",),
    "CONNECT": (b"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: h\r\n\r\n",),
    "a web socket": (GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",),
    # Bodies that are shorter or longer than they say, or say it twice
    "a short body": (POST + b"Content-Length: 999\r\n\r\n" + PATIENT,),
    "a body in parts that ends early": (POST + b"Content-Length: 26\r\n\r\n", PATIENT[:10]),
    "a body that never comes": (POST + b"Expect: 100-continue\r\nContent-Length: 26\r\n\r\n",),
    "a long body": (POST + b"Content-Length: 3\r\n\r\n" + PATIENT,),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n" + PATIENT,),
    "a length that is no integer": (POST + b"Content-Length: 1e3\r\n\r\n" + PATIENT,),
    "a length beyond 64 bits": (POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n" + PATIENT,),
    "a length beyond the limit": (POST + b"Content-Length: 99999999999\r\n\r\n" + PATIENT,),
    "two lengths": (POST + b"Content-Length: 3\r\nContent-Length: 26\r\n\r\n" + PATIENT,),
    "a length and chunks": (POST + b"Content-Length: 26\r\n" + CHUNKS + PATIENT,),
    # Chunks that are none, or do not end
    "a chunk without a size": (POST + CHUNKS + b"zz\r\n" + PATIENT,),
    "a negative chunk": (POST + CHUNKS + b"-1\r\n" + PATIENT,),
    "a huge chunk": (POST + CHUNKS + b"FFFFFFFFFFFFFFFFFF\r\n" + PATIENT,),
    "a chunk that is longer than its size": (
        POST + CHUNKS + b"5\r\n" + PATIENT + b"\r\n0\r\n\r\n",
    ),
    "a chunk without its end": (POST + CHUNKS + b"1A\r\n" + PATIENT,),
    "chunks without a last one": (POST + CHUNKS + b"1A\r\n" + PATIENT + b"\r\n",),
    "packed chunks": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",),
    "an unknown encoding": (POST + b"Transfer-Encoding: nonsense\r\n\r\n" + PATIENT,),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_sound_request_is_refused_or_dropped(name: str, node: Node) -> None:
    told = answer_to(node.port, *CASES[name])

    assert told is None or told.status < 500


def test_two_hosts_are_refused(node: Node) -> None:
    """Links in the answer could lead to either."""
    told = answer_to(node.port, *CASES["two hosts"])

    assert told is not None
    assert told.status == 400


def test_what_is_not_asked_to_its_end_is_not_answered(node: Node) -> None:
    """The sending half ends in the middle of the body."""
    assert answer_to(node.port, *CASES["a short body"]) is None


@pytest.mark.parametrize("number", [1, 3])
def test_a_client_that_sends_no_more_gets_its_answers(number: int, node: Node) -> None:
    """As `nc -N` does: its sending half ends with its last request."""
    with socket.create_connection(("127.0.0.1", node.port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: h\r\n\r\n" * number)
        connection.shutdown(socket.SHUT_WR)
        answers = connection.makefile("rb").read()

    assert answers.count(b"HTTP/1.1 200 OK") == number
    assert answers.count(b'"resourceType":"CapabilityStatement"') == number


def test_slow_senders_keep_nobody_waiting(node: Node) -> None:
    """Connections that send a byte and then nothing; they are hung up on this side."""
    slow = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(100)]
    for number, each in enumerate(slow):
        each.sendall((POST + b"Content-Length: 26\r\n\r\n" + PATIENT)[: 1 + number])

    with line_to(node.port) as line:
        answered = [line.ask(Ask(b"GET", b"/fhir/metadata")).status for _ in range(3)]
    for each in slow:
        each.close()

    assert answered == [200, 200, 200]


def test_a_client_that_hangs_up_before_its_answer_harms_nobody(node: Node) -> None:
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", node.port)) as connection:
            connection.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: h\r\n\r\n" * 3)

    with line_to(node.port) as line:
        assert line.ask(Ask(b"GET", b"/fhir/metadata")).status == 200
