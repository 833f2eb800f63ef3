"""Keys, sealed passwords, holds, anchors, retention and encrypted backups by the command line."""

import json
import os
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from patrol.cli import main
from patrol.clock import SystemClock
from patrol.domain.round import StoredPicture
from patrol.encryption import SiteKey
from patrol.pictures import FilePictureStore
from patrol.settings import load_site
from patrol.settings.site_keys import day_keys, key_folder, make_site_key
from patrol.store import open_store
from tests.cli.conftest import CAMERA, CliSite

HOUR = timedelta(hours=1)
PICTURE = b"\xff\xd8 a household's yard \xff\xd9" * 30
PASSWORD = b"s3cret"


@pytest.fixture
def pictured(cli_site: CliSite) -> CliSite:
    """A site with its key, one encrypted picture and some lines in its access log."""
    site = load_site(cli_site.home / "config", env={})
    key = make_site_key(site.settings, {})
    pictures = FilePictureStore(site.settings.evidence, keys=day_keys(site.settings, key))
    due = SystemClock().now() + 7 * 24 * HOUR
    stored = StoredPicture(
        sha256=pictures.put(PICTURE, until=due), camera=CAMERA, taken_at=due - HOUR, width_px=1,
        height_px=1, bytes=len(PICTURE), purpose="sample", delete_after=due,
    )  # fmt: skip
    with open_store(site.settings.database) as store:
        store.adopt_key(key)
        with store.begin() as uow:
            uow.pictures.add(stored)
            for number in range(4):
                uow.access.append(
                    at=due - 9 * 24 * HOUR, who="op", what="view_picture", camera=CAMERA,
                    why=f"look {number}",
                )  # fmt: skip
            uow.commit()
    return cli_site


def every_byte(site: CliSite, *without: Path) -> bytes:
    files = [path for path in site.home.rglob("*") if path.is_file() and path not in without]
    return b"".join(path.read_bytes() for path in files)


def test_a_thief_of_the_disk_finds_neither_password_nor_picture(pictured: CliSite) -> None:
    assert PASSWORD in (pictured.home / "config" / "cameras.csv").read_bytes()
    sealed = pictured("credentials", "seal", "--json")
    assert json.loads(sealed.out)["sealed"] == 1
    everything = every_byte(pictured)
    assert PASSWORD not in everything
    assert b"household's yard" not in everything
    assert "rtsp://u:${SEALED}@127.0.0.1:9/a" in (
        pictured.home / "config" / "cameras.csv"
    ).read_text("utf-8")
    listed = json.loads(pictured("credentials", "list", "--json").out)
    assert listed == {
        "sealed": [{"camera": CAMERA, "stream": "main", "host": "127.0.0.1", "port": 9}],
        "not_sealed": [],
    }
    assert json.loads(pictured("credentials", "seal", "--json").out)["sealed"] == 0
    assert pictured("check").code in (0, 1)  # the file is still a good one


def test_a_password_is_set_from_a_file_and_for_a_sealed_address_alone(
    pictured: CliSite, tmp_path: Path
) -> None:
    (tmp_path / "pw").write_text("another-7\n", "utf-8")
    refused = pictured("credentials", "set", CAMERA, "--password-file", str(tmp_path / "pw"))
    assert refused.code == 2
    assert "${SEALED}" in refused.err
    pictured("credentials", "seal")
    assert pictured("credentials", "set", CAMERA, "--password-file", str(tmp_path / "pw")).code == 0
    (tmp_path / "pw").unlink()
    assert b"another-7" not in every_byte(pictured)


def test_keys_are_shown_and_renewed(pictured: CliSite) -> None:
    shown = json.loads(pictured("keys", "show", "--json").out)
    assert shown["file"].endswith("evidence.keys/patrol.key")
    assert (len(shown["days"]), shown["plain_pictures"]) == (1, 0)
    renewed = json.loads(pictured("keys", "renew", "--json").out)
    assert (renewed["failed"], renewed["destroyed"]) == (0, [])


