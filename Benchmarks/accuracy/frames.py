"""What tpplan predicts of measured layers and steps of one GPU: models made up from rows of measurements."""

import json
import pathlib
import subprocess
import tempfile


def config(row, layers, vocabulary, sequence):
    """The Hugging Face configuration of the model that `row` was measured on."""
    heads = int(row["heads"])
    if row["gated"] == "True":
        return {
            "model_type": "llama", "hidden_size": int(row["h"]), "num_attention_heads": heads,
            "num_key_value_heads": int(row["kv"]), "intermediate_size": int(row["ffn"]),
            "num_hidden_layers": layers, "vocab_size": vocabulary, "tie_word_embeddings": False,
            "max_position_embeddings": sequence, "rms_norm_eps": 1e-5,
        }
    return {
        "model_type": "gpt2", "n_embd": int(row["h"]), "n_head": heads, "n_layer": layers,
        "n_inner": int(row["ffn"]), "vocab_size": vocabulary, "n_positions": sequence,
    }


class Planner:
    """A built tpplan and a cluster file."""

    def __init__(self, tpplan, cluster):
        self.tpplan, self.cluster = tpplan, cluster

    def run(self, *arguments):
        done = subprocess.run([self.tpplan, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, arguments))}: {done.stderr or done.stdout}")
        return done.stdout

    def plan(self, model, folder, tensor, row, sequence, *more):
        """The one plan of `model` on a mesh of `tensor` devices, and where it was written."""
        path = pathlib.Path(folder, "config.json")
        path.write_text(json.dumps(model))
        plan = pathlib.Path(folder, "plan.json")
        mesh = ["--layout", "megatron", "--tensor", tensor, "--no-sequence-parallel"]
        answer = self.run(
            "search", path, "--cluster", self.cluster, "--devices", tensor,
            *(mesh if tensor > 1 else ["--layout", "data"]), "--data", 1, "--pipeline", 1,
            "--context", 1, "--micro-batch", row["b"], "--global-batch", row["b"], "--sequence",
            sequence, "--memory", "unlimited", "--zero", 0, "--recompute", row["recompute"],
            "--top", 1, "--json", "--emit", plan, *more)
        return json.loads(answer)["plans"][0], plan

    def layer(self, row):
        """Seconds of a layer's forward and backward passes, nothing communicated."""
        sequence = int(row["s"])
        attention = "unfused" if row["attn"] == "softmax" else "fused"
        with tempfile.TemporaryDirectory() as folder:
            _, plan = self.plan(
                config(row, 1, 32000, sequence), folder, int(row["t"]), row, sequence,
                "--precision", "bf16", "--attention", attention, "--dropout", row["dropout"],
                "--gathers-inputs", "saved")
            blocks = json.loads(self.run("explain", plan, "--json"))["blocks"]
        phases = [
            phase for block in blocks if block["class"] in ("attention", "mlp")
            for phase in block["phases"]]
        seconds = lambda *names: sum(p["kernel_seconds"] for p in phases if p["phase"] in names)
        return seconds("forward"), seconds("recompute", "input-gradient", "weight-gradient")

    def step(self, row):
        """The plan of a whole training step on one GPU."""
        sequence = int(row["seq"])
        with tempfile.TemporaryDirectory() as folder:
            plan, _ = self.plan(
                config(row, int(row["layers"]), int(row["vocab"]), sequence), folder, 1, row,
                sequence, "--precision", "mixed", "--pad-vocabulary", 1)
        return plan
