"""A setting that may be a secret is not quoted in the problem that names it."""

import pytest

from patrol.settings.yaml_types import error_message


@pytest.mark.parametrize("name", ["password", "secret", "token", "api_key", "url", "PassWord"])
@pytest.mark.parametrize("kind", ["string_type", "int_parsing", "path_type", "string_too_long"])
def test_no_value_of_a_secret_setting_is_quoted(name: str, kind: str) -> None:
    error = {
        "type": kind,
        "loc": ("mqtt", name),
        "msg": "",
        "input": "s3cret",
        "ctx": {"max_length": 3},
    }
    assert "s3cret" not in error_message(error, [])  # type: ignore[arg-type]  # pydantic's own


def test_any_other_value_is() -> None:
    error = {"type": "bool_parsing", "loc": ("mqtt", "retain"), "msg": "", "input": "yse"}
    assert "'yse'" in error_message(error, [])  # type: ignore[arg-type]  # pydantic's own
