"""TELL AND LISTEN: the wire, the relay out, the inbox in, the ladder between."""

from patrol.dispatch.inbox import Handled, Inbox, Outcome
from patrol.dispatch.ladder import Ladder
from patrol.dispatch.relay import Relay, RelayOptions
from patrol.dispatch.topics import case_filter, inbox_filters
from patrol.dispatch.verification import look_failed, verified
from patrol.dispatch.wire import Wire

__all__ = [
    "Handled",
    "Inbox",
    "Ladder",
    "Outcome",
    "Relay",
    "RelayOptions",
    "Wire",
    "case_filter",
    "inbox_filters",
    "look_failed",
    "verified",
]
