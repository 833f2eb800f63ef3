"""Silence, clocks, metrics, page, API and the command line of a county over its towns."""

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import generate_latest

from patrol.cli.root import run
from patrol.county.metrics import county_registry
from patrol.county.overview import overview_document, town_document
from patrol.county.service import CountyService, run_county
from patrol.county.web import create_county_app, serve_county
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.server import serve_app
from simulators import small_site
from tests.support.asgi_bridge import AsgiBridge
from tests.support.clock import ManualClock
from tests.support.county_towns import CountyTown

DAY = date(2026, 11, 22)
Over = Callable[..., CountyService]
MakeTown = Callable[[str], CountyTown]
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def clock_of(county: CountyService) -> ManualClock:
    assert isinstance(county.clock, ManualClock)
    return county.clock


def contacts(county: CountyService) -> dict[str, str]:
    towns = overview_document(county.reader())["towns"]
    return {one["id"]: one["contact"] for one in towns}


def metrics(county: CountyService) -> dict[str, float]:
    text = generate_latest(county_registry(county.reader, lambda: county.puller.counts)).decode()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


@pytest.fixture
def county(make_town: MakeTown, over: Over) -> CountyService:
    """Over towns b and a, in this order; a is cut, b has a round, an open case's finding."""
    towns = [make_town("b"), make_town("a")]
    for one in towns:
        one.run_round(1, DAY)
    made = over(*towns, pull={"silent_after_min": 30})
    made.turn()
    towns[1].bridge.cut = lambda _request: True
    return made


def test_a_town_that_is_not_heard_of_says_so(county: CountyService) -> None:
    clock = clock_of(county)
    assert contacts(county) == {"b": "current", "a": "current"}
    clock.sleep(600)
    county.turn()
    assert contacts(county) == {"b": "current", "a": "failing"}
    clock.sleep(1500)
    county.turn()
    assert contacts(county) == {"b": "current", "a": "silent"}
    assert overview_document(county.reader())["without_contact"] == ["a"]
    found = metrics(county)
    assert found['patrol_county_town_silent{town="a"}'] == 1
    assert found['patrol_county_town_silent{town="b"}'] == 0
    assert found['patrol_county_town_contact_age_seconds{town="a"}'] == 2100
    assert found['patrol_county_town_failures{town="a"}'] == 2
    assert found['patrol_county_pulls_total{result="unreachable",town="a"}'] == 2
    assert found['patrol_county_pulls_total{result="read",town="b"}'] == 3
    assert found["patrol_county_store_up"] == 1


def test_a_clock_that_is_set_back_makes_no_silent_town_fresh(county: CountyService) -> None:
    clock = clock_of(county)
    clock.sleep(3600)
    clock.current -= timedelta(hours=5)
    assert contacts(county)["a"] == "silent"


def test_a_town_whose_clock_is_off_says_so(make_town: MakeTown, over: Over) -> None:
    town = make_town("a")
    town.clock.current += timedelta(hours=3)
    county = over(town)
    county.turn()
    assert town_document(county.reader(), "a")["clock_off_s"] == 3 * 3600
    assert metrics(county)['patrol_county_town_clock_off_seconds{town="a"}'] == 3 * 3600
    assert "镇端时钟快 3 小时" in page(county).get("/").text


def page(county: CountyService, **headers: str) -> httpx.Client:
    app = create_county_app(county.settings, county.reader)
    return httpx.Client(transport=AsgiBridge(app), base_url="http://county.test", headers=headers)


def test_towns_stand_in_the_order_of_the_file(county: CountyService) -> None:
    text = page(county).get("/").text
    assert text.index("b镇") < text.index("a镇")
    assert [one["id"] for one in page(county).get("/api/v1/towns").json()["towns"]] == ["b", "a"]


@pytest.mark.parametrize("path", ["/", "/towns/a", "/towns/b"])
def test_a_page_is_in_one_language(county: CountyService, path: str) -> None:
    clock_of(county).sleep(7200)
    county.turn()
    client = page(county)
    zh = client.get(path).text
    assert 'lang="zh-CN"' in zh
    assert "失联" in zh or path == "/towns/b"
    assert client.get("/language/en").status_code == 303
    en = client.get(path).text
    assert 'lang="en"' in en
    own_names = en.replace("古浪县", "").replace("a镇", "").replace("b镇", "").replace("中文", "")
    assert not CHINESE.search(own_names)
    assert not re.search(r">[^<]*\b(seen|missed|overdue|heard)\b", zh)


