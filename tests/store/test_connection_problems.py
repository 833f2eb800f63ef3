"""What PostgreSQL's client says of a connection that fails, as one sentence with its fix."""

import pytest

from patrol.domain.problem_texts import problem_text
from patrol.store.connection_problems import SETTING, connection_problem

# Of libpq 16 and a server 16, for two addresses of one host where it tried two.
SAID = {
    "password": 'connection failed: connection to server at "127.0.0.1", port 5432 failed: FATAL: '
    'password authentication failed for user "w" connection to server at "::1", port 5432 failed: '
    'FATAL: password authentication failed for user "w"',
    "nothing": 'connection to server at "10.0.0.5", port 5432 failed: fe_sendauth: no password '
    "supplied",
    "hba": 'connection failed: FATAL: no pg_hba.conf entry for host "10.9.0.3", user "w", database '
    '"patrol", no encryption',
    "role": 'connection failed: FATAL: role "w" does not exist',
    "database": 'connection failed: FATAL: database "patrol" does not exist',
    "login": 'connection failed: FATAL: role "w" is not permitted to log in',
    "full": "connection failed: FATAL: sorry, too many clients already",
    "start": "connection failed: FATAL: the database system is starting up",
    "name": "failed to resolve host 'db.invalid': [Errno -2] Name or service not known",
    "refused": 'connection to server at "127.0.0.1", port 1 failed: Connection refused Is the '
    "server running on that host and accepting TCP/IP connections?",
    "silent": "connection timeout expired",
    "tls": "connection failed: SSL error: certificate verify failed",
    "lost": "consuming input failed: server closed the connection unexpectedly",
}


@pytest.mark.parametrize("said", SAID.values(), ids=SAID.keys())
def test_it_is_said_with_its_fix_in_the_readers_language(said: str) -> None:
    ours = connection_problem(said)
    assert ours != said
    assert len(ours) < 120
    assert "FATAL" not in ours
    line = f"postgresql://w@127.0.0.1:5432/patrol: {ours}"
    assert problem_text(line, "en") == line
    chinese = problem_text(line, "zh")
    for word in ("server", "correct ", "the ", "failed,"):
        assert word not in chinese
    if SETTING in ours:
        assert "site.yaml 的 `database:`" in chinese


def test_what_is_not_known_stays_as_it_was_said() -> None:
    assert connection_problem("out of shared memory") == "out of shared memory"
