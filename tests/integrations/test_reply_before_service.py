"""A command tells a leader before the service ever ran: the answer waits for the service."""

import json
import threading
from pathlib import Path
from secrets import token_hex

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from patrol.app import Application, reply_session
from patrol.domain.case import CaseState
from patrol.domain.ids import CameraId, CaseId
from patrol.files import process_lock
from simulators import small_site

CAMERA = CameraId("62090204011327000001")
WAIT_S = 20.0


def confirmed(app: Application) -> CaseId:
    finding = small_site.finding(camera=CAMERA)
    with app.store.begin() as uow:
        uow.findings.add(finding)
        uow.commit()
    return app.confirm(finding.id, by="op").id


class Phone:
    """Answers each case in the moment in which it hears of it."""

    def __init__(self, app: Application) -> None:
        self.answered = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=f"phone-{token_hex(4)}")
        self._client.on_message = self._on_case
        self._client.on_publish = lambda *_: self.answered.set()
        ready = threading.Event()
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.connect(app.broker.host, app.broker.port)
        self._client.loop_start()
        self._client.subscribe("patrol/v1/shangba/grid/+/case/+", qos=1)
        assert ready.wait(WAIT_S)

    def _on_case(self, client: Client, _data: object, message: MQTTMessage) -> None:
        if message.payload:
            body = {"v": 1, "key": token_hex(4), "type": "acknowledge"}
            client.publish(message.topic.replace("/case/", "/reply/"), json.dumps(body), qos=1)

    def hang_up(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_it_waits_however_fast_it_was(app: Application) -> None:
    phone = Phone(app)
    case = confirmed(app)
    assert app.send_now(WAIT_S) == 0
    assert phone.answered.wait(WAIT_S)
    phone.hang_up()
    with app.new_reply_subscriber():  # `patrol run`, for the first time, perhaps a day later
        for _ in range(int(WAIT_S / 0.05)):
            with app.store.begin_read() as uow:
                if uow.cases.get(case).state is CaseState.ACKNOWLEDGED:
                    return
            app.clock.sleep(0.05)
    pytest.fail("the answer was lost")


def test_a_service_that_runs_is_not_cut_off(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(
        reply_session,
        "ensure_persistent_session",
        lambda *_, client_id, **__: made.append(client_id),
    )
    settings = app.site.settings
    with process_lock(settings.evidence / reply_session.SERVICE_LOCK):
        reply_session.ensure_reply_session(app.reply_session, settings, app.broker)
    assert made == []
    unreadable = settings.model_copy(update={"evidence": Path("/proc/nowhere")})
    reply_session.ensure_reply_session(app.reply_session, unreadable, app.broker)
    assert made == [], "an operator of another account, who may not see the lock"
    reply_session.ensure_reply_session(app.reply_session, settings, app.broker)
    assert made == [app.reply_session.client_id()]
