"""Builds a band to learn from: composes or reads songs, plays them with SoundFonts, files them like Slakh2100.

    python -m accomp.data.band compose --out data/band
    python -m accomp.data.band midi --midi songs/ --soundfont A.sf2 --out data/large
    python -m accomp.data.band midi --midi songs/ --out data/large --variants 2 --transpose=-3:3 --tempo 0.9:1.1

Work that stops half-way goes on where it stopped: finished tracks are kept, a track appears only when it is whole.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from accomp.command_line import command
from accomp.data.band.build import BuildResult, build
from accomp.data.band.instruments import instruments_in
from accomp.data.band.tracks import SampledShare, composed_specs, midi_specs, shipped_font, some_songs, with_variants
from accomp.disk import watched
from accomp.errors import UserError

log = logging.getLogger(__name__)

SHORTEST_S = 8.0  # two slow bars and the last chord


def _band_from_midi(args: argparse.Namespace) -> list[BuildResult]:
    low, high = args.transpose
    if args.variants < 0 or min(args.tempo) <= 0 or low < -12 or high > 12:
        raise UserError("--variants must be at least 0, --tempo above 0, --transpose within -12:12")
    for font in args.soundfont:
        if not font.is_file():
            raise UserError(f"{font}: no such SoundFont; give --soundfont an .sf2 or .sf3 file")
    specs = midi_specs(args.midi, args.soundfont, args.seconds, args.seed, args.test_source, args.classes)
    if args.songs is not None:
        specs = some_songs(specs, args.songs)
    settings = {"from": "midi", "seconds": args.seconds, "seed": args.seed, "test_source": args.test_source}
    settings |= {"folders": [path.name for path in args.midi], "soundfonts": [path.name for path in args.soundfont]}
    if args.classes != 3:
        settings |= {"classes": args.classes}
    for way in ("human", "living"):
        if getattr(args, way):
            specs = [replace(spec, **{way: True}) for spec in specs]
            settings |= {way: True}
    if args.variants:
        specs = with_variants(specs, args.soundfont, args.variants, args.transpose, args.tempo, args.seed)
        settings |= {"variants": args.variants, "transpose": list(args.transpose), "tempo": list(args.tempo)}
    if args.instruments:
        sampled = _sampled(args)
        specs = [sampled.taken(spec, args.seed, spec.source) for spec in specs]
        settings |= {"instruments": list(sampled.instruments), "share": sampled.share}
    return build(specs, args.out, args.jobs, settings)


def _sampled(args: argparse.Namespace) -> SampledShare:
    names = instruments_in(args.instruments)
    if unknown := sorted({*args.only, *args.leave_out} - set(names)):
        raise UserError(f"{args.instruments}: no instrument {', '.join(unknown)}; there are {', '.join(names)}")
    names = [name for name in names if name not in args.leave_out and (not args.only or name in args.only)]
    return SampledShare(args.instruments, args.share, tuple(names))


def _band_composed(args: argparse.Namespace) -> list[BuildResult]:
    settings = {"from": "compose", "seconds": args.seconds, "seed": args.seed, "tracks": args.tracks}
    return build(composed_specs(args.tracks, args.seconds, args.seed), args.out, args.jobs, settings)


def _span(kind: type) -> Callable[[str], tuple]:
    """Reads LOW:HIGH."""

    def span(text: str) -> tuple:
        low, high = (kind(part) for part in text.split(":"))
        if not low <= high:
            raise ValueError(text)
        return low, high

    return span


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m accomp.data.band", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    composed = commands.add_parser("compose", help="the embedded band: songs made up here, played by TimGM6mb")
    composed.add_argument("--tracks", type=int, default=22)
    composed.set_defaults(build=_band_composed)
    midi = commands.add_parser("midi", help="a band from folders of MIDI files")
    midi.add_argument("--midi", type=Path, action="append", required=True, help="folder of .mid files; may be repeated")
    midi.add_argument("--soundfont", type=Path, nargs="+", default=[shipped_font()], help="one is drawn per track")
    midi.add_argument("--classes", type=int, default=3, help="leave out songs in which fewer of the four classes play")
    midi.add_argument("--songs", type=int, help="a draw of so many (all); a larger number later adds to them")
    midi.add_argument("--test-source", default=None, help="songs whose path contains this go to test, all of them")
    midi.add_argument("--variants", type=int, default=0, help="so many more copies of each song in train, varied:")
    midi.add_argument("--transpose", type=_span(int), default=(-3, 3), metavar="LOW:HIGH", help="by so many semitones")
    midi.add_argument("--tempo", type=_span(float), default=(0.9, 1.1), metavar="LOW:HIGH", help="times its own tempo")
    midi.add_argument("--human", action="store_true", help="give the notes human timing; for songs that lack it")
    midi.add_argument(
        "--living", action="store_true", help="draw rests, changes of tempo, other metres, and no drums for each song"
    )
    midi.add_argument("--instruments", type=Path, help="folder of sampled instruments, see data/README.md")
    midi.add_argument("--share", type=float, default=0.5, help="of the tracks that they play (%(default)s)")
    midi.add_argument("--leave-out", nargs="+", default=[], metavar="NAME", help="instruments that never play")
    midi.add_argument("--only", nargs="+", default=[], metavar="NAME", help="the only instruments that play")
    midi.set_defaults(build=_band_from_midi)
    for sub in (composed, midi):
        sub.add_argument("--out", type=Path, required=True)
        sub.add_argument("--seconds", type=float, default=60.0, help="length of a track at most")
        sub.add_argument("--jobs", type=int, default=2, help="processes")
        sub.add_argument("--seed", type=int, default=0)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    return command(_parser(), argv, _build)


def _build(o: argparse.Namespace) -> None:
    if not o.seconds >= SHORTEST_S or o.jobs < 1 or getattr(o, "tracks", 1) < 1:
        raise UserError(f"--seconds must be at least {SHORTEST_S:g}, --jobs and --tracks at least 1")
    with watched(o.out):
        made = o.build(o)
    skipped = sum(bool(track.skipped) for track in made)
    log.info("made %d tracks, skipped %d", len(made) - skipped, skipped)


if __name__ == "__main__":
    sys.exit(main())
