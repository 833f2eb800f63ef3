"""MQTT topics, payload builder, reply parser and the relay that publishes the outbox."""

from patrol.messaging.outbox_relay import OutboxRelay, RelayOptions
from patrol.messaging.payloads import PayloadBuilder
from patrol.messaging.topics import case_filter, inbox_filters

__all__ = ["OutboxRelay", "PayloadBuilder", "RelayOptions", "case_filter", "inbox_filters"]
