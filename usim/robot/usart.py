"""Keywords for what a program says on a serial line."""

from __future__ import annotations

from robot.api import logger

from usim.robot.group import KeywordGroup

_LONGEST_SHOWN = 200


class UsartKeywords(KeywordGroup):
    """USART Should Contain and the like."""

    def usart_should_contain(self, text: str, usart: str = "usart1") -> None:
        """Runs what is queued; fails unless a program has sent this text since the platform opened.

        ``usart`` is the peripheral's name in the platform's description. Refused on a backend that
        does not capture what is sent.

        | Call    greet
        | USART Should Contain    Hello from the chip
        """
        sent = self._sent(usart)
        if text not in sent:
            shown = sent if len(sent) <= _LONGEST_SHOWN else f"...{sent[-_LONGEST_SHOWN:]}"
            raise AssertionError(f"{usart}: expected {text!r}, got {shown!r} ({len(sent)} bytes)")

    def captured_usarts(self) -> list[str]:
        """Returns the names of the USARTs whose output this platform and backend capture."""
        return list(self._target().session.capabilities.usarts)

    def usart_output(self, usart: str = "usart1") -> str:
        """Runs what is queued; returns all that was sent on a USART since the platform opened.

        Bytes become characters one to one (Latin-1).
        """
        sent = self._sent(usart)
        logger.info(f"{usart} sent {len(sent)} bytes")
        return sent

    def _sent(self, usart: str) -> str:
        session = self._target().session
        self._run(session.sync)
        return session.usart_output(usart).decode("latin-1")
