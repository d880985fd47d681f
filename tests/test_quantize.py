"""Models prepared for decoding: the same numbers as before, close ones in int8, the same bits in every batch."""

import random
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nmt.inference.products as products
import nmt.inference.quantize as quantize
from nmt.config.model import ModelConfig
from nmt.config.search import SearchConfig
from nmt.errors import ConfigError
from nmt.inference.decoding import Request, decode_batch
from nmt.inference.products import Fp16Product, Int8Product, PackedProduct, PlainProduct
from nmt.inference.quantize import Precision, PreparedCell, prepare_for_inference
from nmt.inference.stepper import DecoderStepper
from nmt.models.build import CELLS, build_translation
from nmt.models.translation import TranslationModel
from nmt.text.tokenizer import END

NO_INT8 = not products.multiplies_int8()
NO_FP16 = not products.multiplies_fp16()
PRECISIONS = [
    "32",
    pytest.param("fp16", marks=pytest.mark.skipif(NO_FP16, reason="no float16 products here")),
    pytest.param("int8", marks=pytest.mark.skipif(NO_INT8, reason="no int8 products here")),
]


def build(vocabulary: int = 60, **options: object) -> TranslationModel:
    torch.manual_seed(5)
    sizes = {"embedding_size": 24, "hidden_size": 32, "encoder_layers": 3, "decoder_layers": 3, "residual_from": 2}
    model = build_translation(ModelConfig.model_validate(sizes | options), vocabulary, vocabulary)
    for name, parameter in model.named_parameters():
        if "bias" in name:
            torch.nn.init.uniform_(parameter, -0.5, 0.5)
    return model.eval()


def stepped(model: TranslationModel, *, steps: int = 4) -> torch.Tensor:
    """Log-probabilities of several steps of three sentences with two rows each, after a compaction."""
    generator = torch.Generator().manual_seed(2)
    source = torch.randint(4, 60, (3, 9), generator=generator)
    with torch.inference_mode():
        stepper = DecoderStepper(model, source, torch.tensor([9, 4, 7]))
        _, state = stepper.step(torch.full((3, 1), 2), stepper.start())
        state = stepper.reorder(state, torch.tensor([0, 2]), torch.zeros(2, 2, dtype=torch.long))
        said = []
        for _ in range(steps):
            scored, state = stepper.step(torch.randint(4, 60, (2, 2), generator=generator), state)
            said.append(scored.log_probabilities)
            state = stepper.reorder(state, torch.tensor([0, 1]), torch.tensor([[1, 0], [1, 1]]))
    return torch.stack(said)


WIRINGS = [
    {"attention": "dot", "deep_output": True, "initial_state": "bridge"},
    {"attention": "general", "input_feeding": True, "tie_embeddings": "none"},
    {"attention": "normalized_additive", "decoder_layers": 1},
]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("wiring", WIRINGS, ids=lambda wiring: str(wiring["attention"]))
def test_a_prepared_model_says_what_the_model_says(cell: str, wiring: dict[str, object]) -> None:
    model = build(cell=cell, **wiring)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.testing.assert_close(stepped(prepare_for_inference(model)), stepped(model), atol=1e-5, rtol=1e-5)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("precision", PRECISIONS[1:])
@pytest.mark.parametrize("cell", CELLS)
def test_fewer_bits_are_close(cell: str, precision: Precision) -> None:
    model = build(cell=cell, attention="general", deep_output=True)
    exact, rough = stepped(model), stepped(prepare_for_inference(model, precision))
    error = (exact - rough).norm() / (exact - exact.mean()).norm()
    assert 1e-5 < error < (0.05 if precision == "int8" else 0.001)


@pytest.mark.skipif(NO_INT8, reason="no int8 products here")
@pytest.mark.parametrize("fast", [False, True])
def test_only_fast_int8_reads_the_source_step_by_step(monkeypatch: pytest.MonkeyPatch, fast: bool) -> None:
    """Without VNNI an encoder in int8 took 7.7 ms a sentence where oneDNN's whole float32 layers take 2.5."""
    monkeypatch.setattr(quantize, "adds_int8_fast", lambda: fast)
    model = build(attention="dot")
    prepared = prepare_for_inference(model, "int8")
    stepping = any(isinstance(module, PreparedCell) for module in prepared.encoder.modules())
    assert stepping == (fast or not torch.backends.mkldnn.is_available())
    exact, rough = stepped(model), stepped(prepared)
    assert 1e-5 < (exact - rough).norm() / (exact - exact.mean()).norm() < 0.05


