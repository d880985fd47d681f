"""Configuration → model: the only file where strings become modules."""

from functools import partial

import torch
from torch import nn

from nmt.config.model import ModelConfig
from nmt.config.recognition import BlockConfig, FrontendConfig, RecognitionModelConfig
from nmt.errors import ConfigError
from nmt.models.attention import AdditiveAttention, Attention, DotAttention, GeneralAttention
from nmt.models.cells import GRU, LSTM, RNN, Cell, PeepholeLSTM
from nmt.models.decoder import AttentionDecoder
from nmt.models.dropout import Dropout, TokenDropout
from nmt.models.frontend import ConvolutionBlock, Frontend
from nmt.models.normalization import ChannelNorm, MaskedBatchNorm, NoNorm
from nmt.models.recognition import RecognitionModel
from nmt.models.recurrent import RecurrentEncoder
from nmt.models.translation import OutputLayer, TranslationModel

CELLS: dict[str, type[Cell]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN, "peephole": PeepholeLSTM}


def build_translation(config: ModelConfig, source_vocabulary: int, target_vocabulary: int) -> TranslationModel:
    """A freshly initialised translator for vocabularies of these sizes. Draws from torch's global generator."""
    if config.tie_embeddings == "all" and source_vocabulary != target_vocabulary:
        raise ConfigError(
            f"model.tie_embeddings 'all' needs one vocabulary, but the source has {source_vocabulary} pieces and the"
            f" target {target_vocabulary}; set it to 'target' or 'none', or use a joint tokenizer"
        )
    make_cell = partial(CELLS[config.cell], recurrent_dropout=config.dropout.recurrent)
    encoder = RecurrentEncoder(
        config.embedding_size,
        config.hidden_size,
        layers=config.encoder_layers,
        make_cell=make_cell,
        bidirectional_layers=config.bidirectional_layers,
        bidirectional_size=config.bidirectional_size,
        residual_from=config.residual_from,
        dropout=config.dropout.input,
        variational=config.dropout.variational,
    )
    decoder = AttentionDecoder(
        config.embedding_size,
        config.hidden_size,
        encoder.output_size,
        layers=config.decoder_layers,
        make_cell=make_cell,
        attention=_attention(config, encoder.output_size),
        residual_from=config.residual_from,
        dropout=config.dropout.input,
        variational=config.dropout.variational,
        input_feeding=config.input_feeding,
        deep_output=config.deep_output,
        bridge=config.initial_state == "bridge",
    )
    target_embedding = nn.Embedding(target_vocabulary, config.embedding_size)
    all_tied = config.tie_embeddings == "all"
    source_embedding = target_embedding if all_tied else nn.Embedding(source_vocabulary, config.embedding_size)
    tied = None if config.tie_embeddings == "none" else target_embedding
    model = TranslationModel(
        source_embedding,
        target_embedding,
        encoder=encoder,
        decoder=decoder,
        output=OutputLayer(decoder.output_size, tied, target_vocabulary),
        output_dropout=Dropout(config.dropout.output, variational=config.dropout.variational),
        token_dropout=TokenDropout(config.dropout.token),
    )
    initialize(model, config)
    return model


def build_recognition(config: RecognitionModelConfig, symbols: int) -> RecognitionModel:
    """A freshly initialised recogniser of `symbols` (with the blank). Draws from torch's global generator."""
    frontend = build_frontend(config.frontend)
    encoder = RecurrentEncoder(
        frontend.output_size,
        config.hidden_size,
        layers=config.layers,
        make_cell=partial(CELLS[config.cell], recurrent_dropout=config.dropout.recurrent),
        bidirectional_layers=config.layers if config.bidirectional_layers is None else config.bidirectional_layers,
        residual_from=config.residual_from,
        dropout=config.dropout.input,
        variational=config.dropout.variational,
    )
    dropout = Dropout(config.dropout.output, variational=config.dropout.variational)
    return RecognitionModel(frontend, encoder, symbols=symbols, dropout=dropout, shortcut=config.shortcut)


def build_frontend(config: FrontendConfig) -> Frontend:
    """The convolutions alone; their `frames` and `stride` need no weights."""
    channels = config.input_channels
    blocks = []
    for block in config.blocks:
        blocks.append(_block(block, channels))
        channels = block.channels
    height = config.height if config.kind == "image" else 1
    return Frontend(blocks, channels=config.input_channels, height=height, columns=config.columns)


NORMALIZATIONS: dict[str, type[MaskedBatchNorm | ChannelNorm | NoNorm]] = {
    "batch": MaskedBatchNorm,
    "layer": ChannelNorm,
    "none": NoNorm,
}


def _block(config: BlockConfig, input_channels: int) -> ConvolutionBlock:
    return ConvolutionBlock(
        input_channels,
        config.channels,
        kernel=config.kernel,
        stride=config.stride,
        pool=config.pool,
        normalization=NORMALIZATIONS[config.normalization](config.channels),
        dropout=config.dropout,
        residual=config.residual,
    )


def _attention(config: ModelConfig, memory_size: int) -> Attention:
    query_size = config.hidden_size
    kind = config.attention
    match kind:
        case "normalized_additive" | "additive":
            size = config.attention_size or config.hidden_size
            return AdditiveAttention(query_size, memory_size, size, normalized=kind == "normalized_additive")
        case "general":
            return GeneralAttention(query_size, memory_size)
        case "dot":
            return DotAttention()
        case "scaled_dot":
            return DotAttention(scale=query_size**-0.5)


@torch.no_grad()
def initialize(model: nn.Module, config: ModelConfig) -> None:
    """Draw every matrix anew; biases, peepholes and attention's gain keep their constants (0 and 1/√A)."""
    scale, embedding_std = config.initialization.scale, config.initialization.embedding_std
    for name, parameter in model.named_parameters():
        if name.endswith("projection.bias"):
            nn.init.zeros_(parameter)
        if name.endswith(("gain", "peephole")) or "bias" in name:
            continue
        if "embedding" in name and embedding_std is not None:
            nn.init.normal_(parameter, std=embedding_std)
        elif config.initialization.kind == "uniform" or parameter.dim() < 2:
            nn.init.uniform_(parameter, -scale, scale)
        elif name.endswith("weight_hh"):
            for gate in parameter.split(parameter.shape[1]):
                nn.init.orthogonal_(gate)
        else:
            nn.init.xavier_uniform_(parameter)
    for module in model.modules():
        if isinstance(module, LSTM | PeepholeLSTM):
            module.bias_ih[module.hidden_size : 2 * module.hidden_size] = config.initialization.forget_bias
