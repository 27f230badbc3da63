"""Settings: defaults, then a TOML or YAML file, then FILLHANDLER_… variables, then options. Validated once.

The environment is read here and nowhere else.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import platformdirs
from pydantic import Field, PlainValidator, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
    YamlConfigSettingsSource,
)

from fillhandler_server.domain.errors import InvalidFieldError, Violation
from fillhandler_server.domain.instrument_fields import read_instruments
from fillhandler_server.domain.retry_config import RETRY_KEYS, read_retry_config
from fillhandler_server.trading_settings import (
    SLIPPAGE_TOLERANCE,
    ConnectionSettings,
    default_prefix,
    is_loopback,
    looks_secret,
    read_connections,
    read_fraction,
)

T = TypeVar("T")

_APP = "fillhandler"
_NO_SECRETS = (
    "is not a known setting, and secrets do not stand in the configuration: those of an account at a venue"
    " stand in files (credentials_dir of its connection) or in variables (credentials_env)"
)


def default_data_dir() -> Path:
    """The platform's user data folder."""
    return Path(platformdirs.user_data_dir(_APP))


def default_key_folder() -> Path:
    """Where keys that this program makes are kept: the user's config folder, not beside the database."""
    return Path(platformdirs.user_config_dir(_APP)) / "keys"


class _WrongError(ValueError):
    """What several parts of one setting have wrong, through pydantic."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__("; ".join(f"{each.field}: {each.text}" for each in violations))
        self.violations = violations


def _reading(read: Callable[[Any], T]) -> Callable[[Any], T]:
    """As pydantic needs it: any error but a ValueError would end the check of the other settings."""

    def checked(value: Any) -> T:
        try:
            return read(value)
        except InvalidFieldError as error:
            raise _WrongError(error.violations) from None

    return checked


def server_retry_config(given: object = None) -> dict[str, Any]:
    """The setting `retry_config`, whole: the original design's, but with full jitter where none is set.

    Raises:
        InvalidFieldError: naming every key that is wrong.
    """
    defaults = {name: key.default for name, key in RETRY_KEYS.items()}
    return defaults | {"jitter_factor": None} | read_retry_config(given)


_RetryConfig = Annotated[Mapping[str, Any], PlainValidator(_reading(server_retry_config))]
_Connections = Annotated[tuple[ConnectionSettings, ...], PlainValidator(_reading(read_connections))]


class Settings(BaseSettings):
    """Everything that can be set. Frozen."""

    model_config = SettingsConfigDict(
        env_prefix="FILLHANDLER_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    listen: str = Field("127.0.0.1:50051", description="HOST:PORT to serve on; port 0 picks one")
    data_dir: Path = Field(default_factory=default_data_dir, description="folder of the database")
    key_file: Path | None = Field(None, description="file of the database's key, 64 hexadecimal digits")
    key_folder: Path = Field(
        default_factory=default_key_folder, description="folder where keys that the server makes are kept"
    )
    keyring: bool = Field(True, description="also look for the key in the system's keyring")
    reflection: bool = Field(True, description="serve gRPC reflection, to callers with a token")
    max_feeds: int = Field(2000, ge=1, le=100_000, description="feeds that may be open at once")
    max_order_age_hours: float = Field(
        24.0,
        ge=0,
        le=1_000_000,
        description="age at which orders that have ended leave the lists by themselves; 0 for never",
    )
    inference_grace_seconds: float = Field(
        2.0,
        ge=0,
        le=3600,
        description="how long the fills that a venue counts may take to arrive before one is inferred",
    )
    unknown_order_hours: float = Field(
        24.0,
        ge=0,
        le=1_000_000,
        description="age at which an order that nobody registered or reported on is an anomaly; 0 for never",
    )
    shutdown_grace_seconds: float = Field(
        10.0, ge=0, le=600, description="how long calls under way may take to finish at shutdown"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")
    debug_mode: bool = Field(False, description="log at level debug")

    instruments: list[Any] = Field(
        default_factory=list, description="what payloads do not say of symbols; docs/instruments.md"
    )
    value_places: list[Any] = Field(
        default_factory=list, description="decimal places of venues' scaled amounts, by currency"
    )
    retry_config: _RetryConfig = Field(
        default_factory=server_retry_config, description="what is sent to a venue again, and when"
    )
    slippage_tolerance: Annotated[Decimal, PlainValidator(read_fraction)] = Field(
        SLIPPAGE_TOLERANCE, description="how much worse than expected a price may be, as a fraction"
    )
    fill_history_limit: int = Field(
        1_000, ge=0, le=10_000_000, description="nothing in the server: fills the in-process handler keeps"
    )
    connections: _Connections = Field(
        default_factory=tuple, description="accounts at venues to trade on and to collect from"
    )

    @field_validator("listen")
    @classmethod
    def _check_listen(cls, value: str) -> str:
        host, port = split_address(value)
        if not is_loopback(host):
            raise ValueError(
                f"{host} is not a loopback address; without TLS only 127.0.0.0/8 and [::1] are served"
            )
        if not 0 <= port <= 65535:
            raise ValueError("the port must be 0 to 65535")
        return value

    @property
    def credentials_folder(self) -> Path | None:
        """systemd's folder of credentials."""
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        return Path(folder) if folder else None


