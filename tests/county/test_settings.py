"""county.yaml: every problem is one line that names file, line, field and fix."""

from pathlib import Path

import pytest

from patrol.county.settings import load_county
from patrol.settings.config_file import ConfigProblems

GOOD = """
county: {id: gulang, name: 古浪县}
towns:
  - {id: a, name: 甲镇, url: "https://a.test:8624", key_file: a.key}
  - id: b
    name: 乙镇
    url: https://b.test:8624/
    key_file: b.key
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "ab":
        file = tmp_path / f"{name}.key"
        file.write_text(f"patrol_{name * 43}\n", "ascii")
        file.chmod(0o600)
    (tmp_path / "readers").write_text(f"# who reads\nbureau {'k' * 40}\n", "utf-8")
    (tmp_path / "short").write_text("bureau secret\n", "utf-8")
    (tmp_path / "none").write_text("# nobody\n", "utf-8")
    (tmp_path / "wrong.key").write_text("password\n", "utf-8")
    return tmp_path


def problems(folder: Path, text: str, env: dict[str, str] | None = None) -> list[str]:
    (folder / "county.yaml").write_text(text, "utf-8")
    with pytest.raises(ConfigProblems) as found:
        load_county(folder, env or {})
    return [str(one).replace(f"{folder}/", "") for one in found.value.problems]


def test_a_county_with_the_least(folder: Path) -> None:
    (folder / "county.yaml").write_text(GOOD, "utf-8")
    county = load_county(folder, {})
    assert county.notices == ()
    assert county.settings.database == f"sqlite:///{folder}/var/county.db"
    assert [town.url for town in county.settings.towns] == [
        "https://a.test:8624", "https://b.test:8624",
    ]  # fmt: skip
    assert county.settings.towns[0].key_file == folder / "a.key"


def test_the_database_comes_from_the_environment(folder: Path) -> None:
    text = GOOD + "database: ${PATROL_COUNTY_DB}\n"
    (folder / "county.yaml").write_text(text, "utf-8")
    url = "postgresql+psycopg://county:s3cret@db/county"
    settings = load_county(folder, {"PATROL_COUNTY_DB": url}).settings
    assert settings.database == url
    assert "s3cret" not in repr(settings)
    assert problems(folder, text) == [
        "county.yaml:9: database: the environment has no PATROL_COUNTY_DB, set it before starting"
    ]


def test_every_example_key_is_understood(folder: Path) -> None:
    from importlib import resources  # noqa: PLC0415

    text = resources.files("patrol.county").joinpath("example.yaml").read_text("utf-8")
    told = problems(folder, text)
    assert len(told) == 2
    assert all("key_file: no such file" in one for one in told)


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("id: b\n", "id: a\n", 5, "towns[1].id: is that of towns[0] already"),
        ("https://b.test:8624/", "https://a.test:8624", 7, "towns[1].url: is that of towns[0]"),
        ("https://b", "http://b", 7, "towns[1].url: the key would cross a network in clear text"),
        ("https://b.test:8624/", "https://me:x@b.test", 7, "towns[1].url: holds credentials"),
        ("https://b.test:8624/", "b.test:8624", 7, "towns[1].url: is no address of a town"),
        ("https://b.test:8624/", "https://b.test:x", 7, "the host or the port cannot be read"),
        ("https://b.test:8624/", "https://b.test?k=1", 7, "towns[1].url: is no address"),
        ("key_file: b.key", "key_file: c.key", 8, "towns[1].key_file: no such file"),
        ("key_file: b.key", "key_file: wrong.key", 8, "holds no key of a town"),
        ("key_file: b.key", "key_file: ~/b.key", 8, "`~` is not expanded"),
        ("key_file: b.key", "keyfile: b.key", 8, "unknown setting, did you mean 'key_file'?"),
        ("    key_file: b.key", "    key_file: b.key\n    ca_file: no.pem", 9, "ca_file: no such"),
        ("name: 古浪县", "name: ''", 2, "county.name: '' is too short"),
        ("{id: gulang,", "{id: 古浪,", 2, "county.id: '古浪' is not an identifier"),
    ],
)  # fmt: skip
def test_a_problem_names_its_place(folder: Path, old: str, new: str, line: int, told: str) -> None:
    found = problems(folder, GOOD.replace(old, new, 1))
    assert any(one.startswith(f"county.yaml:{line}: ") and told in one for one in found), found


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("serve: {host: 10.0.0.5}", "serve.host: other machines reach it: give serve.keys_file"),
        ("serve: {host: 10.0.0.5}", "serve.host: readers' keys would cross a network"),
        ("serve: {keys_file: nowhere}", "serve.keys_file: no such file"),
        ("serve: {keys_file: short}", "serve.keys_file: line 1 of short: write NAME KEY"),
        ("serve: {keys_file: none}", "serve.keys_file: none holds no key"),
        ("serve: {tls_key: a.key}", "serve.tls_certificate: is missing"),
        ("serve: {port: 70000}", "serve.port: 70000 is out of range, give at most 65535"),
        ("serve: {port: true}", "serve.port: true is not a number"),
        ("pull: {every_min: 0}", "pull.every_min: 0 is out of range, give more than 0"),
        ("database: mysql://x/y", "database: not a database this product knows"),
        ("database: sqlite:///~/c.db", "database: `~` is not expanded"),
        ("metrics: {prot: 1}", "metrics.prot: unknown setting"),
        ("counties: 1", "counties: unknown setting"),
        ("county: {id: x, name: y}", "county: stands on line 2 already, delete one"),
    ],
)
def test_a_problem_of_a_section(folder: Path, more: str, told: str) -> None:
    found = problems(folder, GOOD + more + "\n")
    assert any(told in one for one in found), found


@pytest.mark.parametrize("text", ["", "county: [", "towns: 3", "- a", "county: {id: a}\ntowns: []"])
def test_what_is_no_county_is_refused_in_lines(folder: Path, text: str) -> None:
    assert all(one.startswith("county.yaml:") for one in problems(folder, text))


def test_no_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems, match=r"county\.yaml:1: file: does not exist"):
        load_county(tmp_path, {})


def test_what_is_legal_and_worth_a_look(folder: Path) -> None:
    (folder / "a.key").chmod(0o644)
    text = GOOD + "pull: {every_min: 40}\n"
    (folder / "county.yaml").write_text(text, "utf-8")
    told = [(one.field, one.text) for one in load_county(folder, {}).notices]
    assert [field for field, _ in told] == ["towns[0].key_file", "pull.silent_after_min"]
    assert "chmod 600" in told[0][1]


def test_secrets_are_not_quoted(folder: Path) -> None:
    text = GOOD.replace("https://b.test:8624/", "https://viewer:s3cret@b.test")
    assert "s3cret" not in "\n".join(problems(folder, text + "serve: {keys_file: short}\n"))
