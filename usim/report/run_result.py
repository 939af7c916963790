"""What a run of a model found, as facts: for tables and for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from usim.compiled_model import CompiledModel, LayerProfile, ModelProfile
from usim.session import Session
from usim.session_facts import SectionUse, Statistics

# Version of the JSON layout; it grows when a key changes its meaning.
JSON_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said of one input. `score` is the winning output's real value."""

    name: str
    winner: int
    label: str
    score: float
    expected: str | None

    @property
    def verdict(self) -> str:
        """right, wrong, or nothing where the right answer isn't known."""
        if self.expected is None:
            return ""
        return "right" if self.expected == self.label else "wrong"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How many of a data set's images were classified rightly."""

    file: str
    right: int
    total: int


@dataclass(frozen=True, slots=True)
class RunResult:
    """One `usim run`."""

    platform: str
    clock_hz: int | None
    backend: str
    strict: bool
    compiler: str
    flags: tuple[str, ...]
    model: str
    macs: int
    count_unit: str
    count_source: str
    count_fidelity: str
    answers: tuple[Answer, ...]
    accuracy: Accuracy | None
    layers: tuple[LayerProfile, ...]
    memory: tuple[SectionUse, ...]
    model_bytes: dict[str, int]
    statistics: Statistics

    @property
    def total_count(self) -> int:
        """Of one inference, over all layers."""
        return sum(layer.count.value for layer in self.layers)

    def milliseconds(self, count: int) -> float | None:
        """A count at the core's clock, taking each as one cycle; None if the clock is not known."""
        return 1e3 * count / self.clock_hz if self.clock_hz else None

    def as_json(self) -> dict[str, Any]:
        """Plain data. Counts are integers in `count.unit`, sizes bytes, times milliseconds."""
        data = asdict(self)
        for key in ("count_unit", "count_source", "count_fidelity", "layers"):
            del data[key]
        data["answers"] = [asdict(item) | {"verdict": item.verdict} for item in self.answers]
        return {
            "format": JSON_FORMAT,
            **data,
            "count": {
                "unit": self.count_unit,
                "source": self.count_source,
                "fidelity": self.count_fidelity,
                "total": self.total_count,
                "per_mac": self.total_count / self.macs if self.macs else None,
            },
            "layers": [self._layer(layer) for layer in self.layers],
        }

    def _layer(self, layer: LayerProfile) -> dict[str, Any]:
        return {
            "index": layer.index,
            "operator": layer.kind,
            "output_shape": list(layer.output_shape),
            "macs": layer.macs,
            "count": layer.count.value,
            "milliseconds": self.milliseconds(layer.count.value),
        }


def collect(
    session: Session,
    compiled: CompiledModel,
    profile: ModelProfile,
    answers: tuple[Answer, ...],
    accuracy: Accuracy | None,
) -> RunResult:
    """Put a finished run's facts together; `profile` is of its first input."""
    kind = profile.count.kind
    return RunResult(
        platform=session.platform.name,
        clock_hz=session.clock_hz,
        backend=session.backend,
        strict=session.strict,
        compiler=session.toolchain.version,
        flags=session.toolchain.flags_for(session.platform.core),
        model=compiled.model.graph.file,
        macs=profile.macs,
        count_unit=kind.unit,
        count_source=kind.source,
        count_fidelity=kind.fidelity,
        answers=answers,
        accuracy=accuracy,
        layers=profile.layers,
        memory=_memory(session, compiled),
        model_bytes={
            "text": compiled.text_bytes,
            "rodata": compiled.rodata_bytes,
            "constants_in_ram": compiled.ram_constant_bytes,
            "arena": compiled.arena_bytes,
        },
        statistics=session.stats,
    )


def _memory(session: Session, compiled: CompiledModel) -> tuple[SectionUse, ...]:
    """The sections, with what the model needs by its code where nothing is allocated."""
    need = compiled.working_memory
    computed = {"workspace": need.workspace_bytes, "stack": need.stack.size_bytes}
    return tuple(
        replace(use, used_bytes=computed[use.name]) if use.name in computed else use
        for use in session.memory_use()
    )
