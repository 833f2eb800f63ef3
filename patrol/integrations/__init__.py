"""Ways out beside MQTT to grid leaders: webhooks, notifications, canary, delivery worker."""
