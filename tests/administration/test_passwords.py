"""Passwords that anybody would guess are refused."""

import pytest

from patrol.administration.accounts import WeakPassword, hash_password, verify_password


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
