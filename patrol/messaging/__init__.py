"""MQTT topics, payload builder, reply parser and the relay that publishes the outbox."""

from typing import TYPE_CHECKING

from patrol.lazy_imports import lazy_exports

if TYPE_CHECKING:
    from patrol.messaging.outbox_relay import OutboxRelay, RelayOptions
    from patrol.messaging.payloads import PayloadBuilder
    from patrol.messaging.topics import case_filter, inbox_filters

__all__ = ["OutboxRelay", "PayloadBuilder", "RelayOptions", "case_filter", "inbox_filters"]
__getattr__ = lazy_exports(
    __name__,
    {
        "outbox_relay": ("OutboxRelay", "RelayOptions"),
        "payloads": ("PayloadBuilder",),
        "topics": ("case_filter", "inbox_filters"),
    },
)
