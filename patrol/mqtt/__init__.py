"""MQTT: the publisher and the reply subscriber over paho, an embedded broker, Mosquitto's files."""

from patrol.mqtt.client import MqttPublisher, ReconnectingClient
from patrol.mqtt.connection import BrokerAddress
from patrol.mqtt.subscriber import ReplySubscriber

__all__ = ["BrokerAddress", "MqttPublisher", "ReconnectingClient", "ReplySubscriber"]
