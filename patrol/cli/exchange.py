"""A cluster's exchange of pictures for the verbs that delete, check and list what is held.

On a site without `cluster:` in site.yaml nothing of a cluster is imported.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from patrol.cli.output import print_err
from patrol.cli.site import trusted_now_of
from patrol.domain.ids import CameraId
from patrol.domain.reader_language import translate
from patrol.ports import PictureStoreFull
from patrol.settings.site_keys import read_site_key
from patrol.store import Store
from patrol.store.pixels import HeldPixels

if TYPE_CHECKING:
    from patrol.cluster.exchange_pixels import ExchangePixels
    from patrol.settings import Site


def exchange_pixels_of(site: "Site", store: Store) -> "ExchangePixels | None":
    """What walks the site's exchange; None: it has none, or no key yet. Raises BadInput."""
    section = site.settings.cluster
    if section is None or section.key_file is not None:  # a worker's own directory
        return None
    site_key = read_site_key(site.settings, os.environ)
    if site_key is None:
        return None
    from patrol.cluster.exchange import cluster_key, open_exchange  # noqa: PLC0415  of a cluster
    from patrol.cluster.exchange_pixels import ExchangePixels  # noqa: PLC0415  of a cluster

    exchange = open_exchange(section.pictures, cluster_key(site_key), section.exchange)
    return ExchangePixels(exchange, store)


def end_in_exchange(site: "Site", store: Store) -> int:
    """Delete there what a withdrawal ended; how many. Where it is away, says that it will be."""
    pixels = exchange_pixels_of(site, store)
    if pixels is None:
        return 0
    try:
        return pixels.end_departed(trusted_now_of(store))
    except PictureStoreFull as exc:
        print_err(away_text(exc))
        return 0


def held_in_exchange(site: "Site", store: Store, camera: CameraId) -> Sequence[HeldPixels]:
    """What lies there of a camera. Where it cannot be reached, says so."""
    pixels = exchange_pixels_of(site, store)
    try:
        return () if pixels is None else pixels.held(camera)
    except PictureStoreFull as exc:
        print_err(away_text(exc))
        return ()


def away_text(problem: Exception) -> str:
    """That the exchange cannot be reached, and who deletes from it later."""
    return translate(
        f"照片交换处无法连接（{problem}）；恢复后由 `patrol run` 每日清扫，"
        "或执行 `patrol db sweep`",
        f"the exchange of pictures cannot be reached ({problem}); `patrol run` sweeps it daily when"
        " it is back, or run `patrol db sweep`",
    )
