"""Pictures on their way out of a real site: sharp with all three models, coarse without any one."""

import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from patrol.app.bootstrap import make_link_signer
from patrol.app.detectors import FACES, PERSONS, PLATES, PictureRedactor, missing_models
from patrol.settings import Settings
from patrol.settings.addresses import console_base_url
from patrol.settings.site_integrations import PictureLinkSettings
from patrol.settings.site_settings import ConsoleSettings, MqttSettings, SiteInfo
from patrol.vision.redaction import RedactionMode, Watermark
from tests.support.logs import captured_logs
from tests.support.store import new_store

MODELS = Path(os.environ.get("PATROL_MODELS", "var/models"))
MARK = Watermark(site="上坝镇", case="C20261122-0007", at="2026-11-22 11:58")
YARD = bytes(cv2.imencode(".jpg", np.full((180, 320, 3), 120, np.uint8))[1])
ALL = (FACES, PLATES, PERSONS)


def settings_of(folder: Path, **changed: Any) -> Settings:
    site = SiteInfo(id="small", name="小镇", latitude=39.6, longitude=98.75)
    mqtt = MqttSettings(url="embedded")
    return Settings(site=site, mqtt=mqtt, models=folder, **changed)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A directory of one's own with all three."""
    for name in ALL:
        if not (MODELS / f"{name}.onnx").exists():
            pytest.skip("the weight files are not installed: patrol models install")
        shutil.copy(MODELS / f"{name}.onnx", tmp_path)
    return tmp_path


def test_with_all_three_a_picture_is_blurred(weights: Path) -> None:
    settings = settings_of(weights)
    assert missing_models(settings) == ""
    assert PictureRedactor(settings)(YARD, None, MARK).mode is RedactionMode.BLURRED


@pytest.mark.parametrize("name", ALL)
def test_without_any_one_it_leaves_coarse_and_that_is_said_once(weights: Path, name: str) -> None:
    (weights / f"{name}.onnx").unlink()
    redaction = PictureRedactor(settings_of(weights))
    with captured_logs() as said:
        assert redaction(YARD, None, MARK).mode is RedactionMode.COARSE
        assert redaction(YARD, None, MARK).mode is RedactionMode.COARSE
    assert [line["event"] for line in said] == ["pictures leave coarse"]
    assert name in said[0]["reason"]
    assert name in missing_models(settings_of(weights))
    shutil.copy(MODELS / f"{name}.onnx", weights)
    assert redaction(YARD, None, MARK).mode is RedactionMode.BLURRED, (
        "installed meanwhile: no restart"
    )


def test_a_file_that_is_not_the_manifests_is_as_good_as_none(weights: Path) -> None:
    path = weights / f"{FACES}.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    settings = settings_of(weights)
    assert PictureRedactor(settings)(YARD, None, MARK).mode is RedactionMode.COARSE
    assert "centerface（损坏）" in missing_models(settings)


def test_a_site_without_any_model_still_shows_the_place(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert PictureRedactor(settings)(YARD, None, MARK).mode is RedactionMode.COARSE
    assert "models install" in missing_models(settings)


@pytest.mark.parametrize(
    ("console", "base"),
    [
        pytest.param(ConsoleSettings(), "http://127.0.0.1:8624", id="as it is served"),
        pytest.param(ConsoleSettings(host="0.0.0.0"), "http://127.0.0.1:8624", id="everywhere"),  # noqa: S104
        pytest.param(ConsoleSettings(host="::1", port=9), "http://[::1]:9", id="six"),
        pytest.param(
            ConsoleSettings(host="p.example", behind_tls=True), "https://p.example:8624", id="tls"
        ),
        pytest.param(ConsoleSettings(port=0), "", id="any free port: nobody knows"),
    ],
)
def test_where_links_lead(tmp_path: Path, console: ConsoleSettings, base: str) -> None:
    settings = settings_of(tmp_path, console=console)
    assert console_base_url(settings) == base
    maker = make_link_signer(settings, new_store())
    assert (maker.base_url if maker else "") == base


def test_the_key_is_the_sites_and_is_made_once(tmp_path: Path) -> None:
    store, elsewhere = new_store(), new_store()
    links = PictureLinkSettings(base_url="https://p.example")
    settings = settings_of(tmp_path, links=links)
    first, again, other = (make_link_signer(settings, s) for s in (store, store, elsewhere))
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.base_url == "https://p.example"
    assert first.key == again.key != other.key
    assert len(first.key) == 32
    off = settings_of(tmp_path, links=links, console=ConsoleSettings(enabled=False))
    assert make_link_signer(off, store) is None
