"""Joey NMT 2.3: its recurrent model, trained by the step of its TrainManager and decoded by `joeynmt.search.search`.

LSTM, bidirectional encoder (half of the units each way in both layers, so that its outputs are as wide as the decoder),
input feeding, a bridge to the decoder, "luong" attention (here "bahdanau" where the other side is additive), at equal
sizes one matrix for both embeddings and the output. All else is its default. So a source token costs 12 H²
multiplications there, and a target token 22 H² plus scores, contexts and output (keys once for each source token).
"""

import logging
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from joeynmt.batch import Batch
    from joeynmt.config import parse_train_args
    from joeynmt.model import Model, build_model
    from joeynmt.search import search as joey_search
    from joeynmt.training import TrainManager
    from joeynmt.vocabulary import Vocabulary

from nmt.data.batch import TranslationBatch
from peers import END, PAD, START, UNKNOWN, Recipe, Search, TrainingStep, force_end, pairs, renumber

for _name in ("builders", "model"):
    logging.getLogger(f"joeynmt.{_name}").setLevel(logging.WARNING)
ALPHA = 0.6
CPU = torch.device("cpu")


def training_step(recipe: Recipe) -> TrainingStep:
    """`TrainManager._train_step` and the four calls that follow it in its loop."""
    given = {
        "normalization": "tokens",
        "label_smoothing": recipe.label_smoothing,
        "optimizer": "adam",
        "learning_rate": recipe.learning_rate,
        "clip_grad_norm": recipe.clip_norm,
        "batch_size": 0,  # asked for, not used
        "scheduling": "exponential",  # the default uses what torch no longer has; it is never called here
    }
    model = _model(recipe)
    model.loss_function = ("crossentropy", recipe.label_smoothing)
    common = {"model": model, "device": CPU, "autocast": {"device_type": "cpu", "enabled": False}}
    with tempfile.TemporaryDirectory() as folder:  # rank 1 writes nothing
        manager = TrainManager(1, model_dir=Path(folder), train_args=parse_train_args(given), **common)

    def step(batch: TranslationBatch) -> None:
        source, target = pairs(batch)
        manager._train_step(_batch(source, batch.source_lengths, target))
        manager.clip_grad_fun(parameters=model.parameters())
        manager.optimizer.step()
        model.zero_grad()

    return step


def search(recipe: Recipe) -> Search:
    """`joeynmt.search.search`, greedy and beam, as its `predict` calls it.

    Limits travel as the values of the source mask, of which the model only asks whether they are above 0: so they
    follow every selection of rows. A hook forces the logits.
    """
    model = _model(recipe).eval()
    spoken = 0

    def force(module: Model, given: Any, named: dict[str, Any], result: tuple[Tensor, ...]) -> None:
        nonlocal spoken
        spoken = 0 if named["return_type"] == "encode" else spoken + 1
        if spoken:
            force_end(result[0][:, 0], named["src_mask"][:, 0, 0], spoken)

    model.register_forward_hook(force, with_kwargs=True)

    def decode(source: Tensor, lengths: Tensor, limits: Tensor, beam: int) -> list[int]:
        batch = _batch(renumber(source, lengths), lengths, None)
        batch.src_mask = batch.src_mask * limits[:, None, None]
        output, _, _ = joey_search(model, batch, int(limits.max()), beam, ALPHA)
        return [row.tolist().index(END) + 1 for row in output]

    return decode


def _model(recipe: Recipe) -> Any:
    embeddings = {"embedding_dim": recipe.embedding_size, "dropout": recipe.dropout}
    common = {
        "type": "recurrent",
        "rnn_type": "lstm",
        "num_layers": recipe.layers,
        "dropout": recipe.dropout,
        "embeddings": embeddings,
    }
    encoder = {"hidden_size": recipe.hidden_size // 2}
    decoder = {
        "hidden_size": recipe.hidden_size,
        "hidden_dropout": recipe.dropout,
        "attention": "bahdanau" if recipe.additive_attention else "luong",
    }
    configuration = {
        "encoder": common | encoder,
        "decoder": common | decoder,
        "tied_embeddings": True,
        "tied_softmax": recipe.embedding_size == recipe.hidden_size,
    }
    vocabulary = _vocabulary(recipe)
    return build_model(configuration, vocabulary, vocabulary)


def _vocabulary(recipe: Recipe) -> Any:
    specials = {"unk": UNKNOWN, "pad": PAD, "bos": START, "eos": END}
    names = {f"{name}_token": f"<{name}>" for name in specials} | {"sep_token": None}
    numbers = {f"{name}_id": number for name, number in specials.items()} | {"sep_id": None}
    words = [f"w{i}" for i in range(END + 1, recipe.vocabulary_size)]
    return Vocabulary(words, SimpleNamespace(**names, **numbers, lang_tags=[]))


def _batch(source: Tensor, lengths: Tensor, target: Tensor | None) -> Any:
    ids = torch.arange(len(source))
    return Batch(source, lengths, None, target, None, ids, CPU, PAD, END, is_train=target is not None)
