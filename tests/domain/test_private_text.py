"""Households and full camera numbers are found however they are written, and nothing else is."""

import pytest

from patrol.domain.private_text import mask_private

HOUSEHOLDS = frozenset({"H-0001", "H-00012", "12", "张三户", "ZQ.7/b"})


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("请到H-0001家", "请到[…]家"),
        ("h0001, H 0001, H_0001, Ｈ－０００１", "[…], […], […], […]"),
        ("H-00012 and H-0001", "[…] and […]"),
        ("xH-0001 H-00013 H-000 h00013", "x[…] […]3 H-000 h00013"),
        ("12号院 2012年 12", "[…]号院 2012年 […]"),
        ("找张三户的", "找[…]的"),
        ("zq7b", "[…]"),
        ("62090204011327000001", "…000001"),
        ("点位６２０９０２０４０１１３２７０００００１。", "点位…000001。"),
        ("6209-0204-0113-2700-0001", "…000001"),
        ("620902040113270000012", "620902040113270000012"),
        ("000001号 13912345678", "000001号 13912345678"),
        ("rtsp://u:p@10.0.0.1/x 在这", "[…] 在这"),
        ("", ""),
    ],
)
def test_what_is_masked(text: str, masked: str) -> None:
    assert mask_private(text, HOUSEHOLDS) == masked


def test_a_registry_without_households_masks_no_words() -> None:
    assert mask_private("H-0001 家", frozenset()) == "H-0001 家"
