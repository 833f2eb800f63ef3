"""Simulated people: grid leaders who reply over MQTT, an operator who reviews."""
