"""Tells codecs apart by what decides their latents."""

import hashlib

from accomp.codec.contract import Codec


def fingerprint(codec: Codec) -> str:
    """A hash of everything that decides what a codec's latents are: weights and their names."""
    digest = hashlib.sha256()
    for name, value in sorted(codec.latent_weights().items()):
        digest.update(name.encode())
        digest.update(value.cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]
