"""Six small models of both families, each with a workload whose step takes this machine some tenths of a second."""

import json
from dataclasses import dataclass
from pathlib import Path

from program import run


@dataclass(frozen=True)
class Small:
    """A Hugging Face configuration and what is trained."""

    configuration: dict
    workload: dict

    def write(self, program: Path, name: str, folder: Path) -> Path:
        """Writes the native model, which carries its workload."""
        configuration = folder / f"{name}.config.json"
        configuration.write_text(json.dumps(self.configuration))
        plan = folder / f"{name}.plan.json"
        run(program, "search", configuration, "--devices", 1, "--precision", "fp32", "--emit", plan, "--json")
        model = json.loads(plan.read_text())["model"] | {"name": name, "workload": self.workload}
        file = folder / f"{name}.json"
        file.write_text(json.dumps(model))
        return file


def workload(sequences: int, tokens: int, optimizer: str = "adamw", precision: str = "fp32") -> dict:
    return {
        "global_batch": sequences, "sequence": tokens, "optimizer": optimizer, "precision": precision,
        "attention": "fused", "dropout": 0}


def gpt2(layers: int, hidden: int, heads: int, tokens: int, vocabulary: int, tied: bool = True) -> dict:
    return {
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5, "tie_word_embeddings": tied, "n_layer": layers, "n_embd": hidden,
        "n_head": heads, "n_positions": tokens, "vocab_size": vocabulary}


def llama(
    layers: int, hidden: int, heads: int, shared: int, ffn: int, tokens: int, vocabulary: int, tied: bool = False
) -> dict:
    """`shared`: key/value heads."""
    return {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_act": "silu",
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": tied, "num_hidden_layers": layers,
        "hidden_size": hidden, "num_attention_heads": heads, "num_key_value_heads": shared,
        "intermediate_size": ffn, "max_position_embeddings": tokens, "vocab_size": vocabulary}


MODELS = {
    "gpt2-wide": Small(gpt2(2, 512, 8, tokens=64, vocabulary=1000), workload(16, 64)),
    "gpt2-deep": Small(gpt2(6, 128, 8, tokens=128, vocabulary=2000), workload(16, 128)),
    "gpt2-untied": Small(gpt2(4, 256, 16, tokens=128, vocabulary=4000, tied=False), workload(16, 128, "sgd")),
    "llama-grouped": Small(
        llama(4, 256, 16, 4, 704, tokens=128, vocabulary=1024), workload(16, 128, precision="mixed")),
    "llama-long": Small(llama(2, 256, 8, 8, 768, tokens=256, vocabulary=8000), workload(8, 256)),
    "llama-tied": Small(llama(3, 384, 8, 2, 1024, tokens=64, vocabulary=2048, tied=True), workload(32, 64, "sgd")),
}
