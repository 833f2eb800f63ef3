"""Why PostgreSQL cannot be reached, as one of our sentences with its fix; libpq tells it in many.

A failed connection has no SQLSTATE on the client's side, so libpq's and the server's own words are
looked for (fe-connect.c, and the texts of auth.c, postinit.c and hba.c); each address that was
tried has its copy of them. Ours keep the known words, which administrators look for, and are in
the catalogue of Chinese texts. What is not known stays as the driver said it.
"""

import re
from typing import Final

SETTING: Final = "`database:` of site.yaml"
_KNOWN: Final = (
    (
        (r"password authentication failed|no password supplied|empty password returned|"
        r"(?:peer|ident|gssapi|ldap|pam|radius|certificate) authentication failed"),
        f"password authentication failed, correct user and password in {SETTING}",
    ),
    (
        r"no pg_hba\.conf entry",
        "no entry of the server's pg_hba.conf lets this user in from this machine, add one",
    ),
    (
        r'role "[^"]*" does not exist',
        f"the server has no such user, create it or correct {SETTING}",
    ),
    (
        r'database "[^"]*" does not exist',
        f"the server has no such database, create it or correct {SETTING}",
    ),
    (
        r"role \"[^\"]*\" is not permitted to log in|permission denied for database",
        "the server does not let this user in, grant LOGIN and CONNECT",
    ),
    (
        r"too many (?:clients|connections)|remaining connection slots",
        "the server has no connection left, raise its max_connections",
    ),
    (
        r"the database system is (?:starting up|shutting down|in recovery mode|not yet accepting)",
        "the server is starting or stopping, wait for it",
    ),
    (
        (r"could not translate host name|Name or service not known|"
        r"failed to resolve host|nodename nor servname"),
        f"the name of the server's host is not known here, correct {SETTING}",
    ),
    (
        r"Connection refused|No such file or directory Is the server running",
        f"Connection refused, start PostgreSQL or correct host and port in {SETTING}",
    ),
    (
        r"timeout expired|Connection timed out|No route to host|Network is unreachable",
        f"the server does not answer, look at the network or correct {SETTING}",
    ),
    (
        (r"certificate verify failed|root certificate|server certificate|SSL error|"
        r"does not support SSL"),
        f"the server's TLS is not accepted, look at sslmode and sslrootcert in {SETTING}",
    ),
    (
        (r"server closed the connection|terminating connection|Connection reset|Broken pipe|"
        r"connection (?:was|is) (?:lost|closed)|consuming input failed"),
        "the connection to the server was lost",
    ),
)  # fmt: skip


def connection_problem(line: str) -> str:
    """Our sentence for what the driver said, in one line; its own where we know none."""
    found = (ours for theirs, ours in _KNOWN if re.search(theirs, line))
    return next(found, line)
