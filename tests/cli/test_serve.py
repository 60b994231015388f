"""`fhir-server` as people run it: a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fhir_server.cli import main
from fhir_server.cli.serve import announce
from fhir_server.settings import Settings
from tests.support.commands import typed
from tests.support.nodes import command, running_node
from tests.support.server import running_server

NAME = "Zebedee-Quux"
NUMBER = "9434765919"


def a_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    address = x509.IPAddress(ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files[1].write_bytes(key.private_bytes(*pem))
    return files


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--auth", "none", "--host", "0.0.0.0"], "auth=none lets everyone in"),  # noqa: S104 - to see it refused
        (["--auth", "none", "--host", "example.org"], "binds loopback alone"),
        (["--host", "example.org"], "set base_url"),
        (["--auth", "basic"], "auth: Input should be 'none' or 'smart'"),
        (["--auth", "smart", "--authorization-server", "off"], "whose tokens are good"),
        (["--auth", "none", "--issuers", "https://a.example"], "belong to auth=smart"),
        (["--auth", "none", "--authorization-server", "on"], "belong to auth=smart"),
        (["--auth", "smart", "--authorization-server", "perhaps"], "'auto', 'on' or 'off'"),
        (["--auth", "smart", "--host", "0.0.0.0", "--audience", "urn:a"], "set base_url"),  # noqa: S104 - to see it refused
        (["--auth", "smart", "--audit", "off"], "audit=off is for auth=none alone"),
        (["--auth", "smart", "--issuers", "http://a.example"], "issuers: http://a.example is no"),
        (["--auth", "smart", "--issuers", "a.example"], "a URL with https://"),
        (
            ["--auth", "smart", "--issuers", "https://a.example", "--host", "0.0.0.0"],  # noqa: S104 - to see it refused
            "set base_url or audience",
        ),
        (["--port", "http"], "port: Input should be a valid integer"),
        (["--port", "70000"], "port: Input should be less than or equal to 65535"),
        (["--workers", "0"], "workers:"),
        (["--types", "Patient,Shoe"], "types: R4 has no resource type Shoe"),
        (["--store", "mongo://x"], "a store is sqlite:PATH or mongodb://HOST/DATABASE"),
        (["--store", "mongodb://"], "a store is sqlite:PATH or mongodb://HOST/DATABASE"),
        (["--base-url", "ftp://x"], "http://"),
        (["--tls-cert", "x.pem"], "belong together"),
        (["--tls-cert", "x.pem", "--tls-key", "y.pem"], "TLS"),
        (["--log-level", "loud"], "log_level:"),
        (["--max-body", "10"], "max_body:"),
        (["--time-zone", "Europe/Lodnon"], "time_zone: there is no time zone 'Europe/Lodnon'"),
        (["--time-zone", "../etc/passwd"], "time_zone: there is no time zone"),
        (["--page-size", "0"], "page_size:"),
        (["--page-size", "50", "--max-page-size", "20"], "is more than max_page_size=20"),
        (["--prot", "8000"], "unrecognized arguments: --prot"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_a_bad_flag_is_told_in_one_line(
    flags: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", *flags])

    assert ended.value.code in {1, 2}
    assert told in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("host", "encrypted", "warned"),
    [("0.0.0.0", False, True), ("0.0.0.0", True, False), ("127.0.0.1", False, False)],  # noqa: S104 - settings
)
def test_a_server_that_others_can_listen_in_on_says_so(
    host: str, *, encrypted: bool, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    files: dict[str, Any] = {"tls_cert": "cert.pem", "tls_key": "key.pem"} if encrypted else {}
    issuer, base = "https://login.example.org", "https://node.example.org/fhir"

    announce(Settings(host=host, auth="smart", issuers=(issuer,), base_url=base, **files))

    told = capsys.readouterr()
    assert told.out == f"FHIR R4 at {base}\n"
    assert ("unencrypted" in told.err) is warned


def test_a_node_that_gives_tokens_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    announce(Settings(port=8123))

    first, second = capsys.readouterr().out.splitlines()
    assert first == "FHIR R4 at http://127.0.0.1:8123/fhir"
    assert "http://127.0.0.1:8123/auth/token" in second
    assert "fhir-server token" in second


def test_a_node_without_flags_asks_everyone_for_a_token(tmp_path: Path) -> None:
    with running_server(tmp_path / "fhir.db", auth=Settings().auth) as base:
        answer = httpx.get(f"{base}/Patient")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_bad_variable_is_told_like_a_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_PORT", "http")
    ended = typed("serve")

    assert ended.returncode == 2
    assert ended.stderr.startswith("fhir-server: port: ")


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = typed("serve", "--port", port, "--store", f"sqlite:{tmp_path / 'x.db'}")

    assert ended.returncode == 1
    assert (
        ended.stderr
        == f"fhir-server: port {port} of 127.0.0.1 cannot be used: Address already in use\n"
    )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_file_that_is_no_store_is_told(tmp_path: Path, workers: str) -> None:
    (tmp_path / "x.db").write_text("this is no database, but a text of some length\n" * 50)
    flags = ["--port", "0", "--workers", workers, "--store", f"sqlite:{tmp_path / 'x.db'}"]

    ended = command("serve", *flags)

    assert ended.returncode == 1
    (told,) = ended.stderr.splitlines()
    assert told.startswith(f"fhir-server: the store sqlite:{tmp_path / 'x.db'} does not open: ")
    assert told.endswith("file is not a database")


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    ended = typed("serve", "--port", "0", "--store", f"sqlite:{tmp_path}")

    assert ended.stderr == f"fhir-server: store: {tmp_path} is a folder; name a file\n"


def test_without_a_command_the_commands_are_told() -> None:
    ended = typed()

    assert ended.returncode == 2
    assert "usage: fhir-server" in ended.stderr


def test_help_names_every_setting_and_its_variable() -> None:
    told = typed("serve", "--help").stdout

    assert "--base-url" in told
    assert "FHIR_BASE_URL" in told
    assert "[127.0.0.1]" in told


def test_the_log_tells_what_was_done_but_not_to_whom(tmp_path: Path) -> None:
    with running_node(tmp_path / "fhir.db") as server, httpx.Client() as client:
        body = {"resourceType": "Patient", "id": f"id-{NUMBER}", "name": [{"family": NAME}]}
        client.put(f"{server.url}/Patient/id-{NUMBER}", json=body)
        client.get(f"{server.url}/Patient", params={"name": NAME, "identifier": NUMBER})
        client.get(f"{server.url}/Patient", params={NAME: NUMBER})
        client.get(f"{server.url}/{NAME}/{NUMBER}")
        client.request(NUMBER, f"{server.url}/Patient")
        client.post(f"{server.url}/Patient/_search", data={"name": NAME})
        client.post(
            f"{server.url}/Patient", content=NAME, headers={"content-type": "application/json"}
        )
        client.get(f"{server.origin}/{NAME}", params={"name": NAME})
        server.terminate()
        log = server.log()

    assert '"event":"request_completed"' in log
    assert '"route":"/[type]/[id]"' in log
    for secret in (NAME, NUMBER, "127.0.0.1"):
        assert secret not in log


def test_a_server_starts_soon_stays_small_and_ends_cleanly(tmp_path: Path) -> None:
    with running_node(tmp_path / "fhir.db") as server:
        assert httpx.get(f"{server.url}/Patient").status_code == 200
        process = Path(f"/proc/{server.process.pid}")
        status = (process / "status").read_text()
        times = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
        ended = server.terminate()

    (resident,) = (each.split()[1] for each in status.splitlines() if each.startswith("VmRSS"))
    took = sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
    assert took < 5, "1.5 s are promised; on a shared machine the processor itself is slower"
    assert int(resident) < 120_000
    assert ended in {0, -signal.SIGTERM}
    assert not (tmp_path / "fhir.db-wal").exists()


def test_with_a_certificate_it_serves_https(tmp_path: Path) -> None:
    certificate, key = a_certificate(tmp_path)
    flags = ["--tls-cert", str(certificate), "--tls-key", str(key)]

    trusted = ssl.create_default_context(cafile=certificate)
    with (
        running_node(tmp_path / "fhir.db", *flags) as server,
        httpx.Client(verify=trusted) as client,
    ):
        created = client.post(f"{server.url}/Patient", json={"resourceType": "Patient"})

    assert server.url.startswith("https://")
    assert created.headers["location"].startswith("https://")


def test_several_workers_share_one_store_and_one_count(tmp_path: Path) -> None:
    with running_node(tmp_path / "fhir.db", "--workers", "2") as server:
        for number in range(20):
            with httpx.Client() as client:
                body = {"resourceType": "Patient", "id": f"w{number}"}
                client.put(f"{server.url}/Patient/w{number}", json=body).raise_for_status()
        with httpx.Client() as client:
            found = client.get(f"{server.url}/Patient?_summary=count").json()
            metrics = client.get(f"{server.origin}/metrics").text

    assert found["total"] == 20
    assert (
        'fhir_request_seconds_count{method="PUT",route="/[type]/[id]",status="2xx"} 20.0' in metrics
    )
