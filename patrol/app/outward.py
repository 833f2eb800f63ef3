"""What the service has beside its main loop: canary, webhooks, second channels, metrics, health."""

import secrets
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import time, timedelta

import structlog

from patrol.app.house import App
from patrol.app.news import News, OutwardProblem
from patrol.bell import Rota
from patrol.dispatch.canary import Canary
from patrol.dispatch.courier import Carry, Courier
from patrol.dispatch.ladder import Ladder
from patrol.dispatch.notices import Unheard
from patrol.dispatch.topics import canary_topics
from patrol.dispatch.upkeep import prune
from patrol.metrics import Check, Heartbeats, Meters, MetricsFailed, serve
from patrol.mqtt import BrokerAddress
from patrol.mqtt.canary_leader import CanaryLeader
from patrol.notify import ChannelUnusable, Messenger
from patrol.rounds.progress import RoundProgress
from patrol.webhooks import Poster

log = structlog.get_logger(__name__)

Patient = Callable[[str, Callable[[], object]], Callable[[], None]]
ShowProgress = Callable[[RoundProgress], None]
PRUNE_AT = time(3, 40)  # local; after the pictures have gone
CANARY_EVERY_S = 1.0  # asked; it decides itself what is due
COURIER_WITHIN_S = 120.0  # one try is limited to 10 s, one of a second channel to some 30


@dataclass(kw_only=True)
class Outposts:
    """Runs beside the service. `start` within the service's stack; `rotas` for its bell."""

    app: App
    news: News
    meters: Meters
    beats: Heartbeats
    canary: Canary | None
    stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, app: App) -> "Outposts":
        """Everything concrete; nothing runs yet."""
        settings = app.site.settings
        said = settings.outward.canary
        canary = Canary(
            store=app.store,
            site=settings.site.id,
            every=said.every,
            within=said.within,
            targets=app.news.targets,
            on_news=app.wake,
        )
        return cls(
            app=app,
            news=app.news,
            meters=app.meters,
            beats=Heartbeats(app.clock.monotonic_s),
            canary=canary if said.enabled else None,
        )

    def rotas(self, patient: Patient) -> list[Rota]:
        """What the bell rings for; `patient` waits for a database that is away."""
        rotas = [Rota(name="messages", ring=patient("messages", self._prune), daily_at=PRUNE_AT)]
        if self.canary is not None:
            canary, clock = self.canary, self.app.clock
            ring = self.beating("canary", lambda: canary.tick(clock.now()), 60.0)
            rotas.append(Rota(name="canary", ring=patient("canary", ring), every_s=CANARY_EVERY_S))
        return rotas

    def climbing(self, ladder: Ladder) -> Callable[[], None]:
        """The ladder's turn; before it, who was not reached is noticed, what was held is let go."""
        unheard = Unheard(
            store=self.app.store, registry=self.app.site.registry, targets=self.news.targets
        )
        release = self.app.new_release()
        self.watch(ladder=ladder.counters, sending=release.gate.counters)

        def climb() -> None:
            now = self.app.clock.now()
            unheard.tick(now)
            release.tick(now)
            ladder.tick(now)

        return climb

    def beating(self, name: str, work: Callable[[], object], within_s: float) -> Callable[[], None]:
        """The work, heard of by /healthz each time it is done."""
        beat = self.beats.expect(name, within_s)

        def ring() -> None:
            work()
            beat()

        return ring

    def beating_progress(self, beat: Callable[[], None], show: ShowProgress | None) -> ShowProgress:
        """A round under way is heard of at every visit."""

        def on_progress(progress: RoundProgress) -> None:
            beat()
            if show is not None:
                show(progress)

        return on_progress

    def start(
        self,
        stack: ExitStack,
        stop: threading.Event,
        run: Callable[[str, Callable[[], None]], None],
    ) -> None:
        """Couriers, the test leader, the port. `run` starts a child of the service's."""
        self.stop = stop
        for courier in self._couriers(stack):
            self.meters.watch_courier(courier.target, lambda c=courier: c.counters)  # type: ignore[misc]
            run(courier.target, lambda c=courier: c.run(stop))  # type: ignore[misc]
        if self.canary is not None:
            stack.enter_context(self._leader())
            self.meters.watch_canary(self.canary)
        self.meters.watch_store(self.app.store, self.app.clock)
        self._open_port(stack)

    def watch(self, **parts: Counter[str]) -> None:
        """Counters of the house's own parts: relay, inbox, ladder, sending."""
        for name, counters in parts.items():
            self.meters.watch_counters(name, lambda c=counters: c)  # type: ignore[misc]

    def checks(self) -> list[Check]:
        """For /healthz."""
        found = self.beats.checks()
        if self.canary is not None:
            why = self.canary.failing
            last = self.canary.last_return
            words = why or f"last back {last or 'never yet'}"
            ago_s = (self.app.clock.now() - last).total_seconds() if last else None
            check = Check(name="canary came back", ok=not why, words=words, ago_s=ago_s)
            found.append(check)
        return found

    def _couriers(self, stack: ExitStack) -> list[Courier]:
        now = self.app.clock.now
        couriers = [
            self._courier(
                hook.target, stack.enter_context(Poster(hook, now)).carry, hook.most_tries
            )
            for hook in self.news.hooks
        ]
        for channel in self.news.channels:
            try:
                couriers.append(self._courier(channel.target, Messenger(channel).carry, 6))
            except ChannelUnusable as exc:
                raise OutwardProblem(str(exc)) from exc
        return couriers

    def _courier(self, target: str, carry: Carry, most_tries: int) -> Courier:
        return Courier(
            target=target,
            store=self.app.store,
            carry=carry,
            clock=self.app.clock,
            holder=f"courier-{secrets.token_hex(4)}",
            most_tries=most_tries,
            on_turn=self.beats.expect(target, COURIER_WITHIN_S),
        )

    def _leader(self) -> CanaryLeader:
        site, said = self.app.site.settings.site.id, self.app.site.settings.outward.canary
        hears, answers = canary_topics(site)
        broker = self.app.broker
        if said.username:
            broker = _as_somebody_else(broker, said.username, said.password_file)
        return CanaryLeader(broker, hears=hears, answers=answers, name=f"patrol-{site}-canary")

    def _open_port(self, stack: ExitStack) -> None:
        said = self.app.site.settings.outward.metrics
        if not said.enabled:
            return
        try:
            server = serve(said.host, said.port, self.meters.registry, self.checks)
            port = stack.enter_context(server)
        except MetricsFailed as exc:
            # Two sites on one machine and no word about ports: the patrol is worth more than this.
            log.error("no metrics and no /healthz", reason=str(exc))  # noqa: TRY400  one line says it
        else:
            log.info("metrics", url=f"http://{said.host}:{port}/metrics")

    def _prune(self) -> None:
        """What was told so long ago that nobody asks any more."""
        kept = timedelta(days=self.app.site.settings.retention.message_days)
        gone = prune(self.app.store, self.app.clock.now(), kept, self.stop)
        if gone:
            log.info("old messages are gone", rows=gone)


def _as_somebody_else(broker: BrokerAddress, user: str, password_file: object) -> BrokerAddress:
    text = password_file.read_text("utf-8") if hasattr(password_file, "read_text") else ""
    return replace(broker, username=user, password=text.strip("\r\n"))
