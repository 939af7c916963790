"""Another client of an OpenOCD, as a person with a terminal is one."""

from __future__ import annotations

import socket


def said(address: str, command: str) -> str:
    """What OpenOCD answers to a command on its Tcl port, HOST:PORT."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), 10) as link:
        link.sendall(command.encode() + b"\x1a")
        answer = b""
        while not answer.endswith(b"\x1a"):
            answer += link.recv(4096)
    return answer.decode()
