"""A camera's address on the command line: read as in cameras.csv, its password from elsewhere.

A password in a command is read by every user of the machine: it is asked for, or comes from a file
or stdin.
"""

import os
import re
import sys
from dataclasses import replace
from getpass import getpass
from pathlib import Path
from typing import Annotated, Final

import typer

from patrol.cli.output import bad_input
from patrol.domain.reader_language import translate
from patrol.settings.config_file import (
    CAMERA_ENV_PREFIX,
    BadEnvReference,
    check_references,
    expand_env,
    first_line,
)
from streams.address import StreamAddress
from streams.errors import BadAddress

PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="密码在文件首行。 Its first line."),
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="从标准输入读密码。 Read it from stdin.")
]
IN_COMMAND: Final = (
    (
        "命令行里的密码本机所有用户可见，不接受：写成 协议://用户@主机/路径，程序会询问；"
        "或 --password-file"
    ),
    (
        "everybody on this machine sees a password in a command, so it is refused: write"
        " SCHEME://USER@HOST/PATH and be asked, or give --password-file or --password-stdin"
    ),
)


_USER_AND_NAME: Final = re.compile(r"[^:/@]+://[^:/@]*:\$\{\w+\}@")


def address_of(url: str) -> StreamAddress:
    """The address as cameras.csv reads it, its `${NAME}` filled in. Raises BadAddress."""
    try:
        check_references(url, os.environ, CAMERA_ENV_PREFIX)
        return StreamAddress.parse(expand_env(url, os.environ, CAMERA_ENV_PREFIX))
    except BadEnvReference as exc:
        raise BadAddress(str(exc)) from None


def with_password(
    url: str, address: StreamAddress, file: Path | None, *, from_stdin: bool
) -> StreamAddress:
    """The address with the password of a file, of stdin, or asked for; written as it is there.

    Raises BadAddress: the address itself has one, which is not that of a `${NAME}`.
    """
    if address.password and _USER_AND_NAME.match(url) is None:
        raise BadAddress(translate(*IN_COMMAND))
    if file is None and not from_stdin:
        wanted = bool(address.user) and not address.password and sys.stdin.isatty()
        return (
            replace(address, password=getpass(translate("密码：", "password: ")))
            if wanted
            else address
        )
    if not address.user or address.password:
        bad_input("the address names no user, or a password already: give rtsp://USER@HOST/PATH")
    if file is None:
        return replace(address, password=sys.stdin.readline().rstrip("\r\n"))
    return replace(address, password=read_password_file(file))


def read_password_file(file: Path) -> str:
    """The first line of the file that `--password-file` names. Raises BadInput."""
    try:
        return first_line(file)
    except (OSError, UnicodeDecodeError) as exc:
        bad_input(f"--password-file: {file}: cannot be read ({type(exc).__name__})")