def test_a_lost_key_is_said_in_one_line_and_no_new_one_is_made(pictured: CliSite) -> None:
    folder = key_folder(load_site(pictured.home / "config", env={}).settings)
    (folder / "patrol.key").rename(folder.parent / "away")
    renewed = pictured("keys", "renew")
    assert renewed.code == 2
    assert "patrol.key: the site's key is gone" in renewed.err
    assert "Traceback" not in renewed.err
    assert not (folder / "patrol.key").exists()
    assert pictured("audit", "verify").code == 2
    (folder.parent / "away").rename(folder / "patrol.key")
    assert pictured("audit", "verify").code == 0


def test_a_key_that_others_may_read_is_refused(pictured: CliSite) -> None:
    file = key_folder(load_site(pictured.home / "config", env={}).settings) / "patrol.key"
    file.chmod(0o640)
    ended = pictured("audit", "verify")
    assert (ended.code, "chmod 600" in ended.err) == (2, True)


def test_a_systemd_credential_is_the_key(
    pictured: CliSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = key_folder(load_site(pictured.home / "config", env={}).settings)
    credentials = pictured.home / "credentials"
    credentials.mkdir(mode=0o700)
    shutil.move(folder / "patrol.key", credentials / "patrol.key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert pictured("audit", "verify").code == 0
    shown = json.loads(pictured("keys", "show", "--json").out)
    assert shown["file"] == str(credentials / "patrol.key")


# -- legal hold and retention ---------------------------------------------------------------------


def test_a_hold_has_a_reference_and_a_reason_and_a_person_ends_it(pictured: CliSite) -> None:
    added = pictured(
        "hold", "add", "--camera", CAMERA[-6:], "--reference", "酒公调〔2026〕12号",
        "--why", "案件侦办", "--by", "duty", "--json",
    )  # fmt: skip
    hold = json.loads(added.out)
    assert (hold["number"], hold["subject"], hold["in_force"]) == (1, CAMERA, True)
    listed = json.loads(pictured("hold", "list", "--json").out)
    assert listed["pictures_held"] == 1
    kept = json.loads(pictured("retention", "--json").out)
    assert [one["held"] for one in kept["classes"] if one["class"] == "sample"] == [1]
    assert kept["holds"][0]["reference"] == "酒公调〔2026〕12号"
    ended = pictured("hold", "end", "1", "--why", "解除通知 13 号", "--by", "chief", "--json")
    assert json.loads(ended.out)["ended_by"] == "chief"
    assert pictured("hold", "end", "1", "--why", "again").code == 2
    log = json.loads(pictured("who-looked", CAMERA, "--json").out)
    assert [line["what"] for line in log[:2]] == ["end_hold", "set_hold"]
    assert "酒公调〔2026〕12号" in log[1]["why"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--camera", CAMERA, "--reference", " ", "--why", "x"], "reference"),
        (["--camera", CAMERA, "--reference", "12", "--why", ""], "reason"),
        (["--case", "C19990101-0001", "--reference", "12", "--why", "x"], "C19990101-0001"),
        (["--camera", "9" * 20, "--reference", "12", "--why", "x"], "9" * 20),
        (["--reference", "12", "--why", "x"], "--case"),
        (["--case", "C1", "--camera", CAMERA, "--reference", "12", "--why", "x"], "--case"),
    ],
)
def test_a_hold_that_says_too_little_is_refused(
    pictured: CliSite, options: list[str], named: str
) -> None:
    ended = pictured("hold", "add", *options)
    assert (ended.code, named in ended.err) == (2, True)


def test_retention_names_each_class_with_its_reason(pictured: CliSite) -> None:
    site_yaml = pictured.home / "config" / "site.yaml"
    text = "retention: {sample_days: 5, reasons: {sample: 镇政办〔2026〕3号}}\n"
    site_yaml.write_text(site_yaml.read_text("utf-8") + text, "utf-8")
    kept = json.loads(pictured("retention", "--json").out)["classes"]
    sample = next(one for one in kept if one["class"] == "sample")
    assert (sample["days"], sample["reason"], sample["count"]) == (5, "镇政办〔2026〕3号", 1)
    assert all(one["reason"] for one in kept)


# -- anchors --------------------------------------------------------------------------------------


def owner(site: CliSite, *statements: str) -> None:
    with sqlite3.connect(site.home / "patrol.db") as database:
        for statement in statements:
            database.execute(statement)


def test_an_anchor_finds_a_cut_tail(pictured: CliSite) -> None:
    heads = json.loads(pictured("audit", "head", "--json").out)
    head = f"{heads['access_log']['number']}:{heads['access_log']['hash']}"
    fine = json.loads(pictured("audit", "verify", "--anchor", head, "--json").out)
    assert (fine["ok"], fine["anchors"]["given"]) == (True, 1)
    owner(
        pictured,
        "DELETE FROM access_log WHERE number > 3",
        "UPDATE chains SET number = 3, hash ="
        " (SELECT hash FROM access_log WHERE number = 3) WHERE name = 'access_log'",
    )
    assert pictured("audit", "verify").code == 0  # nobody outside was asked
    found = pictured("audit", "verify", "--anchor", head, "--json")
    assert found.code == 1
    assert "access_log 第 4 行" in json.loads(found.out)["problems"][0]


def test_anchors_come_from_a_file_and_what_is_none_is_refused(
    pictured: CliSite, tmp_path: Path
) -> None:
    heads = json.loads(pictured("audit", "head", "--json").out)
    kept = tmp_path / "kept.jsonl"
    day = json.dumps({"day": "2026-11-21", "heads": heads})
    kept.write_text(f"patrol/v1/small/centre/audit {day}\n{day}\n", "utf-8")
    assert pictured("audit", "verify", "--anchor", str(kept)).code == 0
    kept.write_text(day.replace(heads["access_log"]["hash"], "0" * 64), "utf-8")
    assert pictured("audit", "verify", "--anchor", str(kept)).code == 1
    for wrong in ("nonsense", "9:zz", str(tmp_path / "none")):
        assert pictured("audit", "verify", "--anchor", wrong).code == 2


# -- backups --------------------------------------------------------------------------------------


def identity(folder: Path) -> tuple[str, Path]:
    from pyrage import x25519  # noqa: PLC0415  the extra that this test is about

    made = x25519.Identity.generate()
    file = folder / "identity"
    file.write_text(f"# created for a test\n{made}\n", "utf-8")
    return str(made.to_public()), file


def test_a_backup_says_what_it_holds_and_leaks_no_picture(
    pictured: CliSite, tmp_path: Path
) -> None:
    out = tmp_path / "plain.tar"
    made = json.loads(pictured("backup", "--out", str(out), "--json").out)
    assert (made["encrypted"], made["pictures_sealed"], made["key_included"]) == (False, 1, False)
    assert any("明文" in line for line in made["contains"])
    assert b"household's yard" not in out.read_bytes()
    assert out.stat().st_mode & 0o777 == 0o600


def test_an_encrypted_backup_restores_everything_by_its_identity_alone(
    pictured: CliSite, tmp_path: Path
) -> None:
    recipient, file = identity(tmp_path)
    out = tmp_path / "sealed.age"
    before = pictured("audit", "head").out
    made = json.loads(pictured("backup", "--out", str(out), "--recipient", recipient, "--json").out)
    assert (made["encrypted"], made["key_included"]) == (True, True)
    data = out.read_bytes()
    assert data.startswith(b"age-encryption.org/v1")
    for secret in (b"household's yard", b"SQLite format 3", CAMERA.encode(), b"ustar"):
        assert secret not in data
    assert pictured("restore", str(out), "--check").code == 2  # no identity
    checked = pictured("restore", str(out), "--check", "--identity", str(file), "--json")
    assert json.loads(checked.out)["pictures"] == 1
    forget(pictured)
    restored = pictured("restore", str(out), "--identity", str(file), "--json")
    assert (restored.code, json.loads(restored.out)["problems"]) == (0, [])
    assert pictured("audit", "head").out == before
    assert pictured("audit", "verify").code == 0
    assert read_picture(pictured) == PICTURE


def forget(site: CliSite) -> None:
    """A new machine: neither database nor pictures nor keys."""
    for path in site.home.glob("patrol.db*"):
        path.unlink()
    shutil.rmtree(site.home / "evidence")
    shutil.rmtree(site.home / "evidence.keys")
    (site.home / "evidence").mkdir()


def read_picture(site: CliSite) -> bytes:
    settings = load_site(site.home / "config", env={}).settings
    keys = day_keys(settings, make_site_key(settings, {}))
    pictures = FilePictureStore(settings.evidence, keys=keys)
    (name,) = pictures.names()
    return pictures.get(name)


def test_another_identity_and_a_damaged_file_open_nothing(
    pictured: CliSite, tmp_path: Path
) -> None:
    recipient, _ = identity(tmp_path)
    out = tmp_path / "sealed.age"
    pictured("backup", "--out", str(out), "--recipient", recipient)
    _, other = identity(tmp_path)  # written over the first
    ended = pictured("restore", str(out), "--check", "--identity", str(other))
    assert (ended.code, "does not open" in ended.err) == (2, True)
    (tmp_path / "none").write_text("nothing\n", "utf-8")
    ended = pictured("restore", str(out), "--check", "--identity", str(tmp_path / "none"))
    assert (ended.code, "no identity" in ended.err) == (2, True)
    ended = pictured("backup", "--out", str(tmp_path / "x"), "--recipient", "age1nonsense")
    assert (ended.code, "no recipient" in ended.err) == (2, True)
    assert not (tmp_path / "x").exists()


def test_a_plain_backup_asks_for_the_key_that_it_was_made_with(
    pictured: CliSite, tmp_path: Path
) -> None:
    out = tmp_path / "plain.tar"
    pictured("backup", "--out", str(out))
    kept = (pictured.home / "evidence.keys" / "patrol.key").read_bytes()
    forget(pictured)
    refused = pictured("restore", str(out))
    assert (refused.code, "put that key file" in refused.err) == (2, True)
    settings = load_site(pictured.home / "config", env={}).settings
    SiteKey.make(
        key_folder(settings) / "patrol.key", SiteKey.from_text(kept.decode(), place="").secret
    )
    assert pictured("restore", str(out)).code == 0
    assert read_picture(pictured) == PICTURE


# -- production -----------------------------------------------------------------------------------


def test_production_asks_for_its_impact_assessment_and_for_secrets_at_rest(
    pictured: CliSite,
) -> None:
    site_yaml = pictured.home / "config" / "site.yaml"
    before = site_yaml.read_text("utf-8")
    site_yaml.write_text(f"{before}production: true\n", "utf-8")
    for verb in (["check"], ["round", "morning"], ["run"]):
        ended = pictured(*verb)
        assert ended.code == 2
        assert "impact_assessment: is missing" in ended.err
    more = "production: true\nimpact_assessment: 上政评〔2026〕1号\n"
    site_yaml.write_text(before + more, "utf-8")
    notices = pictured("check").err
    for remedy in ("credentials seal", "keys.file", "backup.recipients"):
        assert remedy in notices


# -- what is written is this user's own -----------------------------------------------------------


def test_whoever_starts_it_its_files_are_its_user_s_own(pictured: CliSite, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with pytest.raises(SystemExit) as ended:
            main(["-c", str(pictured.home / "config"), "db", "upgrade"])
        made = os.umask(0)
    finally:
        os.umask(before)
    assert (ended.value.code, made) == (0, 0o077)
    report = tmp_path / "day.html"
    assert pictured("report", "--day", "2026-11-22", "--out", str(report)).code == 0
    assert report.stat().st_mode & 0o777 == 0o600
    assert "access_log:" in report.read_text("utf-8")  # the day's anchor is printed