def test_a_page_names_what_is_wrong(county: CountyService) -> None:
    clock_of(county).sleep(7200)
    county.turn()
    text = page(county).get("/").text
    assert "失联：a镇" in re.sub(r"\s+", "", text)
    assert "网络不通" in text


def test_an_answer_of_ours_runs_no_script_and_is_kept_nowhere(county: CountyService) -> None:
    answer = page(county).get("/")
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/towns/nowhere", 404), ("/api/v1/towns/nowhere", 404), ("/months/2026-13.html", 422),
        ("/api/v1/months/x", 422), ("/months/2026-11.pdf", 422), ("/nothing", 404),
    ],
)  # fmt: skip
def test_what_is_not_there_is_one_document(county: CountyService, path: str, status: int) -> None:
    answer = page(county).get(path)
    assert (answer.status_code, answer.json()["error"]) == (status, status)


def test_a_month_comes_in_three_kinds_and_names_what_is_missing(county: CountyService) -> None:
    client = page(county)
    html = client.get("/months/2026-11.html")
    assert html.headers["content-type"].startswith("text/html")
    assert "古浪县视频巡查月报 2026-11" in html.text
    xlsx = client.get("/months/2026-11.xlsx")
    assert xlsx.content[:2] == b"PK"
    assert 'filename="gulang-2026-11.xlsx"' in xlsx.headers["content-disposition"]
    assert client.get("/months/2026-11.json").json() == client.get("/api/v1/months/2026-11").json()
    clock_of(county).sleep(3 * 86400)
    county.turn()
    month = client.get("/api/v1/months/2026-11").json()
    assert [one["days"]["missing"] for one in month["towns"]] == [["2026-11-23", "2026-11-24"]] * 2
    assert month["complete"] is False
    assert "缺报日数：b镇 2、a镇 2" in client.get("/months/2026-11.html").text


KEY = "k" * 40


@pytest.fixture
def locked(make_town: MakeTown, over: Over, tmp_path: Path) -> CountyService:
    keys = tmp_path / "readers"
    keys.write_text(f"bureau {KEY}\n", "utf-8")
    return over(make_town("a"), serve={"keys_file": str(keys)})


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("", 401), ("Bearer nonsense", 401), ("Basic !!!", 401), (f"Bearer {KEY}x", 401),
        (f"Bearer {KEY}", 200), (f"basic {base64.b64encode(f'me:{KEY}'.encode()).decode()}", 200),
        (f"Basic {base64.b64encode(b'me:wrong').decode()}", 401),
    ],
)  # fmt: skip
def test_only_a_reader_with_a_key_reads(locked: CountyService, header: str, status: int) -> None:
    client = page(locked, authorization=header)
    for path in ("/", "/api/v1/towns", "/months/2026-11.html", "/towns/a"):
        answer = client.get(path)
        assert answer.status_code == status, path
        assert answer.headers.get("www-authenticate", "").startswith("Basic") == (status == 401)


def test_a_readers_key_that_is_taken_back_counts_at_once(
    locked: CountyService, tmp_path: Path
) -> None:
    client = page(locked, authorization=f"Bearer {KEY}")
    assert client.get("/api/v1/towns").status_code == 200
    (tmp_path / "readers").write_text(f"other {'o' * 40}\n", "utf-8")
    assert client.get("/api/v1/towns").status_code == 401


@pytest.fixture
def served(make_town: MakeTown) -> Iterator[tuple[CountyTown, str]]:
    """A town's API at a real address."""
    town = make_town("a")
    town.run_round(1, DAY)
    with serve_app(town.bridge.app, ConsoleSettings(port=0)) as address:  # type: ignore[arg-type]
        yield town, address.url


Patrol = Callable[..., tuple[int, str, str]]


@pytest.fixture
def patrol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Patrol:
    """Runs `patrol county …` in this process: (exit code, stdout, stderr)."""

    def call(*line: str) -> tuple[int, str, str]:
        code = run(["-c", str(tmp_path / "county"), "county", *line])
        return code, *capsys.readouterr()

    return call


