"""Backend openocd: whatever is missing or wrong is one line that says what to do."""

from __future__ import annotations

import socket

import pytest
from click.testing import CliRunner
from openocd_servers import serve

from usim.cli import usim as command
from usim.devices import make_device
from usim.devices.openocd.server import arguments_for_probe
from usim.errors import DeviceError
from usim.platforms import load_platform
from usim.probe import VirtualProbe

PLATFORM = load_platform("stm32f746")
TARGET = "source [find target/stm32f7x.cfg]\n"
DUMMY = "adapter driver dummy\ntransport select jtag\n"


def message_of(where: str | None, platform=PLATFORM) -> str:
    """What open() says; one line of it."""
    device = make_device("openocd", platform, openocd=where)
    with pytest.raises(DeviceError) as caught:
        device.open()
    device.close()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_without_openocd_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    config = tmp_path / "board.cfg"
    config.write_text("")
    assert message_of(str(config)).startswith(
        "openocd is not on the PATH (USIM_OPENOCD may name it); Debian and Ubuntu: apt install"
    )


def test_a_named_openocd_that_is_none_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("USIM_OPENOCD", str(tmp_path / "openocd"))
    config = tmp_path / "board.cfg"
    config.write_text("")
    assert "which is not a program that can be run" in message_of(str(config))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("source [find interface/stlink.cfg]\n" + TARGET, "no debug probe (ST-Link) was found: is"),
        (DUMMY + TARGET, "the probe works, but the chip does not answer: is it powered"),
        ("source [find board/none.cfg]\n", "does not exist (OpenOCD: "),
        (DUMMY + "fly\n", ':3: Error: invalid command name "fly"'),
        (DUMMY, "has no target: source one, for instance target/stm32f7x.cfg"),
        ("", "Debug Adapter has to be specified"),
    ],
    ids=["no probe", "no chip", "no file", "no such command", "no target", "no adapter"],
)
def test_what_openocd_says_is_translated(config, message, tmp_path):
    file = tmp_path / "board.cfg"
    file.write_text(config)
    assert message in message_of(str(file))


def test_a_probe_that_nobody_serves_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    file = tmp_path / "board.cfg"
    file.write_text(f"{arguments_for_probe(port)[1]}\n{TARGET}")
    message = message_of(str(file))
    assert "nothing serves the probe's port: start `usim serve --jtag PORT` first" in message


def test_busy_ports_do_not_matter_but_a_busy_probe_is_told(tmp_path):
    """Our own OpenOCD opens no port, whatever the file says; only one can have the probe."""
    with VirtualProbe(PLATFORM) as probe, socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ports = f"gdb_port {port}\ntelnet_port {port}\ntcl_port {port}\n"
        file = tmp_path / "board.cfg"
        file.write_text(f"{arguments_for_probe(probe.port)[1]}\n{TARGET}{ports}")
        device = make_device("openocd", PLATFORM, openocd=str(file))
        device.open()
        try:
            assert "does no other program use it" in message_of(str(file))
            assert device.read(0x2000_0000, 4) == bytes(4)
        finally:
            device.close()


@pytest.mark.parametrize("where", ["nowhere.cfg", "localhost:", "127.0.0.1:99999", "virtuell"])
def test_what_is_no_openocd_is_refused(where):
    assert message_of(where) == (
        f"openocd={where!r} is neither HOST:PORT of a running OpenOCD, nor an existing "
        'configuration file, nor "virtual"'
    )


def test_a_platform_without_configuration_says_what_to_give():
    platform = load_platform("mps2-an500")
    assert message_of(None, platform).startswith("platform mps2-an500 has no openocd.cfg: give")


def test_a_port_with_something_else_behind_it_is_told():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        message = message_of(f"127.0.0.1:{port}")
    assert message.startswith(f"what answers at 127.0.0.1:{port} is not OpenOCD's Tcl port")


def test_another_chip_than_the_platforms_is_refused():
    with serve(PLATFORM) as address:
        assert message_of(address, load_platform("stm32f767")).startswith(
            "the chip on the probe is not a stm32f767: its device id is 0x449, not 0x451"
        )


def test_it_is_refused_for_other_backends():
    with pytest.raises(DeviceError, match="openocd='virtual' is for backend openocd, not for emb"):
        make_device("embedded", PLATFORM, openocd="virtual")
    arguments = ["run", "--platform", "stm32f746", "--openocd", "virtual"]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2
    assert "--openocd is for --backend openocd, not embedded" in done.output


def test_the_environment_may_say_where(monkeypatch):
    monkeypatch.setenv("USIM_OPENOCD_WHERE", "127.0.0.1:1")
    assert message_of(None).startswith("no OpenOCD at 127.0.0.1:1: Connection refused")
