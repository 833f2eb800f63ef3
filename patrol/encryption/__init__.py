"""Encryption at rest: the site's key file, values sealed with it, a key a day for the pictures.

Nothing here knows tables or pictures. Algorithms are those of the library `cryptography`: AES-256
in GCM (NIST SP 800-38D), HKDF with SHA-256 (RFC 5869), HMAC with SHA-256 (RFC 2104); backups are
encrypted in the age format (age-encryption.org/v1) by the library `pyrage`.
"""

from patrol.encryption.day_keys import DayKeys, KeyDestroyed
from patrol.encryption.site_key import KeyProblem, SealBroken, SiteKey

__all__ = ["DayKeys", "KeyDestroyed", "KeyProblem", "SealBroken", "SiteKey"]
