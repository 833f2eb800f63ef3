"""The broker's border: paho behind Publisher and the inbox, and a broker of our own to embed."""

from patrol.mqtt.address import BrokerAddress
from patrol.mqtt.link import MqttLink
from patrol.mqtt.publisher import MqttPublisher
from patrol.mqtt.service import MqttService

__all__ = ["BrokerAddress", "MqttLink", "MqttPublisher", "MqttService"]
