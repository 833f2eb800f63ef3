"""`patrol check` for a cluster: the workers' database role, the exchange of pictures, the links.

On the service's machine and on a worker's alike; a worker's directory has no people and no broker,
so that nothing else of the check is meant for it.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url

from patrol.cluster.exchange import (
    BlobMissing,
    ExchangeRefused,
    Folder,
    cluster_key,
    open_exchange,
)
from patrol.cluster.grants import role_problems
from patrol.cluster.worker import WorkerRefused, refuse_wrong_site
from patrol.domain.errors import BadInput
from patrol.domain.reader_language import translate
from patrol.encryption import SiteKey
from patrol.settings import Settings, Site
from patrol.settings.site_cluster import KEY_FILE
from patrol.settings.site_keys import read_site_key
from patrol.store import Store, StoreUnavailable
from patrol.store.engine import connect, make_engine, parse_url

PROBE: Final = b"patrol check"


@dataclass(frozen=True, slots=True)
class ClusterFinding:
    """One line about the cluster, and whether it is as it should be."""

    ok: bool
    text: str


def is_worker(settings: Settings) -> bool:
    """Whether this is a worker's directory: its database login is the workers' role."""
    section = settings.cluster
    return section is not None and make_url(settings.database).username == section.worker_role


def check_cluster(site: Site, config: Path) -> Iterator[ClusterFinding]:
    """Try the role, whose database it is, and the exchange."""
    yield check_role(site.settings)
    yield _check_exchange(site.settings, config)


def check_role(settings: Settings) -> ClusterFinding:
    """Whether the workers' role may do what it must, no more; a worker's database is its site's."""
    assert settings.cluster is not None  # noqa: S101  the caller asked  # nosec B101
    role, engine = settings.cluster.worker_role, make_engine(parse_url(settings.database))
    try:
        connection = connect(engine, read_only=True)
        try:
            problems = [one.text for one in role_problems(connection, role)]
        finally:
            connection.close()
        if not problems and is_worker(settings):
            refuse_wrong_site(Store(engine), settings.site.id)
    except StoreUnavailable as exc:
        return ClusterFinding(ok=False, text=f"{role}: {exc}")
    except WorkerRefused as exc:
        return ClusterFinding(ok=False, text=str(exc))
    finally:
        engine.dispose()
    if problems:
        return ClusterFinding(ok=False, text="; ".join(problems))
    text = translate(f"工作机角色 {role} 权限恰当", f"the workers' role {role} may do what it must")
    return ClusterFinding(ok=True, text=text)


def _check_exchange(settings: Settings, config: Path) -> ClusterFinding:
    section = settings.cluster
    assert section is not None  # noqa: S101  the caller asked  # nosec B101
    worker = is_worker(settings)
    try:
        if worker:
            key = SiteKey.read(section.key_file or config / KEY_FILE)
        else:
            site_key = read_site_key(settings, os.environ)
            if site_key is None:
                later = translate("密钥在首次启动时生成", "the key is made at first start")
                return ClusterFinding(ok=True, text=later)
            key = cluster_key(site_key)
        exchange = open_exchange(section.pictures, key, section.exchange, ca_file=section.ca_file)
        name = exchange.put(Folder.RESULTS, PROBE)
        if not worker:
            exchange.get(Folder.RESULTS, name)
            exchange.delete(Folder.RESULTS, name)
    except (BadInput, ExchangeRefused, BlobMissing) as exc:
        return ClusterFinding(ok=False, text=f"the exchange of pictures: {exc}")
    works = translate("照片交换处可用：", "the exchange of pictures works: ")
    return ClusterFinding(ok=True, text=f"{works}{exchange.place}")
