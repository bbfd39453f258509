"""Small random checkpoints in Hugging Face format, one for each thing a reader can get wrong."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

SEQUENCE = 16
GLOBAL_BATCH = 4
IGNORED = -100

TOKENS = dict(bos_token_id=1, eos_token_id=2)


@dataclass(frozen=True)
class Checkpoint:
    """A model to write, and how its files differ from what `save_pretrained` writes."""

    name: str
    make: Callable[[], PreTrainedModel]
    stored: torch.dtype = torch.float32
    shard_size: str = "1GB"
    finish: Callable[[Path], None] = lambda folder: None

    def write(self, folder: Path) -> PreTrainedModel:
        """Writes the checkpoint, and reads it back with transformers in float64."""
        torch.manual_seed(sum(self.name.encode()))
        model = self.make()
        randomize(model)
        model.to(self.stored).save_pretrained(folder, max_shard_size=self.shard_size)
        self.finish(folder)
        return type(model).from_pretrained(
            folder, dtype=torch.float64, attn_implementation="eager"
        ).eval()


def randomize(model: PreTrainedModel) -> None:
    """Draws every parameter, biases and norm gains too: zeros and ones would hide mistakes."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.2)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.3)
            else:
                parameter.normal_(1, 0.3)


def write_batch(file: Path, vocabulary: int) -> dict[str, torch.Tensor]:
    """Draws token ids and shifted labels, about one in five of them to be ignored."""
    generator = torch.Generator().manual_seed(vocabulary)
    shape = (GLOBAL_BATCH, SEQUENCE)
    labels = torch.randint(vocabulary, shape, generator=generator)
    labels[torch.rand(shape, generator=generator) < 0.2] = IGNORED
    labels[0, :] = IGNORED  # A whole sequence without labels: micro-batches weigh differently.
    batch = {
        "input_ids": torch.randint(vocabulary, shape, generator=generator),
        "labels": labels,
    }
    save_file(batch, file)
    return batch


def rename_as_gpt2_on_the_hub(folder: Path) -> None:
    """Gives the file the names of the original GPT-2: no prefix, and mask buffers."""
    file = folder / "model.safetensors"
    tensors = {name.removeprefix("transformer."): value for name, value in load_file(file).items()}
    for layer in range(2):
        tensors[f"h.{layer}.attn.bias"] = torch.ones(32, 32).tril().view(1, 1, 32, 32)
    save_file(tensors, file, metadata={"format": "pt"})


def state_rope_as_before_version_5(folder: Path) -> None:
    """Writes `rope_theta` and `rope_scaling` in place of `rope_parameters`, as hub files have."""
    file = folder / "config.json"
    config = json.loads(file.read_text())
    parameters = config.pop("rope_parameters")
    config["rope_theta"] = parameters.pop("rope_theta")
    config["rope_scaling"] = parameters if parameters["rope_type"] != "default" else None
    file.write_text(json.dumps(config, indent=2))


def gpt2() -> PreTrainedModel:
    """Tied table; fused q, k, v as Conv1D; a vocabulary that divides by nothing."""
    return GPT2LMHeadModel(
        GPT2Config(n_embd=32, n_head=8, n_layer=2, vocab_size=101, n_positions=32, **TOKENS)
    )


def llama() -> PreTrainedModel:
    """Heads wider than hidden / heads, 2 key/value heads for 8, biases, llama3 scaling, untied."""
    return LlamaForCausalLM(
        LlamaConfig(
            hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=8,
            num_key_value_heads=2, head_dim=8, vocab_size=97, max_position_embeddings=64,
            attention_bias=True, tie_word_embeddings=False, rms_norm_eps=1e-5,
            rope_parameters=dict(
                rope_type="llama3", rope_theta=500.0, factor=4.0, low_freq_factor=1.0,
                high_freq_factor=4.0, original_max_position_embeddings=16,
            ),
            **TOKENS,
        )
    )


def mistral() -> PreTrainedModel:
    """A window of 5 in sequences of 16; stored in 16 bits."""
    return MistralForCausalLM(
        MistralConfig(
            hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, vocab_size=100, max_position_embeddings=32, sliding_window=5,
            **TOKENS,
        )
    )


def qwen2() -> PreTrainedModel:
    """Biases on q, k, v alone; tied; stored in bfloat16."""
    return Qwen2ForCausalLM(
        Qwen2Config(
            hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, vocab_size=128, max_position_embeddings=32,
            tie_word_embeddings=True, **TOKENS,
        )
    )


def qwen3() -> PreTrainedModel:
    """RMSNorm of each head's query and key; heads wider than hidden / heads."""
    return Qwen3ForCausalLM(
        Qwen3Config(
            hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=4, head_dim=16, vocab_size=99, max_position_embeddings=32,
            tie_word_embeddings=False, **TOKENS,
        )
    )


CHECKPOINTS = [
    Checkpoint("gpt2", gpt2, finish=rename_as_gpt2_on_the_hub),
    Checkpoint("llama", llama, shard_size="40KB"),
    Checkpoint("mistral", mistral, torch.float16, finish=state_rope_as_before_version_5),
    Checkpoint("qwen2", qwen2, torch.bfloat16),
    Checkpoint("qwen3", qwen3, finish=state_rope_as_before_version_5),
]
