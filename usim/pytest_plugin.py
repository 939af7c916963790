"""pytest plugin: the fixtures `usim_session` and `usim_board`, the marker `usim`, failure reports.

    @pytest.mark.usim(timing="count", backend=["embedded", "qemu"])
    def test_scale(usim_session):
        module = usim_session.load_module(SOURCE)

    def test_boot(usim_board):
        usim_board("firmware.elf").wait_for_line("ready")

pytest loads this in every run where usim is installed, so nothing of usim is imported before a test
asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    import pluggy

    from usim.board import Board
    from usim.session import Session

_MARKER: Final = (
    "usim(platform=..., backend=..., timing=..., strict=..., ...): what usim_session is opened "
    "with, as keywords of usim.Session; a list of backends runs the test on each."
)
_SESSION: Final = pytest.StashKey["Session"]()
_BOARDS: Final = pytest.StashKey["list[Board]"]()
_PASSED: Final = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options for what a test's marker leaves open."""
    group = parser.getgroup("usim", "usim: kernels and models on an emulated (or real) Cortex-M")
    group.addoption(
        "--usim-platform",
        default="stm32f746",
        metavar="NAME",
        help="platform of usim_session where a test's marker names none (default: %(default)s)",
    )
    group.addoption(
        "--usim-backend",
        action="append",
        metavar="BACKEND",
        help="backend of usim_session where a test's marker names none (default: embedded); "
        "repeat it to run such tests on several",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each backend, if there are several."""
    if "usim_session" not in metafunc.fixturenames:
        return
    backends = _backends(metafunc.definition)
    if len(backends) > 1:
        metafunc.parametrize("usim_session", backends, indirect=True)


@pytest.fixture
def usim_session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """An open usim.Session, closed when the test ends.

    What the marker `usim` says goes first, then the options --usim-platform and --usim-backend.
    Calls that a passing test left queued run at its end; if one fails, that is an error.
    """
    from usim.errors import UsimError  # noqa: PLC0415 - see above

    options = _options(request.node)
    options.setdefault("platform", request.config.getoption("--usim-platform"))
    options["backend"] = getattr(request, "param", _backends(request.node)[0])
    try:
        session = _make_session(options).open()
    except UsimError as exc:
        pytest.fail(f"usim_session: {exc}", pytrace=False)
    request.node.stash[_SESSION] = session
    try:
        yield session
        if session.is_open and request.node.stash.get(_PASSED, False):
            session.sync()
    finally:
        session.close()


@pytest.fixture
def usim_board(request: pytest.FixtureRequest) -> Iterator[Callable[..., Board]]:
    """A function that boots a firmware: `board = usim_board("firmware.elf")`, a usim.Board.

    Further arguments are Board's; platform and timing come from the marker `usim` and the option
    --usim-platform unless given. A relative name is looked for beside the test's file, then in the
    current folder. Boards are powered down when the test ends.
    """
    from usim.board import Board  # noqa: PLC0415 - see above

    boards = request.node.stash.setdefault(_BOARDS, [])
    marked = _options(request.node)

    def boot(image: str | Path, **options: Any) -> Board:  # noqa: ANN401
        for name in ("platform", "timing"):
            if name in marked:
                options.setdefault(name, marked[name])
        options.setdefault("platform", request.config.getoption("--usim-platform"))
        beside = request.path.parent / image
        board = Board(beside if beside.exists() else Path(image), **options).open()
        boards.append(board)
        return board

    yield boot
    for board in boards:
        board.close()


@pytest.hookimpl(hookwrapper=True)  # and not wrapper=True, which pytest 7.0 does not know
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    """Add what is known of the session, or of the boards, to a failed test's report."""
    report = (yield).get_result()
    if call.when == "call":
        item.stash[_PASSED] = report.passed
    session = item.stash.get(_SESSION, None)
    if session is not None and report.failed:
        from usim.report.failure import describe_failure  # noqa: PLC0415 - see above

        error = call.excinfo.value if call.excinfo else None
        report.sections.append(("usim", describe_failure(session, error)))
    if report.failed and call.when == "call":
        for board in item.stash.get(_BOARDS, []):
            from usim.report.board_summary import describe_board  # noqa: PLC0415 - see above

            report.sections.append((f"usim {board.program.file}", describe_board(board)))


def _options(node: pytest.Item) -> dict[str, Any]:
    """Keywords of all of a test's markers; the one nearest to the test wins."""
    options: dict[str, Any] = {}
    for marker in node.iter_markers("usim"):
        if marker.args:
            pytest.fail("the marker usim takes keywords only", pytrace=False)
        options = {**marker.kwargs, **options}
    return options


def _backends(node: Any) -> list[str]:  # noqa: ANN401 - an item, or pytest's definition of one
    wanted = _options(node).get("backend") or node.config.getoption("--usim-backend")
    if not wanted:
        return ["embedded"]
    return [wanted] if isinstance(wanted, str) else list(wanted)


def _make_session(options: dict[str, Any]) -> Session:
    from inspect import signature  # noqa: PLC0415

    from usim.session import Session  # noqa: PLC0415

    known = signature(Session).parameters
    unknown = [name for name in options if name not in known]
    if unknown:
        pytest.fail(
            f"the marker usim has no {', '.join(unknown)}; it has {', '.join(known)}",
            pytrace=False,
        )
    return Session(**options)
