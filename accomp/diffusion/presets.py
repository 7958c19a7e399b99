"""Settings of the samplers that trained denoisers are played with, by name (see `accomp.model.Model.sampler`)."""

# Fresh noise at every level lets an answer leave what the first levels took for its average; along the probability flow
# fewer of its notes are in the chords that it is told.
TEACHER = {"denoiser": "teacher", "function": "consistency", "sigma_max": 40.0, "rho": 7.0, "guidance": 2.0}
STUDENT = {"denoiser": "student", "function": "consistency", "sigma_max": 20.0, "rho": 7.0}
PLAYING = {
    "teacher_4": TEACHER | {"steps": 4, "sigma_min": 0.5},
    "teacher_8": TEACHER | {"steps": 8, "sigma_min": 0.1},
    "teacher_16": TEACHER | {"steps": 16, "sigma_min": 0.05},
    "student_1": STUDENT | {"steps": 1, "sigma_min": 20.0},
    "student_2": STUDENT | {"steps": 2, "sigma_min": 5.0},
    "student_3": STUDENT | {"steps": 3, "sigma_min": 1.0},
    "student_2_of_4": STUDENT | {"steps": 2, "sigma_min": 5.0, "candidates": 4},
}
MONOPHONIC = ("bass",)  # the instruments whose notes sound one at a time: of two that are generated, one is played
# The paper's, as published.
ADPM2 = {"function": "adpm2", "steps": 5, "sigma_min": 1e-4, "sigma_max": 50.0, "rho": 9.0}
CM = {"function": "paper_cm", "sigma_min": 1e-4, "sigma_max": 80.0, "rho": 9.0}  # one noise level more than calls
# For the masks of `PaperDraw`, under which the network is not told what is known.
REPLACEMENT = {"adpm2_5": {"denoiser": "teacher"} | ADPM2}
PAPER_STUDENT = {"cm_2": {"denoiser": "student"} | CM | {"steps": 3}}


def samplers_of(plays: bool) -> dict[str, dict]:
    """The samplers of denoisers that were trained with the masks of playing, or of those that were not."""
    return PLAYING if plays else REPLACEMENT
