"""Stack configuration to typed, frozen models; bad input ends here with one clear error per key."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from components.drivers import Driver, refuse_drivers
from components.floor import image_tag_version, is_below_floor
from components.ini_keys import FORCED_KEYS
from components.names import DeploymentNames, refuse_entry_name, refuse_user_name
from components.needs import Need, refuse_needs
from components.routes import database_entries, refuse_routes

SECRET_KEYS = ("admin_password", "passwords")


class SettingsError(ValueError):
    """The stack configuration cannot be deployed; the text has one line per finding: key, value and fix."""


class Lane(StrEnum):
    """The three ways from a service to the database."""

    DIRECT = "direct"
    TRANSACTION = "transaction"
    SESSION = "session"


def _refusal(text: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{text}", {"text": text})


def _whole_number(value: object) -> object:
    """Top-level config arrives as text; a fraction, a word or a boolean is no size."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refusal(f"{_shown(value)} is not a whole number; give one, like 10")
    return value


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, default=str)


Count = Annotated[int, BeforeValidator(_whole_number), Field(ge=0)]
Size = Annotated[int, BeforeValidator(_whole_number), Field(ge=1)]
Port = Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=65535)]


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?", value):
        raise _refusal(
            f"{_shown(value)} is not a host name or address; give one, like timescale_db or 10.0.0.5"
        )
    return value


def _image(value: str) -> str:
    version = image_tag_version(value)
    if version is None:
        raise _refusal(
            f"{_shown(value)} has no tag with a PgBouncer version; name one, like pgbouncer-stack/pgbouncer:1.26.1"
        )
    if is_below_floor(version):
        raise _refusal(
            f"{_shown(value)} is below 1.26.1, where CVE-2026-107350 and others are fixed; use 1.26.1 or later"
        )
    return value


def _reference(value: str) -> str:
    if not re.fullmatch(r"[^\s@]+(:[\w][\w.-]*|@sha256:[0-9a-f]{64})", value):
        raise _refusal(f"{_shown(value)} has no tag and no digest; name one, like exporters:1.0")
    return value


def _published(value: str) -> str:
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,3}){3}):(\d{1,5})", value)
    if not match or any(int(part) > 255 for part in match[1].split(".")) or not 1 <= int(match[2]) <= 65535:
        raise _refusal(f"{_shown(value)} is not a host address and port; write it like 127.0.0.1:6432")
    return value


