"""The contract of every codec: audio to latents and back, in one call or as a stream.

Shapes: B batch, C latent channels, T frames, N samples. Frame j of the latents covers samples [j hop, (j+1) hop).
"""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn


class Codec(nn.Module, ABC):
    """Turns audio into latent frames and latent frames into audio.

    `hop`       samples per frame
    `channels`  numbers per frame (C)
    `delay`     samples: the streamed decoder's output runs this far behind the latents it has been given
    `causal`    whether a latent frame depends on nothing after its own last sample
    `looks_ahead`  whether `encode_recording` gives other latents than `encode`
    `lowest_pitch`, `drums`  where latents say which notes are played: the MIDI pitch of the first row of `keys(latents)`,
                and the names of the rows of `strokes(latents)`; such a codec has `rests(latents)` and
                `weighted(latents, weights)` too
    """

    hop: int
    channels: int
    delay: int
    causal: bool
    looks_ahead: bool = False
    lowest_pitch: int | None = None
    drums: tuple[str, ...] = ()

    def latent_weights(self) -> dict[str, Tensor]:
        """The tensors that decide what the latents are; latents made by other ones must never be mixed with these."""
        return self.state_dict()

    @abstractmethod
    def encode(self, audio: Tensor) -> Tensor:
        """Audio (B, N) -> latents (B, C, N // hop). A last, incomplete frame is left out."""

    def encode_recording(self, audio: Tensor, notes: Tensor | None = None) -> Tensor:
        """`encode` for audio that is known to its end: a codec with `looks_ahead` may use what follows a frame, and
        the notes of the score where they are known (B, keys and drums, N // hop), see `accomp.data.notes.note_roll`.
        """
        return self.encode(audio)

    def decided(self, latents: Tensor, monophonic: Tensor | None = None) -> Tensor:
        """Latents (B, C, T) on the way to an answer, at a low level of noise: what must be one thing or another is made so,
        and the last call of the network fits the rest to it. `monophonic` (B,): whose notes sound one at a time.
        """
        return latents

    def settled(self, latents: Tensor, before: Tensor | None = None, monophonic: Tensor | None = None) -> Tensor:
        """Generated latents (B, C, T), each brought to the nearest that this codec could give: so they are played and kept.

        `before` (B, C, 1) is the frame before them, None where there is none. `monophonic` as above.
        """
        return latents

    def smoothed(self, latents: Tensor) -> Tensor:
        """Generated latents (B, C, T) as they are decoded: without what a sampler adds to a sound that is held."""
        return latents

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, C, T) -> audio (B, T * hop), aligned: sample n of the result is sample n of what was encoded.

        The last `delay` samples are a first guess that the next frames would have completed.
        """

    def decode_window(self, latents: Tensor) -> Tensor:
        """The same with all that is decoded beyond the last frame, (B, T * hop or more)."""
        return self.decode(latents)

    @abstractmethod
    def encode_stream(self, audio: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """The next block of audio (B, N), N a multiple of hop -> its latents (B, C, N // hop) and the new state.

        `state=None` starts a stream. Any split into blocks gives the latents of one `encode` call. Raises ValueError when N
        is no multiple of hop.
        """

    @abstractmethod
    def decode_stream(self, latents: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """The next latents (B, C, T) -> the next T * hop samples of audio (B, T * hop) and the new state.

        The stream runs `delay` samples late: after k frames in all, output sample n is sample n - delay of the music.
        """
