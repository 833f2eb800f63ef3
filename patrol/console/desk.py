"""The desk: what every router needs, put together once."""

from dataclasses import dataclass

from patrol.console.assets import Assets
from patrol.console.doors import ConsoleDoors, ConsoleOptions
from patrol.console.gate import Gate
from patrol.console.pulse import Pulse
from patrol.console.sheets import Sheets
from patrol.console.shell import Shell
from patrol.console.thumbs import Thumbs
from patrol.console.witness import Witness


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Built once per console."""

    doors: ConsoleDoors
    options: ConsoleOptions
    gate: Gate
    shell: Shell
    witness: Witness
    pulse: Pulse
    thumbs: Thumbs
    sheets: Sheets
    assets: Assets

    @classmethod
    def of(cls, doors: ConsoleDoors, options: ConsoleOptions) -> "Desk":
        """Everything concrete; nothing runs yet."""
        assets, thumbs = Assets(options.assets), Thumbs(doors.evidence)
        return cls(
            doors=doors,
            options=options,
            gate=Gate(doors, options),
            shell=Shell(doors.facts, assets),
            witness=Witness(doors.store, doors.clock),
            pulse=Pulse(doors.store),
            thumbs=thumbs,
            sheets=Sheets(thumbs),
            assets=assets,
        )
