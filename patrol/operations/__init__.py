"""Backup, metrics and health checks of a running site."""
