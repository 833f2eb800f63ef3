"""`patrol deliveries`: webhooks and second channels that wait or were given up; try one again."""

from typing import Annotated

import typer

from patrol.cli.common import AsJson, bad_input, console, print_json, site_of, store_of


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="外部通知队列。 Webhooks and second channels.")
    group.command("list")(show)
    group.command("retry")(retry)
    cli.add_typer(group, name="deliveries")


def show(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="最多几条。 At most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """待送数量与已放弃的,附原因。 What waits, and what was given up with the reason."""
    with store_of(site_of(context)) as store, store.begin_read() as uow:
        waiting, dead = uow.deliveries.waiting(), uow.deliveries.dead(limit=limit)
    if as_json:
        print_json(
            {
                "waiting": {
                    target: {"count": count, "since": f"{since:%Y-%m-%dT%H:%M:%SZ}"}
                    for target, (count, since) in waiting.items()
                },
                "dead": [
                    {
                        "target": one.target,
                        "key": one.key,
                        "event": one.event,
                        "tries": one.tries,
                        "reason": one.problem,
                        "at": f"{one.ended_at:%Y-%m-%dT%H:%M:%SZ}" if one.ended_at else None,
                    }
                    for one in dead
                ],
            }
        )
        return
    out = console()
    for target, (count, since) in waiting.items():
        out.print(f"{target}: 待送 waiting {count}, since {since:%Y-%m-%d %H:%M} UTC")
    for one in dead:
        out.print(f"{one.target} {one.key}: 已放弃 given up: {one.problem}", soft_wrap=True)
    if not waiting and not dead:
        out.print("没有待送或放弃的通知。 Nothing waits, nothing was given up.")


def retry(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="如 webhook:county。")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="编号。 As `list` shows it.")],
) -> None:
    """已放弃的重新投递。 Try one that was given up again, from the start."""
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms

    with store_of(site_of(context)) as store, store.begin() as uow:
        if not uow.deliveries.revive(target, key, SystemClock().now()):
            bad_input(f"{target} {key}: none such was given up, `patrol deliveries list` has them")
        uow.commit()
    console().print(f"重新投递 tried again: {target} {key}")
