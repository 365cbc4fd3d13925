"""Which deliberately wrong OXO Connect is caught by which scenario, and at which of its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from emulators.oxo.node import Oxo

_Device = TypeVar("_Device", bound=type[Oxo])


@dataclass(frozen=True)
class Trial:
    """One wrong device in one scenario, of an outline with the row `example`. It must fail at `step`."""

    device: type[Oxo]
    feature: str
    """The feature file's name without `.feature`."""
    scenario: str
    """As the feature has it, with the placeholders of an outline."""
    step: str
    """With its keyword, and the row's values in place of placeholders."""
    example: Mapping[str, str] = field(default_factory=dict)

    @property
    def test(self) -> str:
        """The name of the test function that makes this trial."""
        return f"test_{self.device.__name__}_{TRIALS.index(self)}"

    @property
    def case(self) -> str:
        """The name of the test, which for an outline has the row's values too."""
        return f"{self.test}[{'-'.join(self.example.values())}]" if self.example else self.test


TRIALS: list[Trial] = []
"""Those of the modules that have been imported."""


def all_trials() -> list[Trial]:
    """Every trial of the wrong devices in this folder."""
    for path in sorted(Path(__file__).parent.glob("wrong_*.py")):
        import_module(f"tests.wrong_devices.{path.stem}")
    return TRIALS


def caught(feature: str, scenario: str, step: str, **example: str) -> Callable[[_Device], _Device]:
    """Says of a wrong device that a scenario catches it at a step; may be said more than once of one device."""

    def note(device: _Device) -> _Device:
        TRIALS.append(Trial(device, feature, scenario, step, example))
        return device

    return note
