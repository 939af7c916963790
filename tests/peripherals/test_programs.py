"""Programs on the embedded chip that use its peripherals, through a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import usim
from usim.devices import Timing
from usim.devices.embedded import EmbeddedDevice
from usim.errors import DeviceError, FaultError
from usim.module import Module

HERE = Path(__file__).parent


@pytest.fixture(scope="module", params=["count", "full"])
def session(request: pytest.FixtureRequest) -> Iterator[usim.Session]:
    timing: Timing = request.param
    with usim.Session("stm32f746", timing=timing, timeout_s=20) as opened:
        yield opened


def load(session: usim.Session, source: str) -> Module:
    return session.load_module(f'#include "chip.h"\n{source}', include=[HERE])


def device_of(session: usim.Session) -> EmbeddedDevice:
    device = session._device
    assert isinstance(device, EmbeddedDevice)
    return device


def test_what_a_program_prints_is_kept(session):
    before = session.usart_output("usart1")
    module = load(session, 'void greet(void) { open_usart(); send_text("hello, world\\n"); }')
    module.greet()
    module.greet()
    assert session.usart_output("usart1") == before + b"hello, world\n" * 2
    assert session.usart_output("usart3") == b""


def test_a_program_reads_what_it_is_sent(session):
    module = load(
        session,
        "uint32_t received;\n"
        "int32_t read_line(uint8_t *line) {\n"
        "    open_usart();\n"
        "    uint32_t count = 0;\n"
        "    do {\n"
        "        while ((USART1_ISR & RXNE) == 0U) {}\n"
        "        line[count] = (uint8_t)USART1_RDR;\n"
        "    } while (line[count++] != '\\n');\n"
        "    return (USART1_ISR & RXNE) == 0U ? 0 : 1;\n"
        "}",
    )
    line = session.tensor(np.zeros(16, np.uint8))
    device_of(session).usart_input("usart1", b"to the chip\n")
    module.read_line(line)
    assert line.numpy().tobytes() == b"to the chip\n" + bytes(4)


def test_without_its_clock_a_usart_sends_nothing(session):
    before = session.usart_output("usart1")
    module = load(
        session,
        "void whisper(void) {\n"
        "    open_usart();\n"
        "    RCC_APB2ENR &= ~(1U << 4);\n"
        "    USART1_TDR = 'x';\n"
        "    RCC_APB2ENR |= 1U << 4;\n"
        "}",
    )
    module.whisper()
    assert session.usart_output("usart1") == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("usart4", r"no USART 'usart4' on stm32f746; there are usart1, usart6, usart2"),
        ("", "no USART ''"),
    ],
)
def test_a_usart_that_the_chip_lacks_is_refused(session, name, message):
    with pytest.raises(DeviceError, match=message):
        session.usart_output(name)


def test_a_program_replaces_code_in_flash_and_runs_it(session):
    """Sector 7, its last function first: what was translated before must not run again."""
    module = load(
        session,
        "int32_t self_program(uint32_t *results, int32_t count) {\n"
        "    volatile uint16_t *code = (volatile uint16_t *)0x080C0000;\n"
        "    uint32_t (*run)(void) = (uint32_t (*)(void))0x080C0001;\n"
        "    for (int32_t i = 0; i < count; i++) {\n"
        "        FLASH_KEYR = 0x45670123U;\n"
        "        FLASH_KEYR = 0xCDEF89ABU;\n"
        "        FLASH_CR = (1U << 1) | (7U << 3) | (1U << 16);\n"
        "        if (*code != 0xFFFFU) return 1;\n"
        "        FLASH_CR = (1U << 8) | 1U;\n"
        "        code[0] = (uint16_t)(0x2000U + 10U + (uint32_t)i); /* movs r0, #10 + i */\n"
        "        code[1] = 0x4770U;                                 /* bx lr */\n"
        "        FLASH_CR = 1U << 31;\n"
        '        __asm volatile("dsb\\n isb" ::: "memory");\n'
        "        if (FLASH_SR != 0U) return 2;\n"
        "        results[i] = run();\n"
        "    }\n"
        "    return 0;\n"
        "}",
    )
    results = session.tensor(np.zeros(3, np.uint32))
    module.self_program(results, 3)
    assert results.numpy().tolist() == [10, 11, 12]


def test_a_program_programs_flash_inside_an_it_block_and_goes_on(session):
    module = load(
        session,
        "int32_t program_if(void) {\n"
        "    int32_t went_on = 0;\n"
        "    uint32_t *cell = (uint32_t *)0x080B0000;\n"
        "    FLASH_KEYR = 0x45670123U;\n"
        "    FLASH_KEYR = 0xCDEF89ABU;\n"
        "    FLASH_CR = (2U << 8) | 1U;\n"
        '    __asm volatile("cmp %1, #0\\n itt ne\\n strne %2, [%1]\\n cmpne %1, %1\\n"\n'
        '                   "b 1f\\n 1: adds %0, #1\\n adds %0, #2"\n'
        '                   : "+l"(went_on) : "l"(cell), "l"(0x12345678) : "cc", "memory");\n'
        "    FLASH_CR = 1U << 31;\n"
        "    return went_on == 3 ? 0 : 1;\n"
        "}",
    )
    module.program_if()
    session.sync()
    assert session.read_memory(0x080B_0000, 4) == b"\x78\x56\x34\x12"


def test_a_store_to_locked_flash_faults_and_says_so_in_the_status(session):
    module = load(session, "void spoil(void) { *(volatile uint32_t *)0x080C0100 = 0U; }")
    module.spoil()
    with pytest.raises(FaultError, match="store to where no memory can be written"):
        session.sync()
    assert device_of(session).bus_read(0x4002_3C0C, 4) == b"\x80\0\0\0"  # ERSERR
    assert session.read_memory(0x080C_0100, 4) == b"\xff" * 4


def test_accesses_to_peripherals_leave_the_counter_exact(session):
    module = load(
        session,
        "void poll(uint32_t *counts) {\n"
        "    for (uint32_t i = 0; i < 8U; i++) {\n"
        "        const uint32_t before = REGISTER(0xE0001004U);\n"
        "        (void)RCC_CR;\n"
        "        (void)RCC_CR;\n"
        "        counts[i] = REGISTER(0xE0001004U) - before;\n"
        "    }\n"
        "}",
    )
    counts = session.tensor(np.zeros(8, np.uint32))
    module.poll(counts)
    settled = counts.numpy()[2:].tolist()
    assert len(set(settled)) == 1
    if session.capabilities.count.unit == "instructions":
        assert settled[0] == 3
