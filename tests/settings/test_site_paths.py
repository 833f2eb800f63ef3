"""Every path of site.yaml counts from the configuration directory; old places are found."""

import os
from pathlib import Path

import pytest

from patrol.settings import load_site
from patrol.settings.site_paths import DataElsewhere, check_old_places, old_places
from patrol.settings.site_settings import Settings
from patrol.settings.yaml_types import SettingsSection
from tests.settings.conftest import SiteFolder

EVERY_PATH = """\
site: {id: small, name: 小镇, code: "620902104", latitude: 39.6, longitude: 98.75}
database: sqlite:///data/patrol.db
evidence: data/pictures
models: ../weights
mqtt:
  url: "mqtts://broker"
  username: c
  password_file: keys/mqtt
  ca_file: keys/ca.pem
  broker_files: broker
console: {tls_certificate: keys/tls.pem, tls_key: keys/tls.key, assets: /srv/assets}
canary: {username: k, password_file: keys/canary}
webhooks: {county: {url: "https://county.example/x", secret_file: keys/county}}
notify: {duty: {url_file: keys/notify}}
"""
SECRETS = ("mqtt", "ca.pem", "tls.pem", "tls.key", "canary", "county", "notify")


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another directory, the current one."""
    folder = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def written(town: SiteFolder) -> SiteFolder:
    town.write("site.yaml", EVERY_PATH)
    (town.directory / "keys").mkdir()
    for name in SECRETS:
        town.write(f"keys/{name}", "x" * 32)
    return town


def paths_in(value: object, where: str = "") -> dict[str, Path]:
    if isinstance(value, Path):
        return {where: value}
    found: dict[str, Path] = {}
    if isinstance(value, SettingsSection):
        for name in type(value).model_fields:
            found |= paths_in(getattr(value, name), f"{where}.{name}".lstrip("."))
    elif isinstance(value, dict):
        for key, one in value.items():
            found |= paths_in(one, f"{where}.{key}")
    return found


@pytest.mark.usefixtures("elsewhere")
def test_every_relative_path_counts_from_the_directory_of_site_yaml(written: SiteFolder) -> None:
    home = written.directory.resolve()
    settings = load_site(written.directory, {}).settings
    assert settings.database == f"sqlite:///{home}/data/patrol.db"
    assert paths_in(settings) == {
        "evidence": home / "data/pictures",
        "models": home.parent / "weights",
        "mqtt.password_file": home / "keys/mqtt",
        "mqtt.ca_file": home / "keys/ca.pem",
        "mqtt.broker_files": home / "broker",
        "console.tls_certificate": home / "keys/tls.pem",
        "console.tls_key": home / "keys/tls.key",
        "console.assets": Path("/srv/assets"),
        "canary.password_file": home / "keys/canary",
        "webhooks.county.secret_file": home / "keys/county",
        "notify.duty.url_file": home / "keys/notify",
    }


def test_defaults_count_from_there_too(town: SiteFolder, elsewhere: Path) -> None:
    settings = load_site(town.directory, {}).settings
    assert all(path.is_absolute() for path in paths_in(settings).values())
    assert not any(path.is_relative_to(elsewhere) for path in paths_in(settings).values())
    assert paths_in(Settings.model_construct(site=settings.site)).keys() >= {"evidence", "models"}


def test_a_directory_named_relatively_and_by_a_link_is_the_same_place(
    written: SiteFolder, elsewhere: Path
) -> None:
    link = elsewhere / "link"
    link.symlink_to(written.directory)
    relative = Path(os.path.relpath(written.directory, elsewhere))
    databases = {load_site(one, {}).settings.database for one in (link, relative)}
    assert databases == {f"sqlite:///{written.directory.resolve()}/data/patrol.db"}


def test_a_models_own_file_counts_from_there(written: SiteFolder) -> None:
    written.write(
        "models.yaml",
        "models:\n  own:\n    purpose: fire\n    path: weights/own.onnx\n    sha256: "
        + "0" * 64
        + "\n    licence: own\n    layout: yolox\n    labels: [fire]\n"
        "    input: {size: [64, 64]}\n",
    )
    (model,) = load_site(written.directory, {}).own_models
    assert model.own == written.directory.resolve() / "weights/own.onnx"


@pytest.mark.parametrize(
    ("query", "becomes"),
    [
        ("?sslrootcert=keys/ca.pem", "?sslrootcert={home}/keys/ca.pem"),
        (
            "?sslmode=verify-full&sslkey=k&sslcert=/c",
            "?sslmode=verify-full&sslkey={home}/k&sslcert=/c",
        ),
        ("?sslrootcert=system", "?sslrootcert=system"),
    ],
)
def test_certificates_of_a_database_url(written: SiteFolder, query: str, becomes: str) -> None:
    written.spoil(
        "site.yaml", "sqlite:///data/patrol.db", f"postgresql+psycopg://u@db/patrol{query}"
    )
    wanted = becomes.format(home=written.directory.resolve())
    assert load_site(written.directory, {}).settings.database.endswith(wanted)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite://", "not a database"),
        ("sqlite:///", "not a database"),
        ("sqlite:///:memory:", "in memory forgets"),
        ("sqlite://var/patrol.db", "has no host"),
        ("sqlite:///file:var/patrol.db?mode=memory&uri=true", "`file:` is not read"),
        ("sqlite:///var/patrol.db?mode=ro", "options"),
        ("sqlite:///var/", "a directory"),
        ("sqlite:///var/..", "a directory"),
        ("sqlite:///~/patrol.db", "`~` is not expanded"),
        ("sqlite+pysqlite:///x", "not a database"),
    ],
)
def test_odd_sqlite_addresses_are_refused(town: SiteFolder, url: str, reason: str) -> None:
    town.spoil("site.yaml", "sqlite:///var/patrol.db", f'"{url}"')
    (complaint,) = town.complaints()
    assert "site.yaml:2: database: " in complaint
    assert reason in complaint


def test_a_tilde_is_refused_where_it_stands(town: SiteFolder) -> None:
    town.spoil("site.yaml", "mqtt:", "evidence: ~/pictures\nmqtt:")
    (complaint,) = town.complaints()
    assert "site.yaml:3: evidence: `~` is not expanded" in complaint


@pytest.mark.parametrize("held", ["data/patrol.db", "data/pictures"])
def test_what_lies_at_the_old_place_is_never_begun_anew(
    written: SiteFolder, elsewhere: Path, held: str
) -> None:
    site = load_site(written.directory, {})
    check_old_places(site, elsewhere)
    (elsewhere / "data").mkdir()
    (elsewhere / held).touch()
    with pytest.raises(DataElsewhere) as caught:
        check_old_places(site, elsewhere)
    assert str(elsewhere / held) in str(caught.value)
    assert str(written.directory.resolve() / held) in str(caught.value)
    (written.directory / "data").mkdir()
    (written.directory / held).touch()
    check_old_places(site, elsewhere)


def test_secrets_at_the_old_place_are_named_and_stop_nothing(
    town: SiteFolder, elsewhere: Path
) -> None:
    site = load_site(town.directory, {})
    (elsewhere / "var/models").mkdir(parents=True)
    assert [(old.setting, old.before) for old in old_places(site, elsewhere)] == [
        ("models", elsewhere / "var/models")
    ]
    check_old_places(site, elsewhere)


def test_in_its_own_directory_nothing_is_old(
    town: SiteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(town.directory)
    (town.directory / "var").mkdir()
    (town.directory / "var/patrol.db").touch()
    assert list(old_places(load_site(Path(), {}), Path.cwd())) == []
