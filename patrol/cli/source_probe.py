"""`patrol probe` of cameras behind platforms and gateways: the visit by its stages.

Every source tells the stages that a visit reaches (`VisitOptions.reach`); here they are shown with
their times, and from the last one follows whose move it is when the visit failed.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

from rich.text import Text

from patrol.cli.gb import ask
from patrol.cli.output import console_err
from patrol.clock import SystemClock
from patrol.domain.errors import Failed
from patrol.domain.labels import label_of, label_text
from patrol.domain.problem_texts import problem_text
from patrol.domain.reader_language import reader_language
from patrol.domain.source_stages import HTTP_STAGES, source_advice
from patrol.domain.stream_labels import STAGE_ADVICE, VISIT_STAGES
from patrol.settings import Site
from patrol.settings.sources_yaml import SourcesSettings
from streams.address import StreamAddress
from streams.errors import REGISTRATION_REFUSED, BadAddress
from streams.model import KeyFrame, Sample, VisitOptions, VisitStage
from streams.source_schemes import SOURCE_SCHEMES

FIRST_STAGE: Final = "begun"


@dataclass(slots=True)
class StageLog:
    """The stages of one visit, with the seconds since it began."""

    began_s: float = field(default_factory=time.monotonic)
    stages: list[dict[str, Any]] = field(default_factory=list)

    def add(self, stage: VisitStage, at_s: float | None = None) -> None:
        """Take a stage that was reached just now, or at `at_s`."""
        passed_s = time.monotonic() - self.began_s if at_s is None else at_s
        self.stages.append({"stage": stage.name, "seen": stage.seen, "at_s": round(passed_s, 3)})

    @property
    def last(self) -> str:
        """The last stage that was reached."""
        return str(self.stages[-1]["stage"]) if self.stages else FIRST_STAGE

    def advice(self, scheme: str, reason: str = "") -> tuple[str, str] | None:
        """Whose move it is and what to look at: by the reason, else behind the last stage."""
        found = source_advice(scheme, reason, self.last)
        reached = FIRST_STAGE if reason == REGISTRATION_REFUSED else self.last
        return found or STAGE_ADVICE.get((scheme, reached))


def visit_source(
    site: Site | None, address: StreamAddress, timeout_s: float, log: StageLog
) -> Sample:
    """Visit a camera behind a platform or gateway. Raises StreamError, Failed."""
    if site is None and not SOURCE_SCHEMES[address.scheme].names_host:
        return _visit_directly(SourcesSettings(), address, timeout_s, log)
    if site is None:
        raise BadAddress(f"{address.scheme} needs a site: give its directory with -c DIR")
    unknown = site.sources.unknown_name(address)
    if unknown is not None:
        raise BadAddress(unknown)
    if address.scheme == "gb28181":
        return _visit_gb28181(site, address, timeout_s, log)
    return _visit_directly(site.sources, address, timeout_s, log)


def _visit_gb28181(site: Site, address: StreamAddress, timeout_s: float, log: StageLog) -> Sample:
    """By the running service, which has the SIP port; else by this command."""
    from patrol.app.gb28181_control import read_failure, read_sample  # noqa: PLC0415  0.6 s

    request = {
        "do": "probe", "address": address.request_uri, "timeout_s": timeout_s,
        "peer": address.host,
    }  # fmt: skip
    answers = list(ask(site, request))
    # What the command waited for, as a peer that registers, is no part of the visit.
    log.began_s = time.monotonic() - answers[-1].get("at_s", 0.0) if answers else log.began_s
    for answer in answers:
        if "stage" in answer:
            log.add(VisitStage(answer["stage"], answer["seen"]), answer["at_s"])
        elif "failure" in answer:
            raise read_failure(answer)
        elif "sample" in answer:
            return read_sample(answer["sample"])
        else:
            raise Failed(f"probe: {answer.get('error', 'no answer')}")
    raise Failed("probe: no answer")


def _visit_directly(
    settings: SourcesSettings, address: StreamAddress, timeout_s: float, log: StageLog
) -> Sample:
    """What is asked over HTTP needs neither the service nor the database."""
    from patrol.app.http_sources import http_sources_client  # noqa: PLC0415  see _visit_gb28181

    def note_key_frame(_: KeyFrame) -> None:
        if all(stage["stage"] != "key_frame" for stage in log.stages):
            log.add(VisitStage("key_frame"))

    options = VisitOptions(
        pictures=2,
        spacing_s=0.5,
        visit_timeout_s=timeout_s,
        on_stage=log.add,
        on_key_frame=note_key_frame,
    )
    client = http_sources_client(settings, SystemClock())
    log.began_s = time.monotonic()  # what was imported until here is no part of the visit
    return asyncio.run(client.__call__(address, options))


def print_stages(log: StageLog) -> None:
    """Print the stages that were reached, on stderr, above the result."""
    out = console_err()
    for stage in log.stages:
        label = label_text(label_of({**HTTP_STAGES, **VISIT_STAGES}, stage["stage"]))
        line = Text.assemble((f"  {stage['at_s']:6.2f} s  ", "dim"), label)
        seen = problem_text(stage["seen"], reader_language())
        out.print(line.append(f"  {seen}" if seen else "", style="dim"), soft_wrap=True)