def _numeric_user(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d{0,9}:[1-9]\d{0,9}", value):
        raise _refusal(f"{_shown(value)} is not a numeric non-root uid:gid; write it like 65532:65532")
    return value


def _deployment_name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", value) or value.startswith("pg_"):
        raise _refusal(
            f"{_shown(value)} cannot prefix role and container names; use up to 40 of a-z, 0-9 and _, not pg_…"
        )
    return value


def _container_name(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value):
        raise _refusal(f"{_shown(value)} is not a container's name; `docker ps` shows it")
    return value


def _choice(*allowed: str) -> BeforeValidator:
    def check(value: object) -> object:
        if value not in allowed:
            raise _refusal(f"{_shown(value)} is not known; use {', '.join(allowed[:-1])} or {allowed[-1]}")
        return value

    return BeforeValidator(check)


def _none_if_empty(value: object) -> object:
    """`{}`, the default of the project, is none."""
    return None if value == {} else value


Host = Annotated[str, AfterValidator(_host)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Model):
    """What one pooler process may take from its host."""

    memory_mb: Size = 64
    """MiB of memory; swap is limited to as much again."""
    nofile: Size | None = None
    """Open files, hard and soft; None keeps the engine's own limit."""
    max_client_conn: Size = 2000
    """Clients that may be connected at once."""
    cpus: Annotated[float, Field(gt=0)] | None = None
    """CPUs, like 0.5; None is no limit."""


class Exporters(_Model):
    """The optional exporters for Prometheus, containers beside the pooler."""

    image: Annotated[str, AfterValidator(_reference)]
    """Image of a PgBouncer exporter; it reads PGBOUNCER_EXPORTER_CONNECTION_STRING and serves port 9127."""
    postgres_image: Annotated[str, AfterValidator(_reference)] | None = None
    """Image of the community's postgres_exporter; None where one scrapes this server already."""


class Service(_Model):
    """One service of the team: who it logs in as and by which lane."""

    user: str
    """Postgres role of the service; the service's own name by default."""
    route: Annotated[Lane, _choice("direct", "transaction", "session")] = Lane.DIRECT
    """The lane that `<service>_dsn` follows."""
    database: str = ""
    """Key in `databases`; empty is the stack's own database."""
    driver: Annotated[Driver, _choice(*Driver)] = Driver.LIBPQ
    """What reads its DSN; it decides how that is written."""
    needs: tuple[Annotated[Need, _choice(*Need)], ...] = ()
    """Session features that it relies on; a route that cannot give them is refused."""
    pool_size: Size | None = None
    """Backends of this service's own entry, its transaction lane; None shares what is left."""
    direct_connections: Count = 10
    """Connections that its own pool may open while its route is direct (a common driver default)."""
    query_wait_timeout: Size | None = None
    """Seconds that a client of its own entry waits for a backend; None is the setting of the pooler."""
    max_clients: Size | None = None
    """Clients that its own entry lets in; None is no limit but limits.max_client_conn."""
    statement_timeout: Count | None = None
    """Seconds, a default of its role in its database; 0 is no limit, None leaves the role alone."""
    idle_transaction_timeout: Count | None = None
    """Seconds that a transaction may idle, likewise."""
    read_only: bool | None = None
    """Default of its role in its database for new transactions, likewise."""


class Database(_Model):
    """One more database of the same server, with backends of its own inside the cap."""

    dbname: str
    """Name on the server; the key by default."""
    backends: Size
    """Backends of its transaction lane."""
    session_backends: Count = 0
    """Backends of its session lane; with 0 it has none."""


class Settings(_Model):
    """The whole stack. Keys, types and defaults are those of Pulumi.yaml; sizes are connections unless said."""

    network: Annotated[str, Field(min_length=1)]
    database: Annotated[str, Field(min_length=1)]
    database_host: Host = "timescale_db"
    database_port: Port = 5432
    max_connections: Size = 100
    reserved_connections: Count = 3
    admin_host: Host = "127.0.0.1"
    admin_port: Port = 5432
    admin_user: Annotated[str, Field(min_length=1)] = "postgres"
    admin_password: SecretStr
    admin_sslmode: Annotated[str, _choice("disable", "require", "verify-ca", "verify-full")] = "disable"
    deployment_connections: Size = 4
    image: Annotated[str, AfterValidator(_image)]
    docker_host: str = ""
    name: Annotated[str, AfterValidator(_deployment_name)] = "pgbouncer"
    alias: Host = "pgbouncer"
    adopts: Annotated[str, AfterValidator(_container_name)] = ""
    """Container, not of this stack, that may answer to the alias until it is stopped."""
    port: Port = 6432
    ports: tuple[Annotated[str, AfterValidator(_published)], ...] = ()
    run_as: Annotated[str, AfterValidator(_numeric_user)] = "65532:65532"
    limits: Limits = Limits()
    max_backends: Size = 25
    session_backends: Size = 3
    rotation: Size = 1
    destroy_grace_seconds: Size = 30
    drain_seconds: Size = 3
    budget: Annotated[str, _choice("warn", "strict")] = "warn"
    metrics: Annotated[Exporters | None, BeforeValidator(_none_if_empty)] = None
    """The exporters; none without this key."""
    settings: Mapping[str, str] = {}
    databases: Mapping[str, Database] = {}
    services: Mapping[str, Service]
    superusers: tuple[str, ...] = ()
    passwords: Mapping[str, SecretStr] = {}
    managed_passwords: tuple[str, ...] = ()
    """Users whose password in `passwords` the stack also sets on the server."""

    json_keys: ClassVar[tuple[str, ...]] = (
        "ports",
        "limits",
        "metrics",
        "settings",
        "databases",
        "services",
        "superusers",
        "passwords",
        "managed_passwords",
    )

    @property
    def names(self) -> DeploymentNames:
        """Names of everything that this deployment creates."""
        return DeploymentNames(self.name, self.database)

    @property
    def reads_postgres(self) -> bool:
        """Whether an exporter of Postgres runs, which logs in to the server with a role of its own."""
        return self.metrics is not None and self.metrics.postgres_image is not None

    def dbname(self, service: Service) -> str:
        """Name on the server of the database that a service works in."""
        return self.databases[service.database].dbname if service.database else self.database

    def dbnames(self) -> tuple[str, ...]:
        """Every database of the stack by its name on the server, each once, its own first."""
        return tuple(dict.fromkeys([self.database, *(body.dbname for body in self.databases.values())]))

    def users(self) -> tuple[str, ...]:
        """Roles that services log in as, each once, in the order of the configuration."""
        return tuple(dict.fromkeys(service.user for service in self.services.values()))


def load(values: Mapping[str, str]) -> Settings:
    """Read the project's configuration.

    `values`: key without the project's prefix → text as Pulumi hands it over (JSON for objects and arrays).
    Raises SettingsError with every finding, one per line, before anything is changed.
    """
    findings: list[str] = []
    document: dict[str, Any] = {}
    for key, text in values.items():
        try:
            document[key] = (
                json.loads(text, object_pairs_hook=_no_duplicates) if key in Settings.json_keys else text
            )
        except _DuplicateKeyError as twice:
            findings.append(f"{key}.{twice}: is there twice; keep one of them")
        except ValueError:
            findings.append(f"{key}: is not valid JSON; set it with `pulumi config set --path`")
    findings += _control_characters(document)
    if findings:
        raise SettingsError("\n".join(findings))
    document = _with_defaults(document)
    try:
        settings = Settings.model_validate(document)
    except ValidationError as refused:
        raise SettingsError("\n".join(_finding(error) for error in refused.errors())) from None
    findings = list(_cross_check(settings))
    if findings:
        raise SettingsError("\n".join(findings))
    return settings


class _DuplicateKeyError(Exception):
    pass


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _DuplicateKeyError(key)
        found[key] = value
    return found


def _with_defaults(document: dict[str, Any]) -> dict[str, Any]:
    """A service without a user logs in under its own name; settings may be numbers or booleans in YAML."""
    services = document.get("services")
    if isinstance(services, dict):
        document["services"] = {
            name: {"user": name, **(body or {})} if isinstance(body, dict | None) else body
            for name, body in services.items()
        }
    databases = document.get("databases")
    if isinstance(databases, dict):
        document["databases"] = {
            name: {"dbname": name, **(body or {})} if isinstance(body, dict | None) else body
            for name, body in databases.items()
        }
    settings = document.get("settings")
    if isinstance(settings, dict):
        document["settings"] = {key: _ini_scalar(value) for key, value in settings.items()}
    return document


def _ini_scalar(value: object) -> object:
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value) if isinstance(value, int | float) else value


