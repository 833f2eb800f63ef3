"""Rounds over many machines: `patrol worker`, and `patrol cluster status|grants|slice`."""

import logging
import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from patrol.cli.options import AsJson, config_directory
from patrol.cli.output import bad_input, colon, console, logs_to_stderr, print_err, print_json
from patrol.cli.site import site_of, store_of, until_signalled
from patrol.domain.ids import plain_id_problem
from patrol.domain.problem_texts import problem_text
from patrol.domain.reader_language import reader_language, translate
from patrol.settings import Site
from patrol.settings.site_keys import read_site_key

EXCHANGE_PATH: Final = "/exchange"
LIVES: Final = {True: ("在岗", "lives"), False: ("失联", "silent")}
LEFT: Final = ("已退出", "left")
SHARD_STATES: Final = {
    "waiting": ("等待", "waiting"),
    "running": ("进行", "running"),
    "stalled": ("停滞", "stalled"),
}
RESULT_STATES: Final = {
    "waiting": ("待记", "waiting"),
    "recorded": ("已记", "recorded"),
    "repeated": ("重复", "repeated"),
    "late": ("迟到", "late"),
    "refused": ("拒收", "refused"),
}
Links = Annotated[
    str, typer.Option("--links", metavar="LINKS", help="链路，逗号分隔。 Links, with commas.")
]


def work(
    context: typer.Context,
    links: Links,
    *,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="工作机名，须唯一。 Its name, its own.")
    ] = "",
) -> None:
    """集群工作机：巡查所给链路，交回结果。 A worker: visits the links given, delivers results."""
    logs_to_stderr(logging.INFO, as_lines_of_json=True)
    wanted = _links(links)
    if name and (problem := plain_id_problem(name)):
        bad_input(f"--name: {problem}")
    site = site_of(context)
    _require_cluster(site)
    from patrol.app.worker import build_worker, default_name  # noqa: PLC0415  0.6 s others save

    called = name or default_name(wanted)
    with (
        until_signalled() as stop,
        build_worker(site, config_directory(context), links=wanted, name=called) as worker,
    ):
        record = worker.services.record

        def ready() -> None:
            links, slots = ", ".join(record.links), record.slots
            print_err(
                translate(
                    f"工作机 {record.name}：{links} · {slots} 片并行，Ctrl-C 停止",
                    f"worker {record.name}: {links} · {slots} shards at once, Ctrl-C stops",
                )
            )

        worker.run(stop, ready=ready)
    print_err(translate("已停止", "stopped"))


def show_status(context: typer.Context, *, as_json: AsJson = False) -> None:
    """工作机、链路、分片与吞吐。 Workers, links served, shards, throughput."""
    site = site_of(context)
    _require_cluster(site)
    from patrol.cluster.status import read_status  # noqa: PLC0415  of a cluster alone

    settings = site.settings
    with store_of(site) as store:
        cameras = site.registry.cameras.values()
        status = read_status(store, settings.database, settings.site.id, cameras)
    document = status.document()
    if as_json:
        print_json(document)
        return
    _print_status(document)


def print_grants(
    context: typer.Context,
    *,
    role: Annotated[
        str, typer.Option("--role", metavar="ROLE", help="角色名。 Another than site.yaml's.")
    ] = "",
) -> None:
    """打印工作机数据库角色的授权语句。 The SQL of a worker's database role."""
    site = site_of(context)
    section = _require_cluster(site)
    from patrol.cluster.grants import grants_sql  # noqa: PLC0415  of a cluster alone

    typer.echo(grants_sql(site.settings.database, role or section.worker_role), nl=False)


def write_slice(
    context: typer.Context,
    links: Links,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="写到哪里（新目录）。 A new directory.")
    ],
    *,
    pictures: Annotated[
        str,
        typer.Option(
            "--pictures", metavar="URL", help="工作机把照片送到何处。 Where it sends pictures."
        ),
    ] = "",
) -> None:
    """为工作机导出所给链路的配置目录。 A worker's configuration: its own links alone."""
    site, wanted = site_of(context), _links(links)
    section = _require_cluster(site)
    from patrol.administration.worker_slice import PASSWORD_VARIABLE, write_slice  # noqa: PLC0415
    from patrol.cluster.exchange import cluster_key  # noqa: PLC0415  of a cluster alone

    known = {camera.link for camera in site.registry.cameras.values()}
    if unknown := [link for link in wanted if link not in known]:
        bad_input(f"--links: no camera has the link {', '.join(unknown)}; there are:"
                  f" {', '.join(sorted(known))}")  # fmt: skip
    address = pictures or section.pictures or site.settings.integrations.links.base_url
    if not address:
        bad_input("--pictures: say where workers reach this site's console, https://HOST:8624")
    site_key = read_site_key(site.settings, os.environ)
    if site_key is None:
        bad_input("the site has no key yet; `patrol run` makes it at its first start")
    with store_of(site) as store, store.begin_read() as uow:
        sealed = {key: one.password for key, one in uow.credentials.all().items()}
    files = write_slice(
        site, wanted, out, key=cluster_key(site_key), passwords=sealed, pictures=address
    )
    for file in files:
        console().print(str(file), markup=False, soft_wrap=True)
    print_err(
        translate(
            f"数据库口令写入 {PASSWORD_VARIABLE}",
            f"put the role's password into {PASSWORD_VARIABLE}",
        )
    )


def _links(text: str) -> list[str]:
    found = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not found:
        bad_input("--links: name at least one, as village-203,nvr-7")
    for link in found:
        if problem := plain_id_problem(link):
            bad_input(f"--links: {problem}")
    return found


def _require_cluster(site: Site) -> Any:
    if site.settings.cluster is None:
        bad_input("site.yaml: there is no `cluster:`; write `cluster: {}`, see docs/cluster.md")
    return site.settings.cluster


def _print_status(document: dict[str, Any]) -> None:
    leader, shards, results = document["leader"], document["shards"], document["results"]
    who = f"{leader['host']} ({leader['silent_s']:.0f} s)" if leader else translate("无", "none")
    lines = [
        translate(f"主持：{who}", f"leader: {who}"),
        *map(_worker_line, document["workers"]),
        translate("分片：", "shards: ")
        + _counts(SHARD_STATES, shards)
        + translate(" · 最久", " · oldest")
        + f" {shards['oldest_s']:.0f} s",
        translate("结果：", "results: ")
        + _counts(RESULT_STATES, results)
        + translate(" · 每分钟", " · a minute")
        + f" {document['visits_per_min']}",
    ]
    for line in lines:
        console().print(line, markup=False, soft_wrap=True)
    for link in document["unserved_links"]:
        text = translate(f"没有工作机可达链路 {link}", f"no worker reaches link {link}")
        console().print(text, markup=False, soft_wrap=True)


def _worker_line(worker: dict[str, Any]) -> str:
    state = LEFT if worker["has_left"] else LIVES[worker["lives"]]
    note = f" · {problem_text(worker['note'], reader_language())}" if worker["note"] else ""
    return (
        f"{worker['name']} ({worker['host']}, {worker['version']}){colon()}{translate(*state)}"
        f" {worker['silent_s']:.0f} s · {', '.join(worker['links'])}"
        f" · {worker['running']}/{worker['slots']}{note}"
    )


def _counts(states: dict[str, tuple[str, str]], counts: dict[str, Any]) -> str:
    return " · ".join(f"{translate(*name)} {counts[state]}" for state, name in states.items())
