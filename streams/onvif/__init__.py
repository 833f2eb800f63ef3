"""ONVIF devices: SOAP messages, WS-Discovery, and visits by profile."""
