"""What a process is told from outside: environment variables with the prefix CUSTLOG_."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Url = Annotated[str, Field(repr=False)]
"""An address that may hold a password: it stays out of repr() and of error messages."""

_LOG = ("postgres_url", "keyring_url", "kafka", "kek_file", "jwks_file")
REQUIRED: dict[str, tuple[str, ...]] = {
    "customer": _LOG,
    "identity": _LOG,
    "notifications": (*_LOG, "spool"),
    "projections": ("mongo_url", "keyring_url", "kafka", "kek_file", "jwks_file"),
}
"""Settings without which a service cannot start."""


class SettingsError(Exception):
    """A setting is missing or wrong. Fate: the process stops; the message names each variable and its remedy."""


class Settings(BaseSettings):
    """All settings of one service process. Immutable. Build it with `load`; directly only in tests."""

    model_config = SettingsConfigDict(
        env_prefix="CUSTLOG_", frozen=True, extra="ignore", hide_input_in_errors=True, str_strip_whitespace=True
    )

    service: str = Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535, description="0 takes a free port")

    postgres_url: Url = Field(default="", description="libpq URL of this service's own database")
    keyring_url: Url = Field(default="", description="libpq URL of the keyring database")
    access_url: Url = Field(
        default="", description="libpq URL of the access log's database; without it nobody records who reads"
    )
    mongo_url: Url = Field(default="", description="MongoDB URL that names the replica set")
    mongo_database: str = Field(default="custlog", pattern=r"^[A-Za-z0-9_-]{1,60}$")
    kafka: str = Field(default="", description="bootstrap servers as host:port[,host:port]")
    partitions: int = Field(
        default=12, ge=1, le=1000, description="of a topic that we create; never changed afterwards"
    )
    replication: int = Field(default=1, ge=1, le=9)

    match_model: str = Field(
        default="default", description="identity: a matching model that is shipped, or the file (.json) of another"
    )
    kek_file: Path | None = Field(default=None, description="file with the key-encryption key, outside the data folder")
    jwks_file: Path | None = Field(default=None, description="public keys of the token issuer")
    audit_keys: Path | None = Field(
        default=None,
        description="folder of the audit keys, outside the data folder; without it no checkpoints are signed and what "
        "is published carries no authentication code",
    )
    erasures: Path | None = Field(
        default=None,
        description="file of the ledger of erasures, outside the data folder and its backups; without it approved "
        "erasures wait",
    )
    witnesses: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), repr=False, description="addresses of the witnesses of the logs, separated by commas"
    )
    token_issuer: str = "custlog"  # noqa: S105 - a name
    token_audience: str = "custlog"  # noqa: S105 - a name

    instance: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="name of this process among its service's, kept over restarts, so that it takes up its partitions "
        "at once; empty if it has none",
    )
    timezone: str = "UTC"
    clock: Literal["system", "test"] = "system"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    consent_purposes: str = Field(
        default="marketing",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_.:\-]{0,63}(,|$))*$",
        description="purposes, separated by commas, for which nothing is sent without consent through the channel",
    )
    spool: Path | None = Field(default=None, description="folder for outgoing messages")
    max_body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024, le=1024 * 1024 * 1024)
    max_intake_bytes: int = Field(default=16 * 1024**3, ge=1024, description="of one file sent to POST /intake")
    max_requests: int = Field(
        default=256, ge=1, le=10_000, description="worked on at once; the others are answered 503"
    )
    phone_region: str = Field(
        default="ZZ",
        pattern="^[A-Z]{2}$",
        description="country (ISO 3166) of phone numbers written without a country code; ZZ refuses them",
    )
    stop_seconds: int = Field(default=10, ge=1, le=300, description="time for running requests when the service stops")

    @field_validator("postgres_url", "keyring_url", "access_url")
    @classmethod
    def _is_postgres(cls, url: str) -> str:
        if url and urlsplit(url).scheme not in ("postgresql", "postgres"):
            raise ValueError("must be a libpq URL: postgresql://user@host:port/database")
        return url

    @field_validator("mongo_url")
    @classmethod
    def _names_replica_set(cls, url: str) -> str:
        if not url:
            return url
        parts = urlsplit(url)
        if parts.scheme == "mongodb+srv":
            return url
        if parts.scheme != "mongodb" or "replicaset" not in {key.lower() for key in parse_qs(parts.query)}:
            raise ValueError("must name a replica set, transactions need one: mongodb://host:port/?replicaSet=rs0")
        return url

    @field_validator("kafka")
    @classmethod
    def _has_ports(cls, servers: str) -> str:
        if servers and not all(_is_host_port(server.strip()) for server in servers.split(",")):
            raise ValueError("must be host:port, several separated by commas")
        return servers

    @field_validator("timezone")
    @classmethod
    def _is_known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as unknown:
            raise ValueError("must be a name of the time zone database, for example Europe/Berlin") from unknown
        return name

    @field_validator("witnesses", mode="before")
    @classmethod
    def _are_addresses(cls, addresses: object) -> object:
        if not isinstance(addresses, str):
            return addresses
        each = tuple(address.strip().rstrip("/") for address in addresses.split(",") if address.strip())
        if not all(urlsplit(address).scheme in ("http", "https") and urlsplit(address).netloc for address in each):
            raise ValueError("must be addresses such as http://witness.example:8480, separated by commas")
        return each

    @field_validator("audit_keys")
    @classmethod
    def _is_folder(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_dir():
            raise ValueError(f"there is no folder {path}; create it or correct the path")
        return path

    @field_validator("erasures")
    @classmethod
    def _is_in_a_folder(cls, path: Path | None) -> Path | None:
        if path is not None and not path.parent.is_dir():
            raise ValueError(f"there is no folder {path.parent}; create it or correct the path")
        return path

    @field_validator("kek_file", "jwks_file")
    @classmethod
    def _is_file(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError(f"there is no file {path}; create it or correct the path")
        return path


def load(service: str) -> Settings:
    """Settings from the environment, complete for `service`. SettingsError names everything to correct."""
    try:
        settings = Settings(service=service)
    except ValidationError as invalid:
        raise SettingsError("\n".join(_sentences(invalid))) from None
    missing = [name for name in REQUIRED.get(service, ()) if not getattr(settings, name)]
    if missing:
        raise SettingsError("\n".join(_missing(service, name) for name in missing))
    return settings


def _missing(service: str, name: str) -> str:
    purpose = Settings.model_fields[name].description or "see README.md"
    return f"The {service} service needs CUSTLOG_{name.upper()}: set it to the {purpose}."


def _sentences(invalid: ValidationError) -> list[str]:
    sentences = []
    for error in invalid.errors(include_input=False, include_url=False, include_context=False):
        variable = "CUSTLOG_" + "_".join(str(part) for part in error["loc"]).upper()
        sentences.append(f"{variable} is wrong: {error['msg'].removeprefix('Value error, ')}.")
    return sentences


def _is_host_port(server: str) -> bool:
    host, _, port = server.rpartition(":")
    return bool(host) and port.isdigit() and 0 < int(port) < 65536
