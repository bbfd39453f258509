"""What transformers computes: loss, logits, gradients, and parameters after some updates."""

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from checkpoints import IGNORED


def forward(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Returns the logits, and the mean loss over all labels that are not ignored."""
    logits = model(input_ids=batch["input_ids"], use_cache=False).logits
    labels = batch["labels"].flatten()
    total = cross_entropy(logits.flatten(0, 1), labels, ignore_index=IGNORED, reduction="sum")
    return logits, total / (labels != IGNORED).sum()


def one_step(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns what `--dump` writes of one step, under the same names."""
    model.zero_grad()
    logits, loss = forward(model, batch)
    loss.backward()
    results = {"loss": loss.detach(), "logits": logits.detach()}
    for name, parameter in model.named_parameters():
        results[f"grad.{name}"] = parameter.grad.clone()
    return results


def updates(
    model: PreTrainedModel, batch: dict[str, torch.Tensor], optimizer: str, steps: int
) -> dict[str, torch.Tensor]:
    """Returns what `--dump` adds after several updates; the model is left changed."""
    losses = []
    kind = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[optimizer]
    rule = kind(model.parameters(), lr=1e-3, weight_decay=0.01 if optimizer == "adamw" else 0)
    for _ in range(steps):
        losses.append(one_step(model, batch)["loss"])
        rule.step()
    results = {"losses": torch.stack(losses)}
    for name, parameter in model.named_parameters():
        results[f"param.{name}"] = parameter.detach().clone()
    return results