def _control_characters(value: object, path: str = "") -> list[str]:
    """Line breaks and control characters are refused, never stripped: they would end an ini or HBA line."""
    if isinstance(value, dict):
        return [
            finding
            for key, item in value.items()
            for finding in _control_characters(key, f"{path}.{_shown(key)[1:-1]}".lstrip("."))
            + _control_characters(item, f"{path}.{_shown(key)[1:-1]}".lstrip("."))
        ]
    if isinstance(value, list):
        return [f for i, item in enumerate(value) for f in _control_characters(item, f"{path}[{i}]")]
    if isinstance(value, str) and any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in value):
        shown = "the value" if path.startswith(SECRET_KEYS) else _shown(value)
        return [f"{path}: {shown} has a line break or control character; remove it"]
    return []


def _finding(error: ErrorDetails) -> str:
    """One line of ours for one error of pydantic: path, value, fix. Never the value of a secret."""
    path = ".".join(str(part) for part in error["loc"])
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    shown = "the value" if path.startswith(SECRET_KEYS) else _shown(value)
    if kind == "refused":
        return f"{path}: {context['text']}"
    if kind == "missing":
        secret = "--secret " if path.startswith(SECRET_KEYS) else ""
        return f"{path}: is not set; run `pulumi config set {secret}{path} …`"
    if kind == "extra_forbidden":
        return _unknown_key(path, shown)
    if kind == "tuple_type":
        return f"{path}: {shown} is not a list; write it like [{shown.strip('[]')}]"
    if kind == "greater_than_equal":
        return f"{path}: {shown} is too small; use {context['ge']} or more"
    if kind == "greater_than":
        return f"{path}: {shown} is too small; use more than {context['gt']}"
    if kind == "less_than_equal":
        return f"{path}: {shown} is too large; use {context['le']} or less"
    if kind == "string_too_short":
        return f"{path}: is empty; give it a value"
    return f"{path}: {shown} does not fit ({error['msg']}); see the table of keys in README.md"


