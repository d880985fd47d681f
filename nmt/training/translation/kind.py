"""What training asks of a translator's run."""

from nmt.training.parts import Kind
from nmt.training.translation.run import assemble
from nmt.training.watching.curves import GRADIENT, Panel, speed_panel
from nmt.training.watching.progress import LEARNING, Shown

UNIT = "tokens"

PANELS = (
    Panel("Loss", "nats per token", (("train/loss", "training, as optimised"), ("validation/loss", "validation"))),
    Panel("Perplexity", "per token", (("train/perplexity", "training"), ("validation/perplexity", "validation")), True),
    Panel(
        "Translation quality",
        "score",
        (("validation/bleu", "BLEU"), ("validation/chrf", "chrF"), ("train/gleu", "GLEU of draws")),
    ),
    Panel(
        "Learning rate",
        "",
        (("train/learning_rate", "learning rate"), ("train/teacher_forcing", "teacher forcing")),
        only_changing=frozenset({"train/teacher_forcing"}),
    ),
    GRADIENT,
    speed_panel(UNIT),
)

TRANSLATION = Kind(
    unit=UNIT,
    columns=(
        *("step", "epoch", "train/loss", "train/perplexity", "train/learning_rate", "train/gradient_norm"),
        *("train/teacher_forcing", "train/tokens_per_second", "train/tokens_per_cpu_second", "train/cpu_minutes"),
        *("validation/loss", "validation/perplexity", "validation/bleu", "validation/chrf"),
    ),
    words={
        "train/loss": Shown("loss", "{:.3f}"),
        "train/perplexity": Shown("ppl", "{:.2f}"),
        "train/gleu": Shown("GLEU", "{:.2f}"),
        "train/teacher_forcing": Shown("truth", "{:.2f}", unless=1.0),
        **LEARNING,
        "train/tokens_per_second": Shown("tok/s", "{:,.0f}"),
        "validation/loss": Shown("val loss", "{:.3f}"),
        "validation/perplexity": Shown("val ppl", "{:.2f}"),
        "validation/bleu": Shown("BLEU", "{:.2f}"),
        "validation/chrf": Shown("chrF", "{:.2f}"),
    },
    panels=PANELS,
    may_change=frozenset({"data.preparation_processes", "data.cache_dir"}),
    assemble=assemble,
)
