"""The model in every configuration: steps equal the whole, batch-mates change nothing, options do what they say."""

import itertools

import pytest
import torch

from nmt.config.model import ModelConfig
from nmt.errors import ConfigError
from nmt.models.build import build_translation
from nmt.models.translation import TranslationModel

CONFIGURATIONS = {
    "gnmt": {"encoder_layers": 4, "decoder_layers": 4},
    "dot": {"attention": "dot"},
    "scaled_dot": {"attention": "scaled_dot"},
    "general": {"attention": "general", "bidirectional_layers": 2},
    "additive": {"attention": "additive", "attention_size": 5},
    "gru_bridge": {"cell": "gru", "initial_state": "bridge"},
    "rnn": {"cell": "rnn", "residual_from": 2},
    "peephole_bridge": {"cell": "peephole", "initial_state": "bridge"},
    "input_feeding": {"input_feeding": True, "decoder_layers": 3},
    "one_layer": {"encoder_layers": 1, "decoder_layers": 1, "embedding_size": 10},
    "deep_output": {"deep_output": True, "bidirectional_size": 6},
    "deep_output_of_one_layer": {"deep_output": True, "decoder_layers": 1, "input_feeding": True, "embedding_size": 10},
    "untied": {"tie_embeddings": "none", "embedding_size": 10},
    "target_tied": {"tie_embeddings": "target"},
}
NO_DROPOUT = {"input": 0.0}


def build(seed: int = 0, vocabulary: tuple[int, int] = (30, 30), **options: object) -> TranslationModel:
    torch.manual_seed(seed)
    sizes = {"embedding_size": 12, "hidden_size": 12, "dropout": NO_DROPOUT, "initialization": {"scale": 1.0}}
    return build_translation(ModelConfig.model_validate(sizes | options), *vocabulary)


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randint(4, 30, (3, 6)), torch.tensor([6, 2, 4]), torch.randint(4, 30, (3, 5))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_stepping_through_a_target_equals_reading_it_whole(name: str) -> None:
    model = build(**CONFIGURATIONS[name]).eval()
    source, lengths, target = batch()
    whole = model(source, lengths, target)
    memory = model.encode(source, lengths)
    state = model.initial_state(memory)
    stepped = []
    for t in range(target.shape[1]):
        said, state = model.step(target[:, t : t + 1], memory, state)
        stepped.append(said.logits)
    torch.testing.assert_close(torch.cat(stepped, 1), whole, atol=1e-5, rtol=1e-5)
    assert whole.std() > 0.05  # the comparison above is about something


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_padding_and_batch_mates_change_nothing(name: str) -> None:
    model = build(**CONFIGURATIONS[name]).eval()
    source, lengths, target = batch()
    together = model(source, lengths, target)
    for i, length in enumerate(lengths.tolist()):
        alone = model(source[i : i + 1, :length], lengths[i : i + 1], target[i : i + 1, :3])
        torch.testing.assert_close(together[i : i + 1, :3], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_parameter_learns(name: str) -> None:
    model = build(**CONFIGURATIONS[name])
    source, lengths, target = batch()
    model(source, lengths, target).square().sum().backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_beams_of_a_sentence_step_as_they_would_alone() -> None:
    model = build(attention="dot").eval()
    source, lengths, target = batch()
    memory = model.encode(source, lengths)
    state = model.initial_state(memory)
    tokens = target[:, :4]  # four beams with different first words
    wide = state._replace(layers=tuple(tuple(t.expand(-1, 4, -1) for t in layer) for layer in state.layers))
    together, _ = model.step(tokens, memory, wide)
    for k in range(4):
        alone, _ = model.step(tokens[:, k : k + 1], memory, state)
        torch.testing.assert_close(together.logits[:, k : k + 1], alone.logits)


def test_two_and_three_way_tying_share_memory_and_save_parameters() -> None:
    count = {}
    for ways, tying in enumerate(("none", "target", "all"), start=1):
        model = build(tie_embeddings=tying)
        count[tying] = sum(p.numel() for p in model.parameters())
        matrices = {model.source_embedding.weight, model.target_embedding.weight, model.output.weight}
        assert len(matrices) == 4 - ways
    assert count["none"] - count["target"] == count["target"] - count["all"] == 30 * 12


def test_impossible_combinations_are_named() -> None:
    with pytest.raises(ConfigError, match="one vocabulary, but the source has 30 pieces and the target 31"):
        build(vocabulary=(30, 31), tie_embeddings="all")
    with pytest.raises(ValueError, match=r"'dot' needs the encoder's outputs \(24\) to be as wide .* \(12\)"):
        build(attention="dot", encoder_layers=1)


@pytest.mark.parametrize("kind", ["uniform", "xavier"])
def test_initialization(kind: str) -> None:
    model = build(initialization={"kind": kind, "scale": 0.04, "forget_bias": 1.0, "embedding_std": None})
    cell = model.decoder.layers[0]
    assert cell.bias_ih.view(4, 12).sum(1).tolist() == [0, 12, 0, 0] and not cell.bias_hh.any()
    assert model.decoder.attention.gain.item() == pytest.approx(12**-0.5)
    if kind == "uniform":
        drawn = [p for n, p in model.named_parameters() if "bias" not in n and "gain" not in n]
        assert all(0.03 < p.abs().max() <= 0.04 for p in drawn)
    else:
        gate = cell.weight_hh[:12]
        torch.testing.assert_close(gate @ gate.T, torch.eye(12), atol=1e-5, rtol=0)


def test_embeddings_have_a_deviation_of_their_own() -> None:
    """With embeddings as small as the other matrices, attention slept through two epochs of Multi30k."""
    model = build(vocabulary=(500, 500), initialization={"scale": 0.1, "embedding_std": 0.7})
    assert model.source_embedding.weight.std().item() == pytest.approx(0.7, rel=0.05)
    assert model.encoder.layers[1].weight_ih.abs().max() <= 0.1


@pytest.mark.parametrize(
    ("input_feeding", "variational", "recurrent"),
    list(itertools.product([False, True], [False, True], [0.0, 0.3])),
)
def test_dropout_only_while_training(input_feeding: bool, variational: bool, recurrent: float) -> None:
    dropout = {"input": 0.3, "variational": variational, "recurrent": recurrent, "output": 0.2, "token": 0.1}
    model = build(input_feeding=input_feeding, dropout=dropout)
    plain = build(input_feeding=input_feeding)
    arguments = batch()
    assert not torch.allclose(model(*arguments), model(*arguments))
    assert torch.equal(model.eval()(*arguments), plain.eval()(*arguments))
