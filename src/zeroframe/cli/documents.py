"""What commands print with ``--json`` beside those that carry out a plan; imported late, as plans need more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zeroframe.inspection import OverscanInspection
    from zeroframe.inspection.amplifiers import LookedAt
    from zeroframe.inspection.gain import Measured
    from zeroframe.inspection.without_places import SeenExtension

__all__ = ["amplifiers_document", "document_of", "extensions_document", "inspect_document", "print_json"]


def document_of(command: str, code: int, headline: str = "", **more: object) -> dict[str, Any]:
    """Return what a command comes to; see `zeroframe.run.document.command_document`."""
    from zeroframe.run.document import command_document

    return command_document(command, code, headline, **more)


def print_json(document: dict[str, Any]) -> None:
    """Write a document to standard output."""
    from zeroframe.run.document import print_document

    print_document(document)


def inspect_document(result: OverscanInspection, written: Sequence[Path]) -> dict[str, Any]:
    """Return what the pixels say of the overscan, of each camera among the frames."""
    cameras = [_inspected(one) for one in result.every]
    return document_of("inspect", 0, result.verdict, cameras=cameras, written=[str(path) for path in written])


def extensions_document(seen: Sequence[SeenExtension], headline: str, written: Sequence[Path]) -> dict[str, Any]:
    """Return what the pixels of each extension say where no header says where they belong."""
    extensions = [{"ext": each.ext, **_inspected(each.inspection)} for each in seen]
    paths = [str(path) for path in written]
    return document_of("inspect", 0, headline, extensions=extensions, cameras=[], written=paths)


def _inspected(one: OverscanInspection) -> dict[str, Any]:
    return {
        "whose": one.whose,
        "decision": one.decision,
        "overscan": None if one.recommended is None else str(one.recommended.section),
        "trim": str(one.trim),
        "sentences": list(one.sentences),
        **_measured("read_noise", "adu", one.read_noise_adu),
        **_measured("gain", "e_per_adu", one.gain_e_per_adu),
        "looked_at": {kind: list(names) for kind, names in one.used.items()},
    }


def amplifiers_document(seen: Sequence[LookedAt], written: Sequence[Path]) -> dict[str, Any]:
    """Return what header and pixels say of the amplifiers of each detector."""
    detectors = [
        {
            "name": each.found.name,
            "convention": each.found.convention,
            "remarks": list(each.remarks),
            "amplifiers": [
                {
                    "name": amplifier.name,
                    "data": str(amplifier.trim),
                    "overscan": None if amplifier.overscan is None else str(amplifier.overscan),
                    "header_gain_e_per_adu": amplifier.gain_e_per_adu,
                    "header_read_noise_e": amplifier.read_noise_e,
                    **_measured("read_noise", "adu", one.read_noise_adu),
                    **_measured("gain", "e_per_adu", one.gain_e_per_adu),
                }
                for amplifier, one in zip(each.found.detector.amplifiers, each.inspections, strict=True)
            ],
            "crosstalk": [
                {"from": one.source, "to": one.victim, "part": one.part, "error": one.error, "matters": one.matters}
                for one in (() if each.crosstalk is None else each.crosstalk.pairs)
            ],
        }
        for each in seen
    ]
    return document_of("inspect", 0, detectors=detectors, cameras=[], written=[str(path) for path in written])


def _measured(name: str, unit: str, found: Measured | None) -> dict[str, float | None]:
    return {
        f"{name}_{unit}": None if found is None else found.value,
        f"{name}_error_{unit}": None if found is None else found.error,
    }
