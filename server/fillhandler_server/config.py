"""Settings: defaults, then a TOML or YAML file, then FILLHANDLER_… variables, then options. Validated once.

The environment is read here and nowhere else.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import Field, ValidationError, field_validator
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

_APP = "fillhandler"


def default_data_dir() -> Path:
    """The platform's user data folder."""
    return Path(platformdirs.user_data_dir(_APP))


def default_key_folder() -> Path:
    """Where keys that this program makes are kept: the user's config folder, not beside the database."""
    return Path(platformdirs.user_config_dir(_APP)) / "keys"


class Settings(BaseSettings):
    """Everything that can be set. Frozen."""

    model_config = SettingsConfigDict(env_prefix="FILLHANDLER_", frozen=True, extra="forbid")

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
        24.0, gt=0, le=1_000_000, description="age from which clear-orders hides final orders by default"
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


def is_loopback(host: str) -> bool:
    """Whether a host is a loopback address in numbers; a name is not, as it can be pointed anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
        violations = [
            Violation(
                ".".join(str(part) for part in problem["loc"]),
                "is not a known setting"
                if problem["type"] == "extra_forbidden"
                else problem["msg"].removeprefix("Value error, "),
            )
            for problem in error.errors()
        ]
        raise InvalidFieldError(*violations) from None


def _file_source(settings_cls: type[BaseSettings], path: Path) -> PydanticBaseSettingsSource:
    if not path.is_file():
        raise InvalidFieldError.of("config", f"{path} is not a file")
    try:
        if path.suffix in (".yaml", ".yml"):
            return YamlConfigSettingsSource(settings_cls, yaml_file=path)
        return TomlConfigSettingsSource(settings_cls, toml_file=path)
    except Exception as error:  # noqa: BLE001  # each parser raises its own
        raise InvalidFieldError.of("config", f"{path} cannot be read: {error}") from None
