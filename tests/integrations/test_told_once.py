"""Commands and rounds by hand send what is new; open cases are not told again for each of them."""

import threading
from collections import Counter
from secrets import token_hex

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from patrol.app import Application
from patrol.app.service import run_service
from patrol.domain.ids import CameraId
from simulators import small_site
from simulators.mosquitto import Mosquitto

CAMERAS = (CameraId("62090204011327000001"), CameraId("62090204011327000002"))
WAIT_S = 30.0


class Listener:
    """Counts what comes on the case topics, live."""

    def __init__(self, app: Application) -> None:
        self.heard: Counter[str] = Counter()
        self.changed = threading.Condition()
        ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=f"phone-{token_hex(4)}")
        self._client.on_message = lambda _c, _d, m: self._note(m.topic.split("/")[-1])
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.connect(app.broker.host, app.broker.port)
        self._client.loop_start()
        self._client.subscribe("patrol/v1/shangba/grid/+/case/+", qos=1)
        assert ready.wait(WAIT_S)

    def _note(self, case: str) -> None:
        with self.changed:
            self.heard[case] += 1
            self.changed.notify_all()

    def until(self, case: str, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.heard[case] >= count, WAIT_S), self.heard

    def hang_up(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def confirmed(app: Application, number: int) -> str:
    finding = small_site.finding(f"F{number:06d}", camera=CAMERAS[number])
    with app.store.begin() as uow:
        uow.findings.add(finding)
        uow.commit()
    return str(app.confirm(finding.id, by="op").id)


def test_rounds_and_commands_tell_an_open_case_once(app: Application) -> None:
    listener = Listener(app)
    first = confirmed(app, 0)
    assert app.send_now(WAIT_S) == 0
    for _ in range(2):
        app.run_round("morning")
        app.send_now(WAIT_S)
    last = confirmed(app, 1)  # what comes after all of it, on the same connection
    assert app.send_now(WAIT_S) == 0
    listener.until(last, 1)
    listener.hang_up()
    assert listener.heard == {first: 1, last: 1}


def test_the_service_still_tells_a_broker_that_forgot(app: Application, broker: Mosquitto) -> None:
    first = confirmed(app, 0)
    assert app.send_now(WAIT_S) == 0
    broker.kill()
    (broker.folder / "mosquitto.db").unlink(missing_ok=True)
    broker.start()
    stop, ready = threading.Event(), threading.Event()
    service = threading.Thread(
        target=run_service, args=(app, stop), kwargs={"ready": ready.set, "with_rounds": False}
    )
    service.start()
    try:
        assert ready.wait(WAIT_S)
        listener = Listener(app)
        listener.until(first, 1)
        listener.hang_up()
        checks = {check.name: check for check in app.service_checks()}
    finally:
        stop.set()
        service.join(WAIT_S)
    assert checks["messages"].ok
    assert checks["mqtt session"].ok
    assert "no longer knew our session" in checks["mqtt session"].message
