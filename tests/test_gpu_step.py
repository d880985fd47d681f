"""On a GPU a training step waits for nothing, and computes what a CPU computes. Skipped where there is none."""

import pytest
import torch

from nmt.config.model import ModelConfig
from nmt.data.batch import TranslationBatch
from nmt.models.build import build_translation
from nmt.models.translation import TranslationModel
from nmt.training.translation.task import batch_loss

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def batch() -> TranslationBatch:
    lengths = torch.tensor([5, 3, 4])
    tokens = torch.randint(4, 30, (3, 3, 5), generator=torch.Generator().manual_seed(1))
    return TranslationBatch(tokens[0], lengths, tokens[1], tokens[2], lengths, torch.arange(3))


def model() -> TranslationModel:
    torch.manual_seed(1)
    sizes = {"embedding_size": 16, "hidden_size": 16}
    return build_translation(ModelConfig.model_validate({**sizes, "dropout": {"input": 0.0}}), 30, 30).train()


def test_loss_and_gradients_are_those_of_a_cpu() -> None:
    here, there = model(), model().cuda()
    ours = batch_loss(here, batch(), label_smoothing=0.1)
    theirs = batch_loss(there, TranslationBatch(*(part.cuda() for part in batch())), label_smoothing=0.1)
    torch.testing.assert_close(theirs.loss.cpu(), ours.loss, atol=1e-2, rtol=1e-3)
    ours.loss.backward()
    theirs.loss.backward()
    for a, b in zip(there.parameters(), here.parameters(), strict=True):
        assert a.grad is not None and b.grad is not None
        torch.testing.assert_close(a.grad.cpu(), b.grad, atol=1e-2, rtol=1e-2)


def test_a_step_never_waits_for_the_gpu() -> None:
    there = model().cuda()
    there.decoder.dropout.p = there.encoder.dropout.p = 0.2
    given = TranslationBatch(*(part.cuda() for part in batch()))
    optimizer = torch.optim.Adam(there.parameters(), fused=True)
    for mode in ("default", "error"):  # the first step may wait, for the optimiser's state
        torch.cuda.set_sync_debug_mode(mode)
        try:
            with torch.autocast("cuda", dtype=torch.bfloat16):
                loss = batch_loss(there, given, label_smoothing=0.1).loss
            loss.backward()
            optimizer.step()
            if mode == "error":  # and what waits is noticed
                with pytest.raises(RuntimeError, match="synchronizing"):
                    loss.item()
        finally:
            torch.cuda.set_sync_debug_mode("default")
