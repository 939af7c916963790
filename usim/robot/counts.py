"""Keywords for what things cost: cycles where a platform has them, instructions where not."""

from __future__ import annotations

from robot.api import logger

from usim.devices import CountUnit
from usim.errors import ArgumentError
from usim.robot.group import KeywordGroup
from usim.tasks import Count


class CountKeywords(KeywordGroup):
    """Cycles Should Be At Most and the like."""

    def cycles_should_be_at_most(self, limit: int) -> None:
        """Fails if the last `Call` or `Run Model` took more cycles; runs what is queued.

        Refused where instructions are counted and not cycles: see
        `Instructions Should Be At Most`. Failures and the log say where the cycles come from: a
        model or a measurement.

        | Run Model    demo    input=demo:4_deer.png
        | Cycles Should Be At Most    24_000_000
        """
        self._check("cycles", limit)

    def instructions_should_be_at_most(self, limit: int) -> None:
        """Fails if the last `Call` or `Run Model` took more instructions; runs what is queued.

        Refused where cycles are counted: see `Cycles Should Be At Most`.
        """
        self._check("instructions", limit)

    def layer_cycles_should_be_at_most(self, layer: int, limit: int) -> None:
        """Fails if a layer of the last `Run Model` took more cycles.

        ``layer`` is the operator's index in the model, as ``usim run`` shows it.
        """
        self._check_layer("cycles", layer, limit)

    def layer_instructions_should_be_at_most(self, layer: int, limit: int) -> None:
        """Fails if a layer of the last `Run Model` took more instructions.

        ``layer`` is the operator's index in the model, as ``usim run`` shows it.
        """
        self._check_layer("instructions", layer, limit)

    def last_count(self) -> int:
        """Returns what the last `Call` or `Run Model` took; runs what is queued.

        It is in the unit that the platform counts, which the log names.
        """
        name, count = self._last()
        logger.info(f"{name}: {count}")
        return count.value

    def counted_unit(self) -> CountUnit:
        """Returns what the platform counts: ``cycles``, ``instructions`` or ``none``.

        For plans that run on several backends:

        | ${unit} =    Counted Unit
        | IF    $unit == "cycles"
        |     Cycles Should Be At Most    24_000_000
        | ELSE
        |     Instructions Should Be At Most    35_000_000
        | END
        """
        return self._target().session.capabilities.count.unit

    def _last(self) -> tuple[str, Count]:
        target = self._target()
        self._run(target.session.sync)
        return target.last_count()

    def _check(self, unit: CountUnit, limit: int) -> None:
        self._require(unit, "")
        name, count = self._last()
        _compare(name, count, limit)

    def _check_layer(self, unit: CountUnit, layer: int, limit: int) -> None:
        self._require(unit, "Layer ")
        model, profile = self._target().run_of_model()
        found = {item.index: item for item in profile.layers}
        if layer not in found:
            raise ArgumentError(
                f"{model.compiled.model.name} has no layer {layer} that runs; "
                f"there are: {', '.join(map(str, found))}"
            )
        _compare(f"layer {layer} ({found[layer].kind})", found[layer].count, limit)

    def _require(self, unit: CountUnit, prefix: str) -> None:
        session = self._target().session
        kind = session.capabilities.count
        if kind.unit == unit:
            return
        hint = f"; use `{prefix}{kind.unit.title()} Should Be At Most`" * (kind.unit != "none")
        raise ArgumentError(f"backend {session.backend} counts {kind}, not {unit}{hint}")


def _compare(name: str, count: Count, limit: int) -> None:
    if count.value > limit:
        raise AssertionError(f"{name}: expected at most {limit:,} {count.kind.unit}, got {count}")
    logger.info(f"{name}: {count}, at most {limit:,} allowed")
