"""What training asks of a recogniser's run."""

from nmt.training.parts import Kind
from nmt.training.recognition.run import assemble
from nmt.training.watching.measurement import LEARNING, Drawn, Measurement, Panel, Shown, speed

UNIT = "characters"

LOSS = Panel("CTC loss", "nats per character")
ERROR_RATES = Panel("Error rates", "%", from_zero=True)
LOST_LINES = Panel("Lines too short for their text", "lines left out of the loss", from_zero=True)

MEASUREMENTS = (
    Measurement("train/loss", Shown("loss", "{:.3f}"), Drawn(LOSS, "training")),
    Measurement("train/shortcut_loss", Shown("shortcut", "{:.3f}"), Drawn(LOSS, "shortcut, training")),
    Measurement("train/lost_lines", Shown("lost", "{:.0f}", unless=0.0), Drawn(LOST_LINES, "lines")),
    *LEARNING,
    *speed(UNIT, "char/s"),
    Measurement("validation/loss", Shown("val loss", "{:.3f}"), Drawn(LOSS, "validation")),
    Measurement("validation/cer", Shown("CER", "{:.2f}"), Drawn(ERROR_RATES, "CER")),
    Measurement("validation/wer", Shown("WER", "{:.2f}"), Drawn(ERROR_RATES, "WER")),
)

RECOGNITION = Kind(
    unit=UNIT,
    measurements=MEASUREMENTS,
    own_panels=(LOSS, ERROR_RATES, LOST_LINES),
    # the search is not asked before the end, and the lines a search is tuned on come after it
    may_change=frozenset({"data.memory_megabytes", "data.leaks", "train.tuning_lines", "search"}),
    assemble=assemble,
)
