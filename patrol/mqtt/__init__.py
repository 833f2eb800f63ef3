"""The broker's border: paho behind Publisher and the inbox, and a broker of our own to embed."""

from patrol.mqtt.address import BrokerAddress
from patrol.mqtt.client import MqttPublisher, ReconnectingClient
from patrol.mqtt.subscriber import ReplySubscriber

__all__ = ["BrokerAddress", "MqttPublisher", "ReconnectingClient", "ReplySubscriber"]