PRODUCTS = {PlainProduct: 1e-5, PackedProduct: 1e-5, Fp16Product: 1e-3, Int8Product: 0.04}  # relative errors


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("bias", [True, False])
def test_products_against_the_matrix_and_rows_alone(product: type[torch.nn.Module], bias: bool) -> None:
    if (product is Int8Product and NO_INT8) or (product is Fp16Product and NO_FP16):
        pytest.skip("no such products here")
    torch.manual_seed(1)
    matrix = torch.randn(96, 256) * torch.rand(96, 1)  # rows of very different size
    offset = torch.randn(96) if bias else None
    rows = torch.randn(7, 5, 256) * torch.logspace(-2, 2, 35).view(7, 5, 1)
    made = product(matrix, offset)
    together = made(rows)
    exact = torch.nn.functional.linear(rows, matrix, offset)
    error = (together - exact).norm(dim=-1) / exact.norm(dim=-1)
    assert error.max() < PRODUCTS[product]
    for i in range(7):
        assert torch.equal(made(rows[i : i + 1]), together[i : i + 1])
        assert torch.equal(made(rows[i, :1]), together[i, :1])


@pytest.mark.skipif(NO_FP16, reason="no float16 products here")
@pytest.mark.parametrize("shape", [(96, 256), (37, 700), (1000, 33)])  # a part of a block; more than one block deep
def test_a_row_by_float16_is_the_same_among_any_number(shape: tuple[int, int]) -> None:
    """FBGEMM adds in another order where one or two rows are over: 1, 2, 7, 14, 31, 32, 37, 38, … of them."""
    torch.manual_seed(2)
    product = Fp16Product(torch.randn(shape), None)
    rows = torch.randn(130, shape[1])
    alone = torch.cat([product(row[None]) for row in rows])
    for count in (*range(1, 46), 79, 80, 120, 121, 122, 130):
        assert torch.equal(product(rows[:count]), alone[:count]), count


@pytest.mark.skipif(NO_INT8, reason="no int8 products here")
def test_int8_does_not_overflow() -> None:
    matrix, rows = torch.ones(8, 256), torch.ones(3, 256)  # the largest numbers there are, all of one sign
    torch.testing.assert_close(Int8Product(matrix, None)(rows), torch.full((3, 8), 256.0), rtol=0.01, atol=0.0)


def test_where_torch_lacks_an_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(attention="dot")
    expected = stepped(prepare_for_inference(model))
    monkeypatch.setattr(quantize, "packs", lambda: False)
    monkeypatch.setattr(quantize, "multiplies_int8", lambda: False)
    monkeypatch.setattr(quantize, "multiplies_bf16", lambda: False)
    monkeypatch.setattr(quantize, "multiplies_fp16", lambda: False)
    plain = prepare_for_inference(model, "auto")
    assert not any(isinstance(module, Int8Product | PackedProduct) for module in plain.modules())
    torch.testing.assert_close(stepped(plain), expected, atol=1e-5, rtol=1e-5)
    for precision in ("int8", "bf16", "fp16"):
        with pytest.raises(ConfigError, match=f"precision '{precision}': .* use 32"):
            prepare_for_inference(model, precision)


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_operators_of_another_backend_are_not_taken(monkeypatch: pytest.MonkeyPatch, precision: Precision) -> None:
    """qnnpack, on ARM, has operators of the same names that want other matrices."""
    monkeypatch.setattr(products, "_engine", lambda: "qnnpack")
    assert not products.multiplies_int8() and not products.multiplies_fp16()
    with pytest.raises(ConfigError, match=f"precision '{precision}': .* use 32"):
        prepare_for_inference(build(attention="dot"), precision)


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_numbers_of_processors_are_refused_elsewhere(precision: Precision) -> None:
    elsewhere = build(attention="dot").to("meta")
    with pytest.raises(ConfigError, match=f"precision '{precision}' is for processors, but the model is on a GPU"):
        prepare_for_inference(elsewhere, precision)


