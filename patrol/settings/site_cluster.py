"""`cluster:` of site.yaml: rounds over many machines. Absent: one process, and no job queue.

The same section serves the service and its workers; which keys each needs stands beside them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from patrol.settings.site_integrations import FileProblem, missing_file
from patrol.settings.yaml_types import SettingsSection

DEFAULT_EXCHANGE: Final = Path("var/exchange")
KEY_FILE: Final = "cluster.key"  # beside site.yaml of a worker, written by `patrol cluster slice`


def exchange_url(value: str) -> str:
    """An address of pictures, without a password in it. Raises ValueError."""
    if not value:
        return value
    example = "https://TOWN:8624, s3://BUCKET/FOLDER or file:///FOLDER"
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError(f"the host or the port cannot be read, write {example}") from None
    if not parts.scheme or not (parts.netloc or parts.path):
        raise ValueError(f"not an address, write {example}")
    if parts.username or parts.password:
        raise ValueError("no login belongs here; give it to fsspec by its own files or variables")
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError("the workers' token would cross the network in clear, write https://")
    return value


class ClusterSection(SettingsSection):
    """How the service and its workers meet, beside the database."""

    # Where pictures are exchanged. The service: empty for its own directory, which its console
    # serves to workers; an fsspec address otherwise. A worker: the console's address, or the same.
    pictures: Annotated[str, AfterValidator(exchange_url)] = ""
    exchange: Path = DEFAULT_EXCHANGE  # that directory
    ca_file: Path | None = None  # of a worker: who signed the console's certificate
    key_file: Path | None = None  # of a worker: the cluster's key; the service derives it
    worker_role: str = Field(default="patrol_worker", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    shard_cameras: int = Field(default=100, ge=1, le=1000)  # a shard takes a minute or two


class ClusterSettings(SettingsSection):
    """The part of site.yaml's settings that says whether rounds run on one machine or many."""

    cluster: ClusterSection | None = None  # None: this process makes its rounds itself

    @model_validator(mode="after")
    def _cluster_has_postgres(self) -> Self:
        if self.cluster is not None and str(getattr(self, "database", "")).startswith("sqlite"):
            raise ValueError(
                "cluster: workers meet in PostgreSQL, this site's database is SQLite; write"
                " `database: postgresql+psycopg://…`, or delete `cluster:`"
            )
        return self

    def cluster_file_problems(self) -> Iterator[FileProblem]:
        """What is wrong with the files that `cluster:` names."""
        for name in ("ca_file", "key_file"):
            path: Path | None = getattr(self.cluster, name, None)
            if path is not None:
                yield from missing_file(("cluster", name), path)
