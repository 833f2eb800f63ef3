"""What a new site's pages say to do next: no camera that may be patrolled, no round yet, no models.

Pure but for one question to the store: whether a round was ever begun.
"""

from collections.abc import Iterable

from patrol.app.detectors import Detectors
from patrol.domain.account import Permission
from patrol.domain.round import PatrolPlan
from patrol.store import UnitOfWork
from patrol.web.auth import CurrentUser
from patrol.web.context import WebContext
from patrol.web.i18n import Translator, plan_label

Banner = tuple[str, str, str, str]  # kind, title, text, address
MODELS_COMMAND = "patrol models install"


def no_round_was_begun(uow: UnitOfWork, plans: Iterable[str]) -> bool:
    """Whether no plan has a round yet, not even a missed one."""
    return not any(uow.rounds.of_plan(plan, limit=1) for plan in plans)


def hours_text(plans: Iterable[PatrolPlan], t: Translator) -> str:
    """`上午 09:00、下午 15:00`: when rounds begin by themselves."""
    return t("、", ", ").join(f"{plan_label(one.name, t)} {one.start:%H:%M}" for one in plans)


def setup_banners(
    context: WebContext, user: CurrentUser, may_be_visited: int, *, is_new: bool
) -> list[Banner]:
    """What is still to be set up on a site with so many cameras that may be patrolled."""
    wanted = context.app.site.settings.objects
    cameras = may_be_visited, len(context.app.registry.cameras)
    return [
        *(first_steps(context.plans.values(), cameras, user) if is_new else ()),
        *model_banners(context.app.detectors, wanted=wanted, user=user),
    ]


def first_steps(
    plans: Iterable[PatrolPlan], cameras: tuple[int, int], user: CurrentUser
) -> list[Banner]:
    """Banners of a site without any round; `cameras`: how many may be patrolled, of how many."""
    t, (may_be, registered) = user.t, cameras
    if not may_be:
        text = t(
            f"登记的 {registered} 路都不能巡：先填户外与农户同意",
            f"none of {registered} may be visited: enter which are outdoors, and consent",
        )
        return [("warn", t("没有可巡的点位", "No camera to patrol"), text, "/cameras")]
    text = t(
        f"可巡 {may_be}/{registered} 路；{hours_text(plans, t)} 自动开始，也可立即加巡",
        f"{may_be} of {registered} cameras may be visited; begins at {hours_text(plans, t)},"
        " or begin one now",
    )
    return [("warn", t("还没有巡查过", "No round yet"), text, "/rounds")]


def model_banners(detectors: Detectors, *, wanted: bool, user: CurrentUser) -> list[Banner]:
    """A banner where objects are to be detected and no model is there, for who looks after it."""
    able = user.has_permission(Permission.SYSTEM) or user.has_permission(Permission.SUPERVISE)
    if not wanted or detectors.objects is not None or not able:
        return []
    t = user.t
    text = t(
        f"只看画面质量与变化；在服务器上执行 {MODELS_COMMAND} 后重启服务",
        f"only picture quality and changes are judged: run {MODELS_COMMAND} on the server,"
        " then restart the service",
    )
    address = "/system" if user.has_permission(Permission.SYSTEM) else "/"
    return [("warn", t("没有检测模型", "No detection model"), text, address)]