def _unknown_key(path: str, shown: str) -> str:
    if re.fullmatch(r"databases\..*\.(host|port)", path):
        return (
            f"{path}: {shown} would be another server, whose roles the lookup does not know; "
            "all databases are on database_host, give another server a stack of its own"
        )
    models: dict[str, type[_Model]] = {
        "services": Service,
        "databases": Database,
        "limits": Limits,
        "metrics": Exporters,
    }
    known = models.get(path.partition(".")[0], Settings).model_fields
    return f"{path}: is not a known key; known are {', '.join(known)}"


def _refuse_settings(free: Mapping[str, str]) -> Iterator[str]:
    for key, value in free.items():
        if key in FORCED_KEYS:
            yield f"settings.{key}: {_shown(value)} would replace what this stack sets itself; {FORCED_KEYS[key]}"
        elif not re.fullmatch(r"[a-z][a-z0-9_]*", key):
            yield f"settings.{_shown(key)[1:-1]}: is not a PgBouncer setting; use its name from pgbouncer.ini(5)"


def _refuse_managed_passwords(settings: Settings) -> Iterator[str]:
    for user in settings.managed_passwords:
        if user not in settings.passwords:
            yield (
                f"managed_passwords: the stack knows no password of {_shown(user)}; "
                "set it with `pulumi config set --secret --path 'passwords.USER'`, or remove the user here"
            )
        elif user == settings.admin_user:
            yield (
                f"managed_passwords: {_shown(user)} is the admin_user; change its password by hand "
                "and set admin_password, or the next update could not log in"
            )


def _cross_check(settings: Settings) -> Iterator[str]:
    names = settings.names
    if not settings.services:
        yield "services: is empty; name at least one service"
    yield from refuse_entry_name(
        "database", settings.database, taken={names.auth_entry: "the entry for lookups"}
    )
    taken = {
        names.transaction_entry: "the transaction lane",
        names.session_entry: "the session lane",
        names.auth_entry: "the entry for lookups",
    }
    for path, entry, purpose in database_entries(settings.databases):
        yield from refuse_entry_name(path, entry, taken)
        taken[entry] = purpose
    for service, body in settings.services.items():
        yield from refuse_entry_name(f"services.{service}", service, taken)
        yield from refuse_user_name(f"services.{service}.user", body.user, names)
    yield from refuse_routes(settings)
    yield from refuse_needs(settings)
    yield from refuse_drivers(settings)
    users = settings.users()
    for user in settings.passwords:
        if user not in users:
            yield f"passwords.{user}: is no user of any service; users are {', '.join(users)}"
    yield from _refuse_managed_passwords(settings)
    for user in settings.superusers:
        if user not in users:
            yield f"superusers: {_shown(user)} is no user of any service; remove it"
    if settings.docker_host and not re.match(r"(unix|tcp|ssh|npipe)://", settings.docker_host):
        yield f"docker_host: {_shown(settings.docker_host)} has no scheme; use unix://, tcp:// or ssh://"
    yield from _refuse_settings(settings.settings)
    if settings.drain_seconds >= settings.destroy_grace_seconds:
        yield (
            f"drain_seconds: {settings.drain_seconds} leaves running transactions no time; use less than "
            f"destroy_grace_seconds ({settings.destroy_grace_seconds})"
        )
