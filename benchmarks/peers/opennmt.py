"""OpenNMT-py 3.5: its recurrent model with its defaults, trained by its Trainer and decoded by its Translator.

Those defaults: LSTM, input feeding, global attention "general" (here "mlp" where the other side is additive), softmax
over a generator with bias. Differing from the defaults as the other side does: a bidirectional encoder ("brnn", half of
the units each way in both layers), at equal sizes one matrix for both embeddings and the generator, the recipe's sizes
and dropout. So a source token costs 12 H² multiplications there, and a target token 23 H² plus scores, contexts and
generator; ours of benchmarks/training.py costs 28 H² and 20 H².
"""

import warnings
from argparse import Namespace
from typing import Any

from torch import Tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pyonmttok
    from onmt import opts
    from onmt.constants import DefaultTokens
    from onmt.model_builder import build_model
    from onmt.trainer import build_trainer
    from onmt.translate import GNMTGlobalScorer
    from onmt.translate.translator import Translator
    from onmt.utils import Optimizer, Statistics
    from onmt.utils.parse import ArgumentParser

from nmt.data.batch import TranslationBatch
from peers import END, Recipe, Search, TrainingStep, force_end, pairs, renumber

warnings.filterwarnings("ignore", category=FutureWarning, module="onmt")
SPECIALS = [DefaultTokens.UNK, DefaultTokens.PAD, DefaultTokens.BOS, DefaultTokens.EOS]  # 0 to 3, as everywhere in it
ALPHA = 0.6


def training_step(recipe: Recipe) -> TrainingStep:
    """`Trainer._gradient_accumulation`, which is its step, with the statistics it gathers."""
    options, vocabularies = _options(recipe), _vocabularies(recipe)
    model = build_model(options, options, vocabularies, None, -1)
    trainer = build_trainer(options, -1, model, vocabularies, Optimizer.from_opt(model, options))
    total, report = Statistics(), Statistics()

    def step(batch: TranslationBatch) -> None:
        source, target = pairs(batch)
        given = {"src": source[:, :, None], "srclen": batch.source_lengths, "tgt": target[:, :, None]}
        for batches, normalization in trainer._accum_batches([(given, 0)]):
            trainer._gradient_accumulation(batches, normalization, total, report)

    return step


class ForcedTranslator(Translator):
    """A Translator whose sentences end where they must. `limits` are those of the batch at hand."""

    limits: Tensor

    def _translate_batch_with_strategy(self, batch: Any, decode_strategy: Any) -> Any:
        self.strategy = decode_strategy
        return super()._translate_batch_with_strategy(batch, decode_strategy)

    def _decode_and_generate(self, *given: Any, **named: Any) -> tuple[Tensor, Tensor]:
        log_probabilities, attention = super()._decode_and_generate(*given, **named)
        if self.beam_size == 1:
            sentences = self.strategy.original_batch_idx
        else:
            sentences = self.strategy.batch_offset.repeat_interleave(self.beam_size)
        force_end(log_probabilities, self.limits[sentences], named["step"] + 1)
        return log_probabilities, attention


def search(recipe: Recipe) -> Search:
    """`Translator.translate_batch`; greedy by `-random_sampling_topk 1`, a little faster than its `-beam_size 1`."""
    options, vocabularies = _options(recipe), _vocabularies(recipe)
    model = build_model(options, options, vocabularies, None, -1).eval()
    scorer = GNMTGlobalScorer(ALPHA, 0.0, "wu", "none")
    translator = ForcedTranslator(model, vocabularies, global_scorer=scorer, max_length_ratio=0)

    def decode(source: Tensor, lengths: Tensor, limits: Tensor, beam: int) -> list[int]:
        translator.beam_size, translator.sample_from_topk = beam, int(beam == 1)
        translator.limits, translator.max_length = limits, int(limits.max())
        batch = {"src": renumber(source, lengths)[:, :, None], "srclen": lengths}
        predictions = translator.translate_batch(batch, False)["predictions"]
        return [len(best) for best, *_ in predictions]

    return decode


def _options(recipe: Recipe) -> Namespace:
    """Its own defaults, but for what the recipe says."""
    parser = ArgumentParser()
    opts.train_opts(parser)
    given = {
        "data": "{}",
        "src_vocab": "none",
        "encoder_type": "brnn",
        "layers": recipe.layers,
        "hidden_size": recipe.hidden_size,
        "word_vec_size": recipe.embedding_size,
        "global_attention": "mlp" if recipe.additive_attention else "general",
        "dropout": recipe.dropout,
        "label_smoothing": recipe.label_smoothing,
        "normalization": "tokens",
        "optim": "adam",
        "learning_rate": recipe.learning_rate,
        "max_grad_norm": recipe.clip_norm,
    }
    words = [word for name, value in given.items() for word in (f"-{name}", str(value))]
    words += ["-share_vocab", "-share_embeddings"]
    if recipe.embedding_size == recipe.hidden_size:
        words.append("-share_decoder_embeddings")
    options, _ = parser.parse_known_args(words)
    ArgumentParser.update_model_opts(options)
    ArgumentParser.validate_model_opts(options)
    options.data = {}
    found: Namespace = options
    return found


def _vocabularies(recipe: Recipe) -> dict[str, Any]:
    """One for both sides."""
    words = [f"w{i}" for i in range(END + 1, recipe.vocabulary_size)]
    vocabulary = pyonmttok.build_vocab_from_tokens(words, special_tokens=SPECIALS)
    vocabulary.default_id = vocabulary[DefaultTokens.UNK]
    start = {"data_task": "seq2seq", "decoder_start_token": DefaultTokens.BOS}
    return {"src": vocabulary, "tgt": vocabulary, **start}
