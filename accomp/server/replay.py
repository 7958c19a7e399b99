"""Repeats a session that `serve.py --record` recorded, with the same decisions and the same model.

    python -m accomp.server.replay RECORDING [--model models/live] [--out FOLDER]

Every answer is computed again and compared with the one that was sent, bit for bit. With --out the session is also written
as sound files: the context, and what each instrument answered.
"""

import argparse
import logging
import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from accomp import audio
from accomp.command_line import command, parser_of
from accomp.errors import UserError
from accomp.server.actions import Action, Deliver, Swap, Work
from accomp.server.answers import samples_of
from accomp.server.models import models_beside, streamers_of
from accomp.server.record import pack, read
from accomp.server.state import ServerState
from accomp.server.worker import InferenceWorker, Settings, StepRequest, StepResult
from accomp.stream.rollout import lay

log = logging.getLogger(__name__)


@dataclass
class Replay:
    """A server without sockets, threads or a clock, that is given recorded events."""

    state: ServerState
    worker: InferenceWorker
    load: Callable  # of a model's name
    requests: list[StepRequest] = field(default_factory=list)
    answers: list[tuple[StepRequest, StepResult]] = field(default_factory=list)
    differing: list[int] = field(default_factory=list)  # batches whose answer is another one now
    _played: deque[tuple[StepRequest, StepResult | None]] = field(default_factory=deque)
    _sending: deque[Deliver] = field(default_factory=deque)

    def run(self, events: Iterable[tuple[str, float, list[bytes]]]) -> None:
        for event, t, parts in events:
            match event:
                case "on_datagram":
                    args = (parts[0], parts[1].decode())
                case "on_answer" | "on_failure":
                    request, result = self._played.popleft()
                    args = (request, result) if event == "on_answer" else (request,)
                    if event == "on_failure":
                        self.worker.start_afresh()
                    elif pack(event, args, t) != pack(event, tuple(parts), t):
                        self.differing.append(request.batch_id)
                case "on_sent":
                    args = (self._sending.popleft(),)
                case _:
                    args = tuple(part.decode() for part in parts)
            self._act(getattr(self.state, event)(*args, t))

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Work(request):
                    self.requests.append(request)
                    result = self.worker.play(request)
                    self._played.append((request, result))
                case Deliver():
                    self._sending.append(action)
                    self.answers.append((action.request, action.result))
                case Swap(name):
                    self.worker.swap(self.load(name))

    def tracks(self) -> dict[str, np.ndarray]:
        """The context and the answers, one session after the other, (N,) each."""
        sessions: list[dict[str, np.ndarray]] = []
        for session in sorted({request.session for request in self.requests}):
            requests = [request for request in self.requests if request.session == session]
            answers = [(request, result) for request, result in self.answers if request.session == session]
            ends = [request.edge + request.settings.step.offset + request.settings.step.samples for request, _ in answers]
            length = max([requests[-1].edge, *ends])
            tracks = {"context": np.zeros(length, np.float32)}
            for start, samples in (run for request in requests for run in request.runs):
                tracks["context"][start : start + len(samples)] = samples
            for request, result in answers:
                start = request.edge + request.settings.step.offset - request.settings.overlap
                for stem, answer in zip(request.settings.stems, result.packets, strict=True):
                    track = tracks.setdefault(stem, np.zeros(length, np.float32))
                    lay(track[None], start, samples_of(answer)[None], request.settings.overlap)
            sessions.append(tracks)
        names = {name: None for tracks in sessions for name in tracks}
        silent = [np.zeros_like(tracks["context"]) for tracks in sessions]
        return {n: np.concatenate([s.get(n, z) for s, z in zip(sessions, silent, strict=True)]) for n in names}


def replay(recording: Path, folder: Path | None) -> Replay:
    """Repeat a recording with the model that it names, or the one in `folder`."""
    about, events = read(recording)
    try:
        torch.set_num_threads(about["threads"])
        folder = folder or Path(about["folder"])
        state = ServerState(about["sources"], about["about"], Settings(rest_after=about["about"].get("rest_after", 0)))
        device, together = about["about"]["device"], about["about"]["together"]
        sampler = about["about"]["sampler"] or None
    except (KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"{recording}: damaged recording") from error

    def load(name: str):
        return streamers_of(models_beside(folder).get(name, folder), device, sampler, together, strict=False)

    repeated = Replay(state, InferenceWorker(streamers_of(folder, device, sampler, together)), load)
    repeated.run(events)
    return repeated


def main(argv: list[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("recording", type=Path, help="a file that serve.py --record wrote")
    parser.add_argument("--model", type=Path, help="model folder (the one that was recorded)")
    parser.add_argument("--out", type=Path, help="write the context and the answers as .wav into this folder")
    return command(parser, argv, run_command)


def run_command(options: argparse.Namespace) -> int:
    """Repeat and compare, with status 1 when an answer differs."""
    repeated = replay(options.recording, options.model)
    if options.out is not None:
        try:
            for name, samples in repeated.tracks().items():
                audio.write(options.out / f"{name}.wav", samples)
        except OSError as error:
            raise UserError(f"{options.out}: cannot be written ({error}); choose another --out") from error
    log.info("%d answers, %d differ%s", len(repeated.answers), len(repeated.differing),
             f": batches {repeated.differing[:9]}" if repeated.differing else "")  # fmt: skip
    return 1 if repeated.differing else 0


if __name__ == "__main__":
    sys.exit(main())