def test_the_command_line_from_nothing_to_a_month(
    served: tuple[CountyTown, str], tmp_path: Path, patrol: Patrol
) -> None:
    town, url = served
    folder = tmp_path / "county"
    assert patrol("init", str(folder))[0] == 0
    assert patrol("init", str(folder))[0] == 2  # nothing is overwritten
    (folder / "secrets/a.key").write_text(town.key, "ascii")
    (folder / "county.yaml").write_text(
        f"""
county: {{id: gulang, name: 古浪县}}
serve: {{port: 0}}
metrics: {{port: 0}}
towns: [{{id: a, name: 甲镇, url: "{url}", key_file: secrets/a.key}}]
""",
        "utf-8",
    )
    code, _, err = patrol("status")
    assert (code, "`patrol county pull`" in err) == (1, True)
    assert json.loads(patrol("check", "--json")[1])["towns"] == [
        {"town": "a", "problem": None, "problem_text": ""}
    ]
    code, out, _ = patrol("pull", "--json")
    assert code == 0
    assert [(one["rounds"], one["days"]) for one in json.loads(out)] == [(1, 1)]
    (shown,) = json.loads(patrol("status", "--json")[1])["towns"]
    assert (shown["contact"], shown["now"]["health"]["registered"]) == ("current", 2)
    assert "甲镇" in patrol("status")[1]
    check_month_files(folder, patrol)
    (folder / "secrets/a.key").write_text("patrol_" + "n" * 43, "ascii")
    code, out, _ = patrol("pull", "--json")
    assert (code, json.loads(out)[0]["problem"]) == (1, "key_refused")
    code, out, _ = patrol("check")
    assert (code, "密钥被拒" in out) == (1, True)
    assert patrol("pull", "--town", "x")[0] == 2


def check_month_files(folder: Path, patrol: Patrol) -> None:
    for kind in ("html", "xlsx", "json"):
        file = folder / f"month.{kind}"
        assert patrol("month", "2026-11", "--format", kind, "--out", str(file))[0] == 0
        assert file.stat().st_mode & 0o077 == 0
    month = json.loads(patrol("month", "2026-11", "--json")[1])
    assert json.loads((folder / "month.json").read_text("utf-8"))["towns"] == month["towns"]
    assert patrol("month", "2026-11")[0] == 2
    assert patrol("month", "2026-13", "--json")[0] == 2
    assert patrol("month", "2026-11", "--out", str(folder))[0] == 2


def test_the_service_reads_and_serves_until_it_is_stopped(make_town: MakeTown, over: Over) -> None:
    town = make_town("a")
    town.run_round(1, DAY)
    county = over(town, serve={"port": 0}, metrics={"port": 0})
    stop, ready = threading.Event(), threading.Event()
    turned = threading.Event()
    save = county.store.save_now

    def saved(*given: Any) -> Any:
        found = save(*given)
        turned.set()
        return found

    county.store.save_now = saved  # type: ignore[method-assign]
    thread = threading.Thread(target=run_county, args=(county, stop, ready.set))
    thread.start()
    try:
        assert ready.wait(30)
        assert turned.wait(30)
        with serve_county(county.settings, county.reader) as address:
            towns = httpx.get(f"{address.url}/api/v1/towns").json()["towns"]
        assert towns[0]["last_rounds"][0]["seen"] == 1
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def test_the_county_keeps_its_store_in_postgresql_as_well(
    make_town: MakeTown, over: Over, new_postgres_database: Callable[[], str]
) -> None:
    town = make_town("a")
    county = over(town, database=new_postgres_database())
    for number in range(3):
        town.run_round(number, DAY)
        county.turn()
    everything = county.store.rounds("a", date(2000, 1, 1), date(2100, 1, 1))
    told = town.documents()["rounds"]
    assert {one.round: one.model_dump(mode="json") for one in everything} == told
    assert county.store.first_day("a") == DAY
    assert county.store.state("a").contacted_at == small_site.NOON


RULES = Path(__file__).parents[2] / "config/monitoring/patrol-county-alerts.yml"


def test_every_metric_of_the_alert_rules_is_exported(county: CountyService) -> None:
    exported = {name.partition("{")[0] for name in metrics(county)}
    rules = [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]
    named = {one for rule in rules for one in re.findall(r"patrol_county_\w+", rule["expr"])}
    assert len(named) > 3
    assert named <= exported
    assert all(rule["labels"]["severity"] in {"critical", "warning"} for rule in rules)