def split_address(address: str) -> tuple[str, int]:
    """Host and port of HOST:PORT; an IPv6 host stands in brackets.

    Raises:
        ValueError: it is not of that form.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or not host:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051")
    return host.removeprefix("[").removesuffix("]"), int(port)


@dataclass(frozen=True, slots=True)
class CredentialsSource:
    """Where a connection's credentials are: in a folder, or in variables.

    Attributes:
        connection: its name, for errors.
        label: its account, as `execution.secret.from_environment` wants it.
        directory: the folder with a file for each, or None.
        prefix: else how the variables' names begin.
        variables: what those hold, under the names that `from_environment` looks for. Never shown.
    """

    connection: str
    label: str
    directory: Path | None
    prefix: str
    variables: Mapping[str, str] = field(repr=False)

    def places(self, names: Iterable[str]) -> str:
        """Where some credentials are looked for ("api_key", "secret"), for errors."""
        if self.directory is not None:
            return f"the files {', '.join(str(self.directory / name) for name in names)}"
        return f"the variables {', '.join(f'{self.prefix}_{name.upper()}' for name in names)}"


def credentials_source(connection: ConnectionSettings) -> CredentialsSource:
    """Where a connection's credentials are. Whether they are there, `execution.secret` sees."""
    prefix = connection.credentials_env
    usual = default_prefix(connection.venue, connection.account)
    found = {
        usual + name.removeprefix(prefix): value
        for name, value in os.environ.items()
        if prefix and name.startswith(f"{prefix}_")
    }
    return CredentialsSource(
        connection=connection.name,
        label=f"{connection.venue}_{connection.account}",
        directory=connection.credentials_dir,
        prefix=prefix,
        variables=found,
    )


def connections_from_environment() -> tuple[ConnectionSettings, ...]:
    """The connections of FILLHANDLER_CONNECTIONS, for a program of one's own that hands none in.

    Raises:
        InvalidFieldError: naming everything that is wrong.
    """
    name = "FILLHANDLER_CONNECTIONS"
    text = os.environ.get(name)
    if not text:
        return ()
    try:
        given = json.loads(text)
    except ValueError:
        raise InvalidFieldError.of(name, "must be JSON: a list of tables") from None
    return read_connections(given, name)


def load(config_file: Path | None = None, **options: Any) -> Settings:
    """The settings from all sources; options that are None are not given.

    Raises:
        InvalidFieldError: naming each wrong setting.
    """
    given = {name: value for name, value in options.items() if value is not None}

    class Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            sources: list[PydanticBaseSettingsSource] = [
                InitSettingsSource(settings_cls, init_kwargs=given),
                EnvSettingsSource(settings_cls),
            ]
            if config_file is not None:
                sources.append(_file_source(settings_cls, config_file))
            return tuple(sources)

    try:
        settings = Sourced()  # type: ignore[call-arg]  # the sources give the arguments
        read_instruments(settings.instruments, settings.value_places)
        return settings
    except SettingsError as error:  # a list in a variable that is no JSON
        raise InvalidFieldError.of("config", f"{error}: it must be JSON") from None
    except ValidationError as error:
        violations = [found for problem in error.errors() for found in _violations(problem)]
        raise InvalidFieldError(*violations) from None


def _violations(problem: Any) -> tuple[Violation, ...]:
    wrong = problem.get("ctx", {}).get("error")
    if isinstance(wrong, _WrongError):
        return wrong.violations
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return (Violation(path, problem["msg"].removeprefix("Value error, ")),)
    return (Violation(path, _NO_SECRETS if looks_secret(path) else "is not a known setting"),)


def _file_source(settings_cls: type[BaseSettings], path: Path) -> PydanticBaseSettingsSource:
    if not path.is_file():
        raise InvalidFieldError.of("config", f"{path} is not a file")
    try:
        if path.suffix in (".yaml", ".yml"):
            return YamlConfigSettingsSource(settings_cls, yaml_file=path)
        return TomlConfigSettingsSource(settings_cls, toml_file=path)
    except tomllib.TOMLDecodeError as error:
        raise InvalidFieldError.of("config", f"{path} is no TOML: {error}") from None
    except TypeError:
        raise InvalidFieldError.of("config", f"{path} must hold settings by their names") from None
    except Exception as error:  # noqa: BLE001  # each parser raises its own
        # YAML's text quotes the file, and what stands at the wrong place may be a secret.
        mark = getattr(error, "problem_mark", None)
        where = (
            type(error).__name__ if mark is None else f"see line {mark.line + 1}, column {mark.column + 1}"
        )
        raise InvalidFieldError.of("config", f"{path} cannot be read: {where}") from None
