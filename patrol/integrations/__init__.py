"""Integrations beside MQTT: webhooks, notifications over Apprise, canary, delivery worker."""
