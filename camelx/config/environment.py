"""What differs between machines: `Settings`, from CAMELX_* variables or a .env file."""

from __future__ import annotations

import functools
import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from camelx.errors import ConfigError

_SQLITE = "sqlite:///"


class Settings(BaseSettings):
    """What differs between machines, from CAMELX_* variables or a .env file."""

    model_config = SettingsConfigDict(
        env_prefix="CAMELX_", env_file=".env", extra="ignore", use_attribute_docstrings=True
    )

    root: Path = Field(default_factory=Path.cwd)
    """Folder that holds data/, adapters/ and mlruns/."""
    database_url: str | None = None
    """SQLAlchemy URL; None: SQLite in data/camelx.db."""
    mlflow_uri: str | None = None
    """MLflow tracking and registry URI; None: SQLite in mlruns/mlflow.db."""
    prefect_port: int = 4200
    """Port of the local Prefect server that camelx starts where none answers."""
    host: str = "127.0.0.1"
    """Address that the app listens on; beyond loopback people must sign in."""
    port: int = 7860
    """Port of the app."""
    sign_in: Literal["auto", "on", "off"] = "auto"
    """Whether people must sign in; "auto": as soon as the app listens on more than loopback."""
    secret_key: SecretStr | None = None
    """Signs sessions; None: made once and kept in data/secret.key. Several apps on one database share one."""
    trusted_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Further origins whose pages may call the app, separated by commas, such as https://camelx.example.org:
    needed where a proxy changes the Host header."""
    trusted_proxies: str = "127.0.0.1"
    """Addresses of proxies, separated by commas, whose X-Forwarded-For and -Proto headers are believed."""
    max_body_mb: float = Field(default=2, gt=0)
    """The longest body of a request, in MiB."""
    max_upload_mb: float = Field(default=64, gt=0)
    """The longest body of an import or an upload, in MiB."""
    sign_in_rate: str = "10/minute"
    """How often one name may try to sign in; one address may four times as often."""
    write_rate: str = "1200/minute"
    """How many changes one user may ask for, where people sign in."""
    sentry_dsn: SecretStr | None = None
    """Where unexpected errors are sent, with the extra `sentry`; None: nowhere."""
    annotation_lease_s: float = Field(default=600, ge=10)
    """Seconds for which a pair that somebody has before them is shown to nobody else."""
    annotation_repeat_share: float = Field(default=0.05, ge=0, le=0.5)
    """Share of a person's pairs that they judged before: do they agree with themselves?"""
    annotation_repeat_gap: int = Field(default=20, ge=1)
    """Verdicts of the person between the first look at a pair and its repeat."""
    annotation_overlap_share: float = Field(default=0.1, ge=0, le=1)
    """Share of all pairs that several people judge: do they agree with each other?"""
    annotation_overlap_n: int = Field(default=2, ge=2)
    """How many people judge a pair of that share."""
    annotation_anchors: int = Field(default=20, ge=0)
    """Decided verdicts that each category of goals should have; pairs of one with fewer come sooner."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    project: Path = Field(default_factory=Path.cwd)
    """Folder with configs/, flows/ and prefect.yaml; cycles that the app starts run there."""
    notify_urls: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Where to say that a cycle ended, as Apprise writes addresses (json://, mailtos://, slack:// ...), with
    white space between them."""
    public_url: str | None = None
    """How people reach the app, such as https://camelx.example; for links in messages."""
    prefect_ui_url: str | None = None
    """The Prefect UI as a browser reaches it; None: where its API is."""
    mlflow_ui_url: str | None = None
    """The MLflow UI as a browser reaches it; None: `mlflow_uri` where that is a server."""

    @field_validator("notify_urls", mode="before")
    @classmethod
    def _split_urls(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("trusted_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @property
    def data_dir(self) -> Path:
        """Cycles' files and the default database."""
        return self.root.resolve() / "data"

    @property
    def adapters_dir(self) -> Path:
        """Trained adapters, one directory a cycle."""
        return self.root.resolve() / "adapters"

    @property
    def mlruns_dir(self) -> Path:
        """MLflow's database and artifacts."""
        return self.root.resolve() / "mlruns"

    @property
    def resolved_database_url(self) -> str:
        """The database URL with its default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'camelx.db'}"

    @property
    def resolved_mlflow_uri(self) -> str:
        """The MLflow URI with its default filled in."""
        return self.mlflow_uri or f"sqlite:///{self.mlruns_dir / 'mlflow.db'}"

    @property
    def sign_in_required(self) -> bool:
        """Whether people must sign in."""
        return self.sign_in == "on" or (self.sign_in == "auto" and not is_loopback(self.host))

    @property
    def configs_dir(self) -> Path:
        """The project's config files."""
        return self.project.resolve() / "configs"

    @property
    def resolved_mlflow_ui(self) -> str | None:
        """The MLflow UI as a browser reaches it; None: none is known."""
        is_server = (self.mlflow_uri or "").startswith(("http://", "https://"))
        return self.mlflow_ui_url or (without_password(self.mlflow_uri or "") if is_server else None)

    def cycle_dir(self, cycle_id: str) -> Path:
        """Folder of one cycle's files."""
        return self.data_dir / cycle_id


def is_loopback(host: str) -> bool:
    """Whether the address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_missing(url: str) -> bool:
    """Whether the URL names a SQLite file that is not there: who only reads need not make it."""
    path = unquote(url.removeprefix(_SQLITE).partition("?")[0])
    return url.startswith(_SQLITE) and path != ":memory:" and not Path(path).exists()


def without_password(url: str) -> str:
    """Return the URL as it may be shown: with its password, if it has one, hidden."""
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@") if password else url


@functools.cache
def settings() -> Settings:
    """Return the settings of this process, read once.

    Raises:
        ConfigError: A CAMELX_* variable has a wrong value.
    """
    try:
        return Settings()
    except ValidationError as e:
        first = e.errors()[0]
        name = "CAMELX_" + "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigError(f"environment variable {name}: {first['msg']}, got {first['input']!r}") from e
