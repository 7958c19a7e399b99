"""accomp: a musician plays, a latent diffusion model answers in time."""
