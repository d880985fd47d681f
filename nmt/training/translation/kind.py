"""What training asks of a translator's run."""

from nmt.training.parts import Kind
from nmt.training.translation.run import assemble
from nmt.training.watching.measurement import LEARNING, LEARNING_RATE, Drawn, Measurement, Panel, Shown, speed

UNIT = "tokens"

LOSS = Panel("Loss", "nats per token")
PERPLEXITY = Panel("Perplexity", "per token", logarithmic=True)
QUALITY = Panel("Translation quality", "score")

MEASUREMENTS = (
    Measurement("train/loss", Shown("loss", "{:.3f}"), Drawn(LOSS, "training, as optimised")),
    Measurement("train/perplexity", Shown("ppl", "{:.2f}"), Drawn(PERPLEXITY, "training")),
    *LEARNING,
    Measurement(
        "train/teacher_forcing",
        Shown("truth", "{:.2f}", unless=1.0),
        Drawn(LEARNING_RATE, "teacher forcing", only_changing=True),
    ),
    *speed(UNIT, "tok/s"),
    Measurement("validation/loss", Shown("val loss", "{:.3f}"), Drawn(LOSS, "validation")),
    Measurement("validation/perplexity", Shown("val ppl", "{:.2f}"), Drawn(PERPLEXITY, "validation")),
    Measurement("validation/bleu", Shown("BLEU", "{:.2f}"), Drawn(QUALITY, "BLEU")),
    Measurement("validation/chrf", Shown("chrF++", "{:.2f}"), Drawn(QUALITY, "chrF++")),
    Measurement("train/gleu", Shown("GLEU", "{:.2f}"), Drawn(QUALITY, "GLEU of draws"), from_the_start=False),
)

TRANSLATION = Kind(
    unit=UNIT,
    measurements=MEASUREMENTS,
    own_panels=(LOSS, PERPLEXITY, QUALITY),
    may_change=frozenset({"data.preparation_processes", "data.cache_dir"}),
    assemble=assemble,
)
