"""One timeline: the batches of a client from its first until it begins anew. Pure, as `ServerState` is."""

import logging
from collections import OrderedDict, deque
from dataclasses import replace

import numpy as np

from accomp.server import protocol as osc
from accomp.server.blocks import Batch
from accomp.server.controls import TransportTimeline
from accomp.server.report import Tally
from accomp.server.worker import MEMORY, RATIOS, Settings, StepRequest
from accomp.timeline import SAMPLE_RATE

log = logging.getLogger(__name__)

STRAGGLER_S = 2.0  # a number that fell back is a late datagram within this time, and a new session after it
RECENT = 8  # batches: numbers further back are never stragglers
LONGEST_JUMP = 64  # batches: a larger one begins a new session
PATIENCE_S = (0.05, 0.25)  # how long a batch may be incomplete, at least and at most
LOSSY_S = 0.1  # the jitter that is assumed where datagrams are lost


class Session:
    """Gathers batches and gives each its place: the live edge moves by (batch_id - last batch_id) steps.

    number    of the session, counted by the server
    tally     counts faults
    """

    def __init__(self, number: int, tally: Tally):
        self.number, self.tally = number, tally
        self.newest_id: int | None = None
        self.open: Batch | None = None
        self.closed: Batch | None = None  # the one before
        self.closes_s = 0.0  # when the open one is waited for no longer
        self.edge = 0  # absolute sample: one past the last one of the last batch
        self.runs: deque[tuple[int, np.ndarray]] = deque()  # context not yet handed to the worker
        self.missing = 0  # samples in it that never came
        self._settings = Settings()  # of the open batch
        self._jump, self._last_length = 1, 0
        self._arrived_s = self._last_s = 0.0  # first and last datagram of the open batch
        self._seen: OrderedDict[int, float] = OrderedDict()  # batch_id -> time of its first datagram
        self._reorder_jitter = deque([0.0], maxlen=LONGEST_JUMP)  # s, per batch

    @property
    def reorder_jitter_s(self) -> float:
        """Jitter of the last batches' datagrams in seconds; at least LOSSY_S where some were lost."""
        return max(self._reorder_jitter)

    def hold_until_s(self, request: StepRequest, began_s: float, t: float) -> float:
        """Until when an answer that is ready at t is held back, so that its headers come first."""
        patience_s = min(self.reorder_jitter_s, max(0.0, request.deadline_s - t) / 2)
        return min(began_s + self.reorder_jitter_s, t + patience_s)

    def is_late(self, batch_id: int, t: float, fresh: bool) -> bool:
        """Whether this number is that of a late datagram; `fresh`: the client announced that its numbers may begin anew."""
        if self.newest_id is None or not self.newest_id - RECENT < batch_id <= self.newest_id:
            return False
        known_s = self._seen.get(batch_id, self._seen[self.newest_id])
        return t - known_s < (PATIENCE_S[1] if fresh else STRAGGLER_S)

    def is_repeated(self, batch_id: int) -> bool:
        """Whether all of this batch has arrived already: with two targets everything is sent twice, which is no fault."""
        return self.closed is not None and self.closed.batch_id == batch_id and self.closed.complete

    def continues(self, batch_id: int) -> bool:
        """Whether this number follows in this session."""
        return self.newest_id is None or self.newest_id < batch_id <= self.newest_id + LONGEST_JUMP

    def begin(self, batch_id: int, settings: Settings, cycle_s: float, t: float) -> None:
        """The first datagram of a batch has arrived; the model took `cycle_s` last time."""
        self._jump = batch_id - self.newest_id if self.newest_id is not None else 1
        if settings != self._settings and not self.tally.recently("settings", t, 1.0):
            log.info("settings: %s", settings)
        self.newest_id, self._settings, self._arrived_s = batch_id, settings, t
        self.open = Batch(batch_id, settings.step.samples, settings.package, settings.stems)
        slack_s = (settings.step.offset - settings.overlap) / SAMPLE_RATE - 2 * cycle_s
        self.closes_s = t + min(settings.step.seconds / 2, max(PATIENCE_S[0], min(PATIENCE_S[1], slack_s)))
        self._seen[batch_id] = t
        while len(self._seen) > RECENT:
            self._seen.popitem(last=False)

    def add(self, block: osc.Block, t: float) -> None:
        """One more datagram of the open batch."""
        self.open.add(block)
        self._last_s = t

    def close(self, transports: TransportTimeline, t: float) -> StepRequest:
        """Give the open batch its place on the timeline, and keep its audio for the worker."""
        batch, settings = self.open, self._settings_by_data(self.open, t)
        step = settings.step.samples
        self.edge += self._jump * step
        length = batch.length if batch.complete else step  # never more: see `_settings_by_data`
        audio, missing = batch.audio(length, self.closed if self._jump == 1 else None)
        self.missing += missing + (self._jump - 1) * step
        self._reorder_jitter.append(max(2 * (self._last_s - self._arrived_s), LOSSY_S if missing or self._jump > 1 else 0.0))
        self.runs.append((self.edge - length, audio))
        while self.runs[0][0] < self.edge - MEMORY:
            self.runs.popleft()
        if batch.unclean:
            self.tally.note("unclean audio", f"batch {batch.batch_id}: {batch.unclean} samples replaced", t)
        log.debug("batch %d: %d datagrams in %.1f ms", batch.batch_id, batch.datagrams, 1e3 * (t - self._arrived_s))
        self.open, self.closed, self._last_length = None, batch, batch.length
        transport = transports.at(batch.batch_id, self.edge, self._arrived_s, step)
        return StepRequest(self.number, batch.batch_id, self.edge, settings, self._arrived_s, t, transport)

    def _settings_by_data(self, batch: Batch, t: float) -> Settings:
        """The settings, corrected by the audio where a control message seems to have been lost.

        A batch shorter than the step is the beginning of a song, unless the one before it was as short.
        """
        settings = self._settings
        if batch.package != settings.package:
            self.tally.note("package_size", f"datagrams hold {batch.package} samples, not {settings.package}", t)
            settings = replace(settings, package=batch.package)
        length, step, window = batch.length, settings.step.samples, settings.step.window
        if batch.complete and length != step and (length > step or length == self._last_length):
            ratio = next((r for r in RATIOS if int(window * r) == length), min(1.0, (length + 0.5) / window))
            if ratio >= osc.MIN_RATIO:
                self.tally.note("step", f"batches hold {length} samples, r={settings.step.ratio} means {step}", t)
                settings = replace(settings, step=replace(settings.step, ratio=ratio))
        return settings