# --- the same bits in every batch ----------------------------------------------------------------------------------

SEARCHES = [
    SearchConfig(beam_size=1, length_penalty=0.0, max_length=5),
    SearchConfig(beam_size=5, coverage_penalty=0.3, max_length=5),
]
Result = list[tuple[object, ...]]


@cache
def requests() -> tuple[Request, ...]:
    """Sources of 1 to 40 tokens."""
    draw = random.Random(3)
    return tuple(Request(tuple(draw.randrange(4, 2000) for _ in range(draw.randint(1, 40)))) for _ in range(32))


@cache
def of_real_size(precision: Precision, attention: str) -> TranslationModel:
    sizes = {"embedding_size": 256, "hidden_size": 256, "encoder_layers": 2, "decoder_layers": 2, "residual_from": 3}
    return prepare_for_inference(build(2000, **sizes, attention=attention), precision)


def decoded(model: TranslationModel, chosen: list[int], search: SearchConfig) -> list[Result]:
    found = decode_batch([model], [requests()[i] for i in chosen], search, n_best=search.beam_size)
    return [[(h.tokens, h.score, h.log_probability, h.token_log_probabilities) for h in one] for one in found]


@cache
def together(precision: Precision, attention: str) -> list[list[Result]]:
    model = of_real_size(precision, attention)
    return [decoded(model, list(range(len(requests()))), search) for search in SEARCHES]


@pytest.mark.parametrize("attention", ["dot", "normalized_additive"])
@pytest.mark.parametrize("precision", PRECISIONS)
@settings(max_examples=12)
@given(data=st.data())
def test_companions_change_no_bit(precision: Precision, attention: str, data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([1, 2, 3, 7, 20]))
    chosen = data.draw(st.lists(st.integers(0, len(requests()) - 1), min_size=size, max_size=size))
    number = data.draw(st.integers(0, len(SEARCHES) - 1))
    expected = together(precision, attention)[number]
    assert decoded(of_real_size(precision, attention), chosen, SEARCHES[number]) == [expected[i] for i in chosen]


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_batches_of_1_7_and_64_in_any_order(precision: Precision) -> None:
    model = of_real_size(precision, "dot")
    draw = random.Random(1)
    everything = [i % len(requests()) for i in range(64)]
    for search, alike in zip(SEARCHES, together(precision, "dot"), strict=True):
        for size in (1, 7, 64):
            draw.shuffle(everything)
            for begin in range(0, 64, size):
                chosen = everything[begin : begin + size]
                assert decoded(model, chosen, search) == [alike[i] for i in chosen]


@pytest.mark.parametrize("attention", ["dot", "normalized_additive"])
def test_rows_of_companions_change_no_bit(attention: str) -> None:
    """With draws that end, phrases to hold or groups that agree, rows of one sentence decide how many others have."""
    sizes = {"embedding_size": 256, "hidden_size": 256, "encoder_layers": 2, "decoder_layers": 2}
    model = build(2000, **sizes, attention=attention)
    with torch.no_grad():
        model.output.bias[END] += 5.0  # draws end early, some earlier than others
    model = prepare_for_inference(model)
    asked = [requests()[i]._replace(phrases=((50 + i,) * i,) if i else ()) for i in range(5)]
    free = [request._replace(phrases=()) for request in asked]
    greedy, beam = (SearchConfig(beam_size=k, length_penalty=0.0, max_length=8, min_length=3) for k in (1, 3))
    drawn = SearchConfig(sampling=True, max_length=8)
    diverse = SearchConfig(beam_size=4, diverse_beam_groups=4, max_length=8, min_length=3)
    for group, search, n_best in ((asked, greedy, 1), (free, drawn, 6), (asked[1:], beam, 3), (free, diverse, 4)):
        together = decode_batch([model], group, search, n_best=n_best)
        for request, found in zip(group, together, strict=True):
            assert decode_batch([model], [request], search, n_best=n_best) == [found]
