"""Every setting, read and checked once at start-up: a flag and a `FHIR_` variable of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fhir_server.auth.addresses import is_loopback
from fhir_server.auth.identity.registrations import Registration, read_registrations
from fhir_server.conformance.definitions import definitions_in
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.search.defaults import DEFAULT_ZONE, PAGE_SIZES
from fhir_server.setting_values import (
    SINGLE_WRITES,
    SQLITE,
    BaseUrl,
    Issuers,
    MetricsToken,
    Names,
    Networks,
    StoreAddress,
    StoreOptions,
    ZoneName,
)

LogLevel = Literal["debug", "info", "warning", "error"]
Audit = Literal["off", "on", "strict"]

PREFIX = "/fhir"
"""Where the FHIR base is below the origin."""

FEDERATED = "/federated"
"""Where the FHIR base of all members is below the origin."""


class Settings(BaseSettings):
    """The settings of one node."""

    model_config = SettingsConfigDict(
        env_prefix="FHIR_", env_ignore_empty=True, frozen=True, extra="forbid"
    )

    store: StoreAddress = Field(
        default="sqlite:data/fhir.db",
        description="where resources are kept: sqlite:PATH, or mongodb://HOST/DATABASE",
    )
    store_options: StoreOptions = Field(
        default=(),
        description="`single-writes`: a standalone MongoDB is served, without Bundles that are transactions",
    )
    store_wait_seconds: float = Field(
        default=300.0,
        ge=0,
        le=86_400,
        description="seconds for which a store that cannot be reached at the start is tried again",
    )
    host: str = Field(default="127.0.0.1", description="address to listen at")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen at; 0: a free one")
    workers: int = Field(
        default=1, ge=1, le=64, description="processes that serve; they share the store"
    )
    base_url: BaseUrl | None = Field(
        default=None, description="the FHIR base as clients see it; else told from the Host header"
    )
    auth: Literal["none", "smart"] = Field(
        default="smart",
        description="who may call: `smart` wants a token; `none` lets everyone, and binds loopback alone",
    )
    issuers: Issuers = Field(
        default=(), description="issuers of tokens that are trusted, URLs with commas between them"
    )
    authorization_server: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="the built-in authorization server; auto: on with auth=smart unless issuers are given",
    )
    identity_providers: Path | None = Field(
        default=None,
        description="identity providers that sign people in for the built-in authorization server, a JSON file",
    )
    default_purpose: str | None = Field(
        default=None,
        description="purpose of use of tokens that name none, a code of v3-ActReason; else they are refused",
    )
    default_role: str | None = Field(
        default=None,
        description="role of users' tokens that name none, a code such as R8000; else they are refused",
    )
    programmes: Path | None = Field(
        default=None, description="register of programmes with a legal basis of their own, JSON"
    )
    break_glass_minutes: int = Field(
        default=30, ge=1, le=60, description="minutes for which an emergency grant is good at most"
    )
    opt_out_days: int = Field(
        default=21, ge=1, le=365, description="days for which the register of opt-outs is good"
    )
    audit: Audit | None = Field(
        default=None,
        description="whether all that is asked is recorded: `on`; `strict`: before it is answered; `off` only with "
        "auth=none, where it is the default",
    )
    audience: str | None = Field(
        default=None, description="what a token must be meant for; else the FHIR base"
    )
    types: Names = Field(
        default=("all",), description="resource types to serve, with commas between them; or `all`"
    )
    tls_cert: Path | None = Field(default=None, description="certificate chain, PEM")
    tls_key: Path | None = Field(default=None, description="key of the certificate, PEM")
    log_level: LogLevel = Field(
        default="info", description="least weight of the events that are logged"
    )
    metrics_token: MetricsToken | None = Field(
        default=None,
        description="bearer token for which /metrics is told; without it only with auth=none",
    )
    max_body: int = Field(
        default=16 * 1024 * 1024, ge=1024, description="largest body that is read, in bytes"
    )
    max_entries: int = Field(
        default=1_000, ge=1, le=100_000, description="most entries of a batch or transaction"
    )
    cors_origins: Names = Field(
        default=(), description="origins whose pages may call, with commas between them; or `*`"
    )
    search_seconds: float = Field(
        default=10.0, ge=0.1, le=300, description="seconds that one search may take"
    )
    page_size: int = Field(
        default=PAGE_SIZES.default,
        ge=1,
        le=10_000,
        description="matches of a page where `_count` does not say",
    )
    max_page_size: int = Field(
        default=PAGE_SIZES.most, ge=1, le=10_000, description="matches of a page at most"
    )
    time_zone: ZoneName = Field(
        default=DEFAULT_ZONE, description="zone of dates and times that name none, as Europe/London"
    )
    cursor_hours: int = Field(
        default=24, ge=1, le=720, description="hours for which page links are good"
    )
    member_networks: Networks = Field(
        default=(),
        description="networks where members may be besides public addresses, 10.20.0.0/16, with commas between them",
    )

    member_duplicates: Literal["off", "identical", "identifier"] = Field(
        default="off",
        description="what members hold of the same thing is shown once: by its bytes, or a trusted identifier",
    )
    member_identifiers: Names = Field(
        default=(NHS_NUMBER,),
        description="systems of identifiers that tell duplicates, the most trusted first, with commas between them",
    )

    @field_validator("types")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = definitions_in(definitions_folder()).resource_types
        unknown = [] if value == ("all",) else sorted(set(value) - known)
        if unknown or not value:
            raise ValueError(f"R4 has no resource type {', '.join(unknown) or 'without a name'}")
        return value

    @field_validator("identity_providers")
    @classmethod
    def _is_read(cls, value: Path | None) -> Path | None:
        if value is not None:
            registrations_in(value)
        return value

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        local = is_loopback(self.host)
        if self.auth == "none" and not local:
            raise ValueError(
                f"auth=none lets everyone in, so host={self.host} is refused: "
                "it binds loopback alone (127.0.0.1, ::1, localhost)"
            )
        if self.auth == "none" and (self.issuers or self.authorization_server == "on"):
            raise ValueError("issuers and authorization_server belong to auth=smart")
        if self.identity_providers is not None and not self.has_authorization_server:
            raise ValueError("identity_providers are for the built-in authorization server")
        if self.audit == "off" and self.auth != "none":
            raise ValueError(
                "audit=off is for auth=none alone: who reads records of people is recorded"
            )
        if self.auth == "smart" and not (self.issuers or self.has_authorization_server):
            raise ValueError(
                "auth=smart needs to know whose tokens are good: authorization_server=on or issuers=URL"
            )
        if not (local or self.audience or self.base_url):
            raise ValueError(
                f"host={self.host} is no FHIR base that tokens could name: set base_url or audience"
            )
        if self.has_authorization_server and not (local or self.base_url):
            raise ValueError(f"host={self.host} is no address that people sign in at: set base_url")
        if self.page_size > self.max_page_size:
            raise ValueError(
                f"page_size={self.page_size} is more than max_page_size={self.max_page_size}"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together")
        return self

    @property
    def is_in_a_file(self) -> bool:
        """Whether the store is a file of this machine."""
        return self.store.startswith(SQLITE)

    @property
    def single_writes(self) -> bool:
        """Whether the store is written without transactions."""
        return SINGLE_WRITES in self.store_options

    @property
    def store_name(self) -> str:
        """The store as people may read it: without user, password and options."""
        if self.is_in_a_file:
            return self.store
        parts = urlsplit(self.store)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def store_path(self) -> Path:
        """The file of a store that is in one."""
        return Path(self.store.removeprefix(SQLITE)).expanduser().absolute()

    @property
    def audited(self) -> Audit:
        """Whether all that is asked is recorded."""
        return self.audit or ("off" if self.auth == "none" else "on")

    @property
    def fhir_base(self) -> str:
        """The FHIR base, as far as it is known before anybody asks: what is below it is local."""
        return self.base_url or self.origin + PREFIX

    @property
    def meant_for(self) -> str:
        """The audience of tokens that are good here."""
        return self.audience or self.fhir_base

    @property
    def has_authorization_server(self) -> bool:
        """Whether this node gives tokens itself."""
        wanted = self.authorization_server
        return self.auth == "smart" and (wanted == "on" or (wanted == "auto" and not self.issuers))

    @property
    def issuer(self) -> str:
        """The URL of the built-in authorization server, as its tokens have it in `iss`."""
        base = self.base_url or f"{self.origin}{PREFIX}"
        if base.endswith(PREFIX):
            return base.removesuffix(PREFIX)
        parts = urlsplit(base)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def origin(self) -> str:
        """The address that it listens at, as a URL without a path."""
        scheme = "https" if self.tls_cert else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"


def registrations_in(path: Path) -> Mapping[str, Registration]:
    """Return the identity providers in a file; raise ValueError."""
    try:
        return read_registrations(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error


def definitions_folder() -> Path:
    """Return the folder of the R4 definitions: in a wheel inside the package, in a checkout beside it."""
    package = Path(__file__).parent
    inside = package / "profiles" / "r4"
    return inside if inside.is_dir() else package.parent / "profiles" / "r4"


def parameters_folder() -> Path:
    """Return the folder of the search parameters that are shipped besides R4's."""
    return definitions_folder().parent / "search-parameters"


def policy_folder() -> Path:
    """Return the folder of the rules on disclosure."""
    return definitions_folder().parent / "policy"
