"""What DWARF tells: signatures as C declared them, and lines of addresses."""

from __future__ import annotations

import pytest

from usim.debug_info import read_lines, read_signatures
from usim.errors import LinkError
from usim.image import read_object
from usim.loader import load
from usim.memory import SectionAllocator
from usim.platforms import load_platform
from usim.resources import data_folder
from usim.symbols import SymbolTable
from usim.toolchain import find_toolchain

SOURCE = """#include "usim.h"
#include <stdbool.h>
typedef int32_t status_t;
typedef const float *weights_t;
typedef enum { A = -1, B = 100 } signed_t;
typedef enum { C = 0, D = 250 } unsigned_t;
struct DLTensor2 { int x; };

int32_t f(const int8_t *a, uint16_t *b, void *c, const void *d, char e, bool g) { return 0; }
status_t typed(weights_t w, volatile int64_t *v, double x, float y, long long z) { return 0; }
void record(const DLTensor *in, DLTensor *out) {}
void enums(signed_t s, unsigned_t u) {}
void strange(struct DLTensor2 *p, struct DLTensor2 s, int (*f)(void), int **pp, int a[4]) {}
static int hidden(int x) { return x; }
unsigned visible(int x) { return (unsigned)hidden(x); }
int8_t narrow(void) { return 0; }
int variadic(int x, ...) { return x; }
"""


def compile_elf(source: str, *flags: str, name: str = "module.c") -> bytes:
    return find_toolchain().compile(
        source,
        name=name,
        core=load_platform("stm32f746").core,
        include=(data_folder("device_runtime"),),
        flags=[*flags, "-Wno-everything"],
    )


@pytest.fixture(scope="module")
def signatures():
    return read_signatures(compile_elf(SOURCE))


def facts(signature) -> list[tuple[str, str, str, str]]:
    return [(p.name, p.kind, p.c_type, p.element) for p in signature.parameters]


def test_pointers_carry_their_element_type_through_typedefs(signatures):
    assert facts(signatures["f"]) == [
        ("a", "pointer", "const int8_t *", "i1"),
        ("b", "pointer", "uint16_t *", "u2"),
        ("c", "pointer", "void *", ""),
        ("d", "pointer", "const void *", ""),
        ("e", "integer", "char", ""),
        ("g", "integer", signatures["f"].parameters[5].c_type, ""),
    ]
    assert [p.read_only for p in signatures["f"].parameters[:4]] == [True, False, False, True]
    assert facts(signatures["typed"])[:2] == [
        ("w", "pointer", "weights_t", "f4"),
        ("v", "pointer", "int64_t *", "i8"),
    ]


def test_numbers_carry_size_and_sign(signatures):
    sizes = [(p.kind, p.size_bytes, p.signed) for p in signatures["typed"].parameters[2:]]
    assert sizes == [("float", 8, False), ("float", 4, False), ("integer", 8, True)]
    e = signatures["f"].parameters[4]
    assert (e.size_bytes, e.signed) == (1, False)  # plain char is unsigned in the AAPCS


def test_enumerations_have_the_sign_that_their_values_need(signatures):
    low, high = signatures["enums"].parameters
    assert (low.kind, low.size_bytes, low.signed) == ("integer", 1, True)
    assert (high.kind, high.size_bytes, high.signed) == ("integer", 1, False)


def test_dlpack_tensors_are_recognised_by_their_type(signatures):
    assert [p.kind for p in signatures["record"].parameters] == ["tensor", "tensor"]
    assert [p.read_only for p in signatures["record"].parameters] == [True, False]


def test_what_cannot_be_passed_is_marked(signatures):
    kinds = [p.kind for p in signatures["strange"].parameters]
    assert kinds == ["unsupported"] * 4 + ["pointer"]


def test_results_are_a_status_nothing_or_something_else(signatures):
    assert {name: item.returns for name, item in signatures.items()} == {
        "f": "status", "typed": "status", "record": "void", "enums": "void", "strange": "void",
        "visible": "unsigned int", "narrow": "int8_t", "variadic": "status",
    }  # fmt: skip


def test_a_signature_reads_like_c(signatures):
    assert str(signatures["record"]) == "record(const DLTensor *in, DLTensor *out)"
    assert signatures["f"].line == 9


def test_without_debug_information_there_are_no_signatures_and_no_lines():
    elf = compile_elf("int f(int x) { return x; }", "-g0")
    assert read_signatures(elf) == {}
    assert read_lines(elf) == ()


LINES = """int one(int x) {
    x += 3;
    return x * x;
}

int two(int x) {
    if (x > 7) {
        return __builtin_popcount((unsigned)x);
    }
    return x - 9;
}
"""


@pytest.fixture(scope="module", params=["-O0", "-O2"])
def table(request):
    platform = load_platform("stm32f746")
    elf = compile_elf(LINES, request.param, name="two.c")
    allocators = {name: SectionAllocator(platform.section(name)) for name in
                  ("text", "rodata", "data", "bss")}  # fmt: skip
    try:
        image = load([read_object(elf)], allocators, {}, {})
    except LinkError:
        pytest.fail("the source needs the compiler's library")
    symbols = SymbolTable()
    symbols.add(image, [elf])
    return symbols, image


def test_every_address_of_a_function_has_a_line_of_it(table):
    symbols, image = table
    ranges = {"one": range(1, 5), "two": range(6, 12)}
    for name, lines in ranges.items():
        symbol = image.symbol(name)
        found = set()
        for address in range(symbol.address, symbol.address + symbol.size_bytes, 2):
            file, _, line = symbols.line_at(address).partition(":")
            assert file == "two.c"
            found.add(int(line))
        assert found - {0} <= set(lines)
        assert len(found) > 1


def test_an_address_is_described_by_function_offset_and_line(table):
    symbols, image = table
    symbol = image.symbol("two")
    text = symbols.describe(symbol.address + 2)
    assert text.startswith(f"0x{symbol.address >> 16:04x}_{symbol.address + 2 & 0xFFFF:04x} in ")
    assert " in two+0x2 (two.c:" in text


def test_an_address_outside_of_all_code_is_just_an_address(table):
    symbols, image = table
    last = max(symbol.address + symbol.size_bytes for symbol in image.symbols)
    assert symbols.describe(last + 64) == f"0x0000_{last + 64:04x}"
    assert symbols.line_at(0x2000_0000) is None


def test_removed_images_are_forgotten(table):
    symbols, image = table
    other = SymbolTable()
    other.add(image, [b""])
    other.remove(image)
    assert other.function_at(image.symbol("one").address) is None
    assert symbols.function_at(image.symbol("one").address) is not None
