"""Passwords that anybody would guess are refused."""

from dataclasses import replace

import pytest

from patrol.administration.accounts import (
    WeakPassword,
    guessable_names,
    hash_password,
    verify_password,
)
from patrol.settings.site_settings import SiteInfo
from simulators import small_site


@pytest.mark.parametrize(
    "password",
    ["1234567890", "0987654321", "qwertyuiop", "password12", "P@ssw0rd123", "Admin@123456",
     "aaaaaaaaaa", "abcdefghij", "1qaz2wsx3edc", "20261130aaa", "13800000000", "woaini1314520",
     "值班员密码值班员密码", "zhang.wei1", "patrol2026", "x" * 256, "short-9Q"],
)  # fmt: skip
def test_a_password_that_is_easily_guessed_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        hash_password(password, name="zhang.wei")


@pytest.mark.parametrize("password", ["correct-horse-9", "kx7-plum-42Q", "水渠 石桥 老槐树 1987"])
def test_some_unrelated_words_are_taken(password: str) -> None:
    assert verify_password(password, hash_password(password, name="zhang.wei"))


SITE = SiteInfo(id="dongwan", name="上坝镇", latitude=39.6, longitude=98.75)


@pytest.mark.parametrize(
    "password",
    ["shangba2026", "Shangba@2026", "shangbazhen1", "dongwan2026", "dongwan@123",
     "上坝镇上坝镇2026", "xiaogoucun2026", "Xiaogou123!", "wangxiaoming1", "wxm2026wxm"],
)  # fmt: skip
def test_names_of_the_town_make_no_password(password: str) -> None:
    registry = small_site.registry()
    key, person = next(iter(registry.people.items()))
    people = {**registry.people, key: replace(person, name="王小明")}
    names = guessable_names(SITE, replace(registry, people=people))
    with pytest.raises(WeakPassword):
        hash_password(password, known_names=names)


def test_a_good_password_is_good_in_every_town() -> None:
    names = guessable_names(SITE, small_site.registry())
    assert hash_password("kx7-plum-42Q", name="zhang.wei", known_names=names)
