"""Training of the note codec: the transcriber learns from the notes of the score, the decoder to sound like the
recording.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from accomp.codec.losses import magnitude_loss
from accomp.codec.note_codec import NoteCodec
from accomp.codec.partials import LONG, Parts, parts_of
from accomp.codec.sinusoids import UNIT
from accomp.codec.spectrum import HISTORY, PITCHES
from accomp.codec.transcriber import ANSWERS
from accomp.errors import UserError
from accomp.lit.autoencoder import AutoencoderModule
from accomp.lit.training import Values

EXAMPLES, FIRST_EXAMPLE = 200, 2**40  # excerpts to fit the projection on; training never deals numbers as high
WINDOWS = (2048, 8192, 16384)  # samples: short windows cannot tell noise between partials from partials
SETTLED = 8  # frames after which the transcriber's memory counts as filled
ONSET_WEIGHT = 2.0  # of a frame in which a note begins, beside one in which none does


class NoteCodecModule(AutoencoderModule):
    """The note codec, both halves at once: neither has gradients from the other.

    The transcriber gets contexts, targets and their sums, at other levels and with noise, and learns which keys sound and
    begin. The decoder gets the notes of the score and the timbre of the target; its sinusoids and noise are compared with
    the partials and the noise of the recording, its sound with the recording's magnitudes in long windows.

    Args:
        codec, learning_rate, warmup_steps, steps, noise, start: as in `AutoencoderModule`
        piece: frames of every target that the decoder learns from
        learns: "transcriber", "decoder" or "both"; the other half keeps its weights
    """

    windows = WINDOWS

    def __init__(self, codec: NoteCodec, noise: float = 0.15, piece: int = 33, learns: str = "both", **others):
        super().__init__(codec, noise=noise, **others)
        if learns not in ("transcriber", "decoder", "both"):
            raise UserError(f"module.learns is transcriber, decoder or both, not {learns}")
        self.hparams.update(piece=piece, learns=learns)
        if learns == "decoder":  # in half precision, as it is shipped: an average of weights then rounds to these again
            kept = {name: value.half().float() for name, value in codec.latent_weights().items()}
            codec.load_state_dict(kept, strict=False)
        for name, parameter in codec.named_parameters():
            parameter.requires_grad_(learns in ("both", "transcriber" if name.startswith("transcriber.") else "decoder"))

    def on_fit_start(self) -> None:
        if self.codec.basis.any():
            return
        excerpts = self.trainer.datamodule.excerpts("train")
        found = []
        for index in range(FIRST_EXAMPLE, FIRST_EXAMPLE + EXAMPLES):
            item = excerpts[index]
            audio = torch.from_numpy(item["target"])[None, : len(item["target"]) // self.codec.hop * self.codec.hop]
            if audio.abs().max() > 1e-3:
                found.append(self.codec.energies(F.pad(audio, (self.codec.config.fft_hop, 0)))[0])
        self.codec.fit(torch.cat(found))

    def measure(self, batch: dict, generator: torch.Generator) -> tuple[Values, Values]:
        losses, figures = {}, {}
        if self.hparams.learns != "decoder":
            losses |= self.transcription(batch, generator)
            figures = {} if self.training else self.note_scores(batch)
        if self.hparams.learns != "transcriber":
            losses |= self.decoding(batch, generator)
        return losses, figures

    def transcription(self, batch: dict, generator: torch.Generator) -> Values:
        """Cross entropy of sounding and beginning keys and of strokes, for both answers of the transcriber."""
        audio, roll = mixed(batch, self.codec.hop, generator)
        audio = disturbed(audio, generator)
        with torch.autocast(audio.device.type, enabled=False):
            spectrum, energies = self.codec.analyse(F.pad(audio.float(), (HISTORY, 0)))
        notes, drums, _ = self.codec.transcriber(spectrum, energies)
        known = roll.isfinite().all(1)
        total = []
        for answer, late in enumerate(ANSWERS):
            truth = F.pad(roll.nan_to_num(), (late, 0))[:, :, : roll.shape[2]].transpose(1, 2)  # (B, T, keys and drums)
            keys, strokes = truth[..., :PITCHES], truth[..., PITCHES:]
            wanted = torch.stack([keys > 0, keys > 1], 1).float()
            weight = torch.where(wanted[:, 1:] > 0, ONSET_WEIGHT, 1.0) * known[:, None, :, None]
            error = F.binary_cross_entropy_with_logits(notes[:, answer].float(), wanted, weight, reduction="none")
            drum_error = F.binary_cross_entropy_with_logits(
                drums[:, answer].float(), (strokes > 0).float(), known[..., None].float(), reduction="none"
            )
            total.append(2 * error[:, :, SETTLED:].mean() + 0.3 * drum_error[:, SETTLED:].mean())
        return {"transcription": torch.stack(total).sum()}

    def decoding(self, batch: dict, generator: torch.Generator) -> Values:
        """The decoder's errors on a piece of every target: magnitudes, energies of the bands, partials, their frequencies,
        and noise.
        """
        audio, roll = pieces(batch, self.hparams.piece, self.codec.hop, generator)
        codec = self.codec
        latents = self.noisy(codec.latents_of(audio, roll), generator)
        features, _ = codec.hidden(latents, {})
        amplitude, noise_db, _ = codec.guess(latents, {})
        estimate, state = codec.synthesise(features, amplitude, noise_db, {})
        estimate = torch.cat([estimate[:, codec.delay :], state["overlap"]], 1)[:, : audio.shape[1]]
        truth = parts_of(audio, codec.config.fft_hop, codec.noise.bands)
        found = Parts(
            codec.sinusoids.amplitudes(features, amplitude),
            codec.sinusoids.cents(features),
            codec.noise.levels(features, noise_db),
        )
        end = min(LONG // 2 // codec.config.fft_hop, truth.amplitude.shape[1] // 3)
        before = (codec.config.fft_hop, 0)
        energies = (codec.energies(F.pad(estimate, before)) - codec.energies(F.pad(audio, before))).abs().mean()
        magnitudes = magnitude_loss(estimate, audio, self.window_lengths())
        return {"magnitudes": 0.5 * magnitudes, "energies": 0.3 * energies} | part_losses(found, truth, end)

    @torch.no_grad()
    def note_scores(self, batch: dict) -> Values:
        """F1 of the sounding keys of the targets: `f1_live` in a stream, `f1` in a recording."""
        hop = self.codec.hop
        audio = batch["target"][:, : batch["target"].shape[1] // hop * hop]
        truth = batch["rolls"][:, 1, :PITCHES, SETTLED:].nan_to_num() > 0
        scores = {}
        for name, encode in (("f1_live", self.codec.encode), ("f1", self.codec.encode_recording)):
            found = self.codec.keys(encode(audio))[:, :, SETTLED:] > 0.5
            scores[name] = 2 * (found & truth).sum() / (found.sum() + truth.sum()).clamp(min=1)
        return scores


def mixed(batch: dict, hop: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each item's context, target or both: audio (B, N), in complete frames, and its keys and strokes (B, keys and
    drums, T).
    """
    choice = torch.randint(3, (len(batch["stem"]),), generator=generator).to(batch["target"].device)
    audio = torch.stack([batch["context"], batch["target"], batch["context"] + batch["target"]])
    theirs, own = batch["rolls"].unbind(1)
    rolls = torch.stack([theirs, own, torch.maximum(theirs, own)])
    item = torch.arange(len(choice), device=choice.device)
    return audio[choice, item, : audio.shape[2] // hop * hop], rolls[choice, item]


def disturbed(audio: Tensor, generator: torch.Generator) -> Tensor:
    """Audio (B, N) at other levels, a third of it with noise from -75 to -45 dBFS."""
    gain, level, share = torch.rand(3, len(audio), 1, generator=generator).to(audio)
    noise = torch.randn(audio.shape, generator=generator).to(audio) * 10 ** ((30 * level - 75) / 20)
    return audio * 10 ** ((18 * gain - 14) / 20) + noise * (share < 1 / 3)


def pieces(batch: dict, frames: int, hop: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A random piece of every target: audio (B, frames hop) and its keys and strokes (B, keys and drums, frames).

    Of four places the loudest is taken, as most of some stems is silence.
    """
    target, roll = batch["target"], batch["rolls"][:, 1].nan_to_num()
    found = []
    for audio, keys in zip(target, roll, strict=True):
        starts = torch.randint(max(roll.shape[2] - frames, 0) + 1, (4,), generator=generator).tolist()
        start = max(starts, key=lambda s, audio=audio: float(audio[s * hop : (s + frames) * hop].abs().mean()))
        found.append((audio[start * hop : (start + frames) * hop], keys[:, start : start + frames]))
    audio, keys = (torch.stack(parts) for parts in zip(*found, strict=True))
    return audio[:, : audio.shape[1] // hop * hop], keys[:, :, : audio.shape[1] // hop]


def part_losses(found: Parts, truth: Parts, end: int) -> Values:
    """Errors of the amplitudes (of their square roots), of the frequencies where something sounds, and of the noise in
    dB.

    `end` frames at both ends are left out, where the recording's long spectrum reaches beyond it.
    """

    def root(amplitude: Tensor) -> Tensor:
        return (amplitude / UNIT + 1e-9).sqrt()

    inner, twice = slice(end, -end), slice(2 * end, -2 * end)
    loud = root(truth.amplitude)
    partials = (root(found.amplitude) - loud)[:, inner].square().sum(2).mean()
    cents = (loud * (found.cents - truth.cents).abs())[:, inner].sum(2).mean()
    audible = ((torch.maximum(found.noise_db.detach(), truth.noise_db) + 90) / 60).clamp(0, 1.5)
    noise = ((found.noise_db - truth.noise_db).abs() * audible)[:, twice].mean()
    return {"partials": 0.01 * partials, "cents": 4e-4 * cents, "noise": 0.025 * noise}
