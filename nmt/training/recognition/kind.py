"""What training asks of a recogniser's run."""

from nmt.training.parts import Kind
from nmt.training.recognition.run import assemble
from nmt.training.watching.curves import GRADIENT, Panel, speed_panel
from nmt.training.watching.progress import LEARNING, Shown

UNIT = "characters"

PANELS = (
    Panel(
        "CTC loss",
        "nats per character",
        (("train/loss", "training"), ("validation/loss", "validation"), ("train/shortcut_loss", "shortcut, training")),
    ),
    Panel("Error rates", "%", (("validation/cer", "CER"), ("validation/wer", "WER")), from_zero=True),
    Panel("Lines without a path", "lost for the loss", (("train/lost_lines", "lines"),), from_zero=True),
    Panel("Learning rate", "", (("train/learning_rate", "learning rate"),)),
    GRADIENT,
    speed_panel(UNIT),
)

RECOGNITION = Kind(
    unit=UNIT,
    columns=(
        *("step", "epoch", "train/loss", "train/shortcut_loss", "train/lost_lines", "train/learning_rate"),
        *("train/gradient_norm", "train/characters_per_second", "train/characters_per_cpu_second"),
        *("train/cpu_minutes", "validation/loss", "validation/cer", "validation/wer"),
    ),
    words={
        "train/loss": Shown("loss", "{:.3f}"),
        "train/shortcut_loss": Shown("shortcut", "{:.3f}"),
        "train/lost_lines": Shown("lost", "{:.0f}", unless=0.0),
        **LEARNING,
        "train/characters_per_second": Shown("char/s", "{:,.0f}"),
        "validation/loss": Shown("val loss", "{:.3f}"),
        "validation/cer": Shown("CER", "{:.2f}"),
        "validation/wer": Shown("WER", "{:.2f}"),
    },
    panels=PANELS,
    # the search is not asked before the end, and the lines a search is tuned on come after it
    may_change=frozenset({"data.memory_megabytes", "data.leaks", "train.tuning_lines", "search"}),
    assemble=assemble,
)
