"""Ticket URLs: services that hand out a short-lived stream URL for a device."""
