#!/usr/bin/env python3
"""Golden figures: what PyTorch computes for tiny models of several families, for the tests to agree with.

    pip install torch transformers sentencepiece safetensors numpy
    python3 Tests/Golden/make_golden.py [OUTPUT [CASE …]]

Writes, for every case, a folder of the Hugging Face layout (config.json, *.safetensors,
tokenizer.model) and figures.json. The tests read the committed files and need no Python; the
script runs again only when a case is added. One thread, fixed seeds: the same versions on the
same kind of machine give the same files.

Letters: B windows in a batch, T tokens in a window, V vocabulary. In figures.json:

- A fingerprint of a tensor x, flattened row-major, is {"norm": sqrt(sum x^2), "first": its first
  8 values, "sine": sum x[i] * sin(i)}, both sums in double precision.
- "documentStarts"[b][t] is the index, within the window, of the first token of t's document:
  token t sees tokens documentStarts[b][t] ... t. Positions are 0 ... T-1 whatever the documents.
- "forward" and "documents": one batch through the model as loaded, without and with boundaries;
  gradients are those of the mean loss.
- "batches": what every run trains on, one batch a step. "losses" are means before each step,
  "gradientNorms" are those before clipping, "parameters" fingerprints after the last step.
- "trained" of a run: parameter name -> [first row, end row]. Rows outside stay as they were.

Gains of Gemma's norms, stored as w where the model multiplies by 1 + w, are 1 + w in all figures,
and so it is 1 + w that weight decay makes smaller.

Everything is computed in 32-bit floats; weights stored as BF16 or F16 are widened first.
"""

import io
import json
import math
import pathlib
import shutil
import sys
import tempfile

import numpy
import sentencepiece
import torch
import torch.nn.utils.parametrize
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

WINDOWS = 2
STEPS = 10
PIECES = 384
ADAMW = {"type": "adamw", "learningRate": 1e-3, "betas": [0.9, 0.95], "epsilon": 1e-8,
         "weightDecay": 0.1, "clipNorm": 1.0}
# A starts away from zero and B at zero, so only a larger step makes ten LoRA steps visible.
LORA_ADAMW = dict(ADAMW, learningRate=1e-2)
SGD = {"type": "sgd", "learningRate": 5e-2, "momentum": 0.9, "weightDecay": 0.01, "clipNorm": 1.0}

# --------------------------------------------------------------------------------- the cases

SHARED = {
    "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 64,
    "initializer_range": 0.02, "max_position_embeddings": 256, "use_cache": True,
}
LLAMA = dict(SHARED, architectures=["LlamaForCausalLM"], model_type="llama", rms_norm_eps=1e-5,
             attention_bias=False, mlp_bias=False)

# Three configurations are spelled as published models spell them (rope_theta, rope_scaling), one
# as newer versions of transformers write it (rope_parameters); `other_spelling` turns each around.
CASES = {
    "gqa-tied": {
        "seed": 11, "tokens": 24, "stored": torch.float32, "shards": 1,
        "config": dict(
            LLAMA, num_hidden_layers=2, num_attention_heads=8, num_key_value_heads=2,
            intermediate_size=88, vocab_size=PIECES, tie_word_embeddings=True,
            rope_theta=10000.0, rope_scaling=None, torch_dtype="float32"),
    },
    "mha-untied-llama3": {
        "seed": 12, "tokens": 48, "stored": torch.bfloat16, "shards": 1,
        "config": dict(
            LLAMA, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
            head_dim=24, intermediate_size=128, vocab_size=PIECES, tie_word_embeddings=False,
            rope_theta=10000.0, torch_dtype="bfloat16",
            rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                          "high_freq_factor": 4.0, "original_max_position_embeddings": 32}),
    },
    "linear-rope-f16": {
        # The embedding has more rows than the tokenizer has pieces, as padded models do.
        "seed": 13, "tokens": 24, "stored": torch.float16, "shards": 2,
        "config": dict(
            LLAMA, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=1,
            head_dim=16, intermediate_size=96, vocab_size=400, tie_word_embeddings=False,
            dtype="float16",
            rope_parameters={"rope_type": "linear", "rope_theta": 50000.0, "factor": 4.0}),
    },
    "qwen2-bias": {
        "seed": 14, "tokens": 24, "stored": torch.bfloat16, "shards": 1,
        "config": dict(
            SHARED, architectures=["Qwen2ForCausalLM"], model_type="qwen2", rms_norm_eps=1e-6,
            num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            intermediate_size=128, vocab_size=PIECES, tie_word_embeddings=True,
            rope_theta=1000000.0, attention_dropout=0.0, use_sliding_window=False,
            sliding_window=256, max_window_layers=2, torch_dtype="bfloat16"),
    },
    "qwen3": {
        # Heads wider than the width's share, and windows in the upper two blocks.
        "seed": 16, "tokens": 24, "stored": torch.bfloat16, "shards": 1,
        "config": dict(
            SHARED, architectures=["Qwen3ForCausalLM"], model_type="qwen3", rms_norm_eps=1e-6,
            num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=24,
            intermediate_size=96, vocab_size=PIECES, tie_word_embeddings=True,
            rope_theta=1000000.0, attention_bias=False, attention_dropout=0.0,
            use_sliding_window=True, sliding_window=7, max_window_layers=1,
            torch_dtype="bfloat16"),
    },
    "mistral": {
        "seed": 17, "tokens": 24, "stored": torch.bfloat16, "shards": 1,
        "config": dict(
            SHARED, architectures=["MistralForCausalLM"], model_type="mistral", rms_norm_eps=1e-5,
            num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            intermediate_size=112, vocab_size=PIECES, tie_word_embeddings=False,
            rope_theta=10000.0, attention_dropout=0.0, sliding_window=9, torch_dtype="bfloat16"),
    },
    "phi3": {
        # Its files keep query, key and value in one matrix, and gate and up in another.
        "seed": 18, "tokens": 24, "stored": torch.bfloat16, "shards": 1,
        "config": dict(
            SHARED, architectures=["Phi3ForCausalLM"], model_type="phi3", rms_norm_eps=1e-5,
            num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            intermediate_size=112, vocab_size=PIECES, tie_word_embeddings=False,
            rope_theta=10000.0, attention_dropout=0.0, embd_pdrop=0.0, resid_pdrop=0.0,
            original_max_position_embeddings=256, pad_token_id=0, sliding_window=11,
            torch_dtype="bfloat16"),
    },
    "gemma3": {
        # Windows shorter than the batch's, heads wider than the width's share, and a scale of
        # attention that is not their width's.
        "seed": 15, "tokens": 24, "stored": torch.bfloat16, "shards": 1,
        "config": dict(
            SHARED, architectures=["Gemma3ForCausalLM"], model_type="gemma3_text",
            rms_norm_eps=1e-6, hidden_activation="gelu_pytorch_tanh", num_hidden_layers=3,
            num_attention_heads=4, num_key_value_heads=1, head_dim=24, hidden_size=48,
            intermediate_size=80, vocab_size=PIECES, query_pre_attn_scalar=20,
            sliding_window=7,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            rope_theta=1000000.0, rope_local_base_freq=10000.0,
            rope_scaling={"rope_type": "linear", "factor": 8.0}, attention_bias=False,
            attn_logit_softcapping=None, final_logit_softcapping=None,
            tie_word_embeddings=True, torch_dtype="bfloat16"),
    },
}


def other_spelling(config):
    """The same configuration with its rotary settings in the other of the two formats."""
    config = dict(config)
    if "rope_local_base_freq" in config:
        local = {"rope_type": "default", "rope_theta": config.pop("rope_local_base_freq")}
        whole = dict(config.pop("rope_scaling"), rope_theta=config.pop("rope_theta"))
        config["rope_parameters"] = {"full_attention": whole, "sliding_attention": local}
    elif "rope_parameters" in config:
        scaling = dict(config.pop("rope_parameters"))
        config["rope_theta"] = scaling.pop("rope_theta")
        config["rope_scaling"] = scaling
    else:
        scaling = config.pop("rope_scaling", None) or {"rope_type": "default"}
        config["rope_parameters"] = dict(scaling, rope_theta=config.pop("rope_theta"))
    return config


# ------------------------------------------------------------------------------- the tokenizer

TEXT = """
The miller had three daughters and one small boat, and when the river rose in spring he let
them choose who would cross it first. The eldest said that she could not swim. The second said
that the boat was old. The youngest said nothing at all; she took the oars and was gone before
the others had finished speaking. By the evening she was back with bread, salt and a new rope.
"Why did you not wait for us?" asked her sisters. "Because the river would not wait," she said.
A model learns from its mistakes: it guesses the next word, looks at the word that came, and
moves every weight a little towards the better guess. Most weights need not move. Which of them
matter can be measured: train each one alone for a few steps and see how far the loss falls.
func area(width: Int, height: Int) -> Int { return width * height }
if (x < 10) { total = total + values[x]; } else { print('done: 100%'); }
let shares = [0.25, 0.5, 1.0]  # 3 of 4 layers; a/b - c_d = e & f | ~g ^ h ? @i $j !
In 1984 there were 27 boats on the river, in 1996 only 350 metres of rope, and by 2008 none.
"""

STRINGS = [
    "", " ", "The river", "  two spaces, then a line\n\tand a tab ", "naïve café — 水 🚣",
    "func f(x: Int) -> Int { x * 2 }", "1984+27=2011", "<s></s><unk> stay text", "\u0000\u0007",
]


def train_tokenizer():
    """A SentencePiece model of the Llama kind: BPE, byte fallback, identity normalisation."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT.strip().splitlines()), model_writer=model, vocab_size=PIECES,
        model_type="bpe", byte_fallback=True, character_coverage=1.0, split_digits=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True, unk_id=0, bos_id=1, eos_id=2, pad_id=-1,
        num_threads=1, minloglevel=2)
    return model.getvalue()


# --------------------------------------------------------------------------------- the weights


def random_weights(config, seed):
    """Tensors under their Hugging Face names, in file order, random enough to be telling.

    Normal with deviation 0.15 (logits near ±1.2, uneven attention); gains around 1; biases 0.5.
    """
    generator = torch.Generator().manual_seed(seed)
    width, hidden = config["hidden_size"], config["intermediate_size"]
    head = config.get("head_dim") or width // config["num_attention_heads"]
    queries = head * config["num_attention_heads"]
    keys = head * config["num_key_value_heads"]

    def matrix(rows, columns):
        return 0.15 * torch.randn(rows, columns, generator=generator)

    def vector(size, mean, deviation):
        return mean + deviation * torch.randn(size, generator=generator)

    is_gemma = config["model_type"] == "gemma3_text"

    def gain(size):
        return vector(size, 0 if is_gemma else 1, 0.2)

    weights = {"model.embed_tokens.weight": matrix(config["vocab_size"], width)}
    for layer in range(config["num_hidden_layers"]):
        block = f"model.layers.{layer}."
        weights[block + "input_layernorm.weight"] = gain(width)
        shapes = {"q": (queries, width), "k": (keys, width), "v": (keys, width),
                  "o": (width, queries)}
        for name, (rows, columns) in shapes.items():
            weights[block + f"self_attn.{name}_proj.weight"] = matrix(rows, columns)
            if config["model_type"] == "qwen2" and name != "o":
                weights[block + f"self_attn.{name}_proj.bias"] = vector(rows, 0, 0.5)
        if is_gemma or config["model_type"] == "qwen3":
            weights[block + "self_attn.q_norm.weight"] = gain(head)
            weights[block + "self_attn.k_norm.weight"] = gain(head)
        if is_gemma:
            weights[block + "pre_feedforward_layernorm.weight"] = gain(width)
            weights[block + "post_feedforward_layernorm.weight"] = gain(width)
        weights[block + "post_attention_layernorm.weight"] = gain(width)
        weights[block + "mlp.gate_proj.weight"] = matrix(hidden, width)
        weights[block + "mlp.up_proj.weight"] = matrix(hidden, width)
        weights[block + "mlp.down_proj.weight"] = matrix(width, hidden)
    weights["model.norm.weight"] = gain(width)
    if not config["tie_word_embeddings"]:
        weights["lm_head.weight"] = matrix(config["vocab_size"], width)
    return weights


# Matrices that Phi-3 keeps as one: its linear map, and what its rows are, in order.
FUSED = {"self_attn.qkv_proj": ("q_proj", "k_proj", "v_proj"),
         "mlp.gate_up_proj": ("gate_proj", "up_proj")}


def fused(weights):
    """The weights with Phi-3's matrices put together."""
    weights = dict(weights)
    for layer in sorted({name.split(".")[2] for name in weights if ".layers." in name}):
        for whole, parts in FUSED.items():
            place = f"model.layers.{layer}.{whole.rsplit('.', 1)[0]}."
            rows = [weights.pop(place + part + ".weight") for part in parts]
            weights[f"model.layers.{layer}.{whole}.weight"] = torch.cat(rows)
    return weights


class Joined(torch.nn.Module):
    """A linear map as several, a part of its rows each, so that each trains by itself."""

    def __init__(self, linear, parts, rows):
        super().__init__()
        for name, weight in zip(parts, linear.weight.detach().split(rows)):
            part = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            part.weight = torch.nn.Parameter(weight.clone())
            setattr(self, name, part)
        self.parts = parts

    def forward(self, x):
        return torch.cat([getattr(self, name)(x) for name in self.parts], -1)


def take_apart(model):
    """Phi-3's fused maps as `Joined` ones; other models as they are."""
    if model.config.model_type != "phi3":
        return model
    c = model.config
    head = c.hidden_size // c.num_attention_heads
    rows = {"qkv_proj": [head * c.num_attention_heads] + 2 * [head * c.num_key_value_heads],
            "gate_up_proj": 2 * [c.intermediate_size]}
    for layer in model.model.layers:
        for whole, parts in FUSED.items():
            module, name = whole.split(".")
            owner = getattr(layer, module)
            setattr(owner, name, Joined(getattr(owner, name), parts, rows[name]))
    return model


def write_model(folder, case, tokenizer):
    """config.json, the weights in one file or in shards with their index, tokenizer.model."""
    config = case["config"]
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    (folder / "tokenizer.model").write_bytes(tokenizer)
    weights = {name: value.to(case["stored"]).contiguous()
               for name, value in random_weights(config, case["seed"]).items()}
    if config["model_type"] == "phi3":
        weights = fused(weights)
    if case["shards"] == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names, places = list(weights), {}
    for shard in range(case["shards"]):
        file = f"model-{shard + 1:05d}-of-{case['shards']:05d}.safetensors"
        low, high = (len(names) * (shard + k) // case["shards"] for k in (0, 1))
        part = {name: weights[name] for name in names[low:high]}
        save_file(part, folder / file, metadata={"format": "pt"})
        places.update({name: file for name in part})
    total = sum(value.numel() * value.element_size() for value in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


class OneLess(torch.nn.Module):
    """A stored w as its gain 1 + w, so that the gain is what trains."""

    def forward(self, gain):
        return gain - 1

    def right_inverse(self, weight):
        return weight + 1


def load_whole(folder):
    """The model as transformers has it."""
    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()


def load(folder):
    """The model in 32-bit floats with the plain attention, whose mask we give ourselves."""
    model = take_apart(load_whole(folder))
    for module in list(model.modules()):
        if type(module).__name__ == "Gemma3RMSNorm":
            torch.nn.utils.parametrize.register_parametrization(module, "weight", OneLess())
    return model


def check_other_spelling(folder, case):
    """Both spellings of the rotary settings must load as the same model."""
    config = case["config"]
    inputs = torch.arange(3, 3 + case["tokens"])[None]
    with tempfile.TemporaryDirectory() as other:
        for file in folder.iterdir():
            if file.name != "config.json":
                shutil.copy(file, other)
        text = json.dumps(other_spelling(config))
        pathlib.Path(other, "config.json").write_text(text)
        one, two = AutoConfig.from_pretrained(folder), AutoConfig.from_pretrained(other)
        assert one.rope_parameters == two.rope_parameters, (one, two)
        with torch.no_grad():
            assert torch.equal(load(folder)(inputs).logits, load(other)(inputs).logits)


def check_own_mask(folder, case):
    """Without documents, our masks, sliding windows included, are those of the model itself."""
    one = batch(1000, case["tokens"])
    model = load(folder)
    with torch.no_grad():
        own = load_whole(folder)(torch.tensor(one["inputs"]), use_cache=False).logits
        assert (logits_of(model, one) - own).abs().max() < 1e-5


# ----------------------------------------------------------------------------- names and numbers


PLACES = {
    "model.embed_tokens.": "embedding", "model.norm.": "norm", "lm_head.": "head",
    "input_layernorm.": "attention_norm", "post_attention_layernorm.": "mlp_norm",
    "self_attn.q_proj.": "attention.query", "self_attn.k_proj.": "attention.key",
    "self_attn.v_proj.": "attention.value", "self_attn.o_proj.": "attention.output",
    "mlp.gate_proj.": "mlp.gate", "mlp.up_proj.": "mlp.up", "mlp.down_proj.": "mlp.down",
    "self_attn.q_norm.": "attention.query_norm", "self_attn.k_norm.": "attention.key_norm",
}
# Where a family uses a name for something else.
FAMILY_PLACES = {
    "gemma3_text": {
        "post_attention_layernorm.": "attention_post_norm",
        "pre_feedforward_layernorm.": "mlp_norm", "post_feedforward_layernorm.": "mlp_post_norm",
    },
}


def our_name(name, family):
    """Our name of a Hugging Face parameter; of an adapter's factor, that of its linear + .a/.b."""
    block = ""
    if name.startswith("model.layers."):
        _, _, layer, name = name.split(".", 3)
        name = name.replace("qkv_proj.", "").replace("gate_up_proj.", "")
        block = f"layers[{layer}]."
    for theirs, ours in (PLACES | FAMILY_PLACES.get(family, {})).items():
        if name.startswith(theirs):
            rest = name[len(theirs):].removeprefix("linear.").removesuffix(".original")
            rest = rest.removeprefix("parametrizations.")
            return block + ours + ("" if rest == "weight" else "." + rest)
    raise KeyError(name)


def number(value):
    """Nine significant digits: enough to give a 32-bit float back exactly."""
    value = float(value.detach() if isinstance(value, torch.Tensor) else value)
    assert math.isfinite(value)
    return float(f"{value:.9g}")


def numbers(values):
    return [number(value) for value in values]


def fingerprint(tensor):
    flat = tensor.detach().reshape(-1).double()
    sine = torch.sin(torch.arange(flat.numel(), dtype=torch.float64))
    return {"norm": number(flat.norm()), "sine": number(flat @ sine), "first": numbers(flat[:8])}


def fingerprints(model, of):
    return {our_name(name, model.config.model_type): fingerprint(of(value))
            for name, value in model.named_parameters()}


# ------------------------------------------------------------------------------- batches, losses


def stream(index):
    """A sequence of period 61, so that ten steps can learn it; ids from 1 below PIECES."""
    phase = index % 61
    return 1 + (37 * phase * phase + 11 * phase) % (PIECES - 1)


def batch(first, tokens, boundaries=None):
    """WINDOWS windows of the stream from `first` on; `boundaries`: document starts per window."""
    rows = [[stream(first + b * tokens + t) for t in range(tokens + 1)] for b in range(WINDOWS)]
    starts = []
    for b in range(WINDOWS):
        places = [0] + (boundaries[b] if boundaries else [])
        starts.append([max(p for p in places if p <= t) for t in range(tokens)])
    return {"inputs": [row[:-1] for row in rows], "targets": [row[1:] for row in rows],
            "documentStarts": starts}


def batches(tokens):
    """The ten steps' batches; step 3 has boundaries (one window with two, one with one)."""
    cuts = {3: [[tokens // 3, tokens // 3 + 1], [tokens - 5]]}
    return [batch(step * WINDOWS * tokens, tokens, cuts.get(step)) for step in range(STEPS)]


def logits_of(model, batch):
    """Logits [B, T, V] under the additive mask [B, 1, T, T] that the document starts say."""
    inputs, starts = torch.tensor(batch["inputs"]), torch.tensor(batch["documentStarts"])
    place = torch.arange(inputs.shape[1])
    seen = (place[None, None, :] <= place[None, :, None]) & (place >= starts[:, :, None])
    def mask(seen):
        return torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)[:, None]

    masks = mask(seen)
    window = getattr(model.config, "sliding_window", None)
    if window is not None:
        near = place[:, None] - place[None, :] < window
        local = mask(seen & near)
        # Models without a list of blocks have windows in all.
        listed = hasattr(model.config, "layer_types")
        masks = {"full_attention": masks, "sliding_attention": local} if listed else local
    return model(inputs, attention_mask=masks, use_cache=False).logits


def token_losses(logits, batch):
    targets = torch.tensor(batch["targets"]).reshape(-1)
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets, reduction="none")


def forward_figures(folder, batch):
    """Logits, losses and every gradient of one batch through the model as it was loaded."""
    model = load(folder)
    logits = logits_of(model, batch)
    losses = token_losses(logits, batch)
    losses.mean().backward()
    rows = logits.detach().flatten(0, 1).double()
    return dict(
        batch, lastLogits=[numbers(row) for row in logits[0, -3:]],
        logits={"mean": numbers(rows.mean(1)), "deviation": numbers(rows.std(1, correction=0)),
                "logSumExp": numbers(rows.logsumexp(1))},
        tokenLosses=numbers(losses), loss=number(losses.mean()),
        gradients=fingerprints(model, lambda value: value.grad))


# ------------------------------------------------------------------------------------- the runs


class LowRank(torch.nn.Module):
    """y = x Wᵀ + (alpha / r) (x Aᵀ) Bᵀ (Hu et al. 2021) with A given by a formula and B = 0."""

    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear, self.scale = linear, alpha / rank
        outputs, inputs = linear.weight.shape
        index = torch.arange(rank * inputs, dtype=torch.float64)
        start = torch.sin(0.1 * index + 1) / math.sqrt(inputs)
        self.a = torch.nn.Parameter(start.reshape(rank, inputs).float())
        self.b = torch.nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x):
        return self.linear(x) + self.scale * ((x @ self.a.T) @ self.b.T)


def add_adapters(model, rank, alpha):
    """Freezes the model and wraps every linear inside its blocks."""
    model.requires_grad_(False)
    for layer in model.model.layers:
        joined = [module for module in layer.modules() if isinstance(module, Joined)]
        for part in (layer.self_attn, layer.mlp, *joined):
            for name, child in list(part.named_children()):
                if isinstance(child, torch.nn.Linear):
                    setattr(part, name, LowRank(child, rank, alpha))


def make_optimizer(settings, parameters):
    rate, decay = settings["learningRate"], settings["weightDecay"]
    if settings["type"] == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=settings["momentum"],
                               weight_decay=decay, foreach=False)
    return torch.optim.AdamW(parameters, lr=rate, betas=tuple(settings["betas"]),
                             eps=settings["epsilon"], weight_decay=decay, foreach=False)


def run(folder, name, settings, steps, trained=None, adapter=None):
    """Trains on `steps`; `trained` maps our names to row ranges, None: every parameter whole."""
    model = load(folder)
    if adapter:
        add_adapters(model, **adapter)
    rows = {}
    for theirs, value in model.named_parameters():
        ours = our_name(theirs, model.config.model_type)
        if value.requires_grad and (trained is None or ours in trained):
            low, high = (trained or {}).get(ours) or (0, value.shape[0])
            rows[ours] = (value, low, high, value.detach().clone())
        else:
            value.requires_grad_(False)
    assert trained is None or set(rows) == set(trained)
    values = [value for value, *_ in rows.values()]
    optimizer = make_optimizer(settings, values)
    losses, norms = [], []
    for batch in steps:
        optimizer.zero_grad()
        loss = token_losses(logits_of(model, batch), batch).mean()
        loss.backward()
        for value, low, high, _ in rows.values():
            value.grad[:low] = 0
            value.grad[high:] = 0
        norm = torch.nn.utils.clip_grad_norm_(values, settings["clipNorm"], foreach=False)
        optimizer.step()
        with torch.no_grad():  # weight decay moves masked rows too: put them back
            for value, low, high, start in rows.values():
                value[:low] = start[:low]
                value[high:] = start[high:]
        losses.append(number(loss))
        norms.append(number(norm))
    return {
        "name": name, "optimizer": settings, "adapter": adapter,
        "trained": {ours: [low, high] for ours, (_, low, high, _) in rows.items()},
        "losses": losses, "gradientNorms": norms,
        "parameters": {ours: fingerprint(value) for ours, (value, *_) in rows.items()}}


def run_figures(folder, config, steps):
    hidden = config["intermediate_size"]
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    queries = config["num_attention_heads"] * head
    whole = ["layers[1].attention.output", "layers[1].mlp.up", "layers[0].mlp.down"]
    some = {"layers[1].mlp.up": (0, hidden // 2), "layers[1].attention.query": (0, queries // 2)}
    return [
        run(folder, "full", ADAMW, steps),
        run(folder, "sparse", ADAMW, steps, trained=dict.fromkeys(whole)),
        run(folder, "sparse-rows", ADAMW, steps, trained=some),
        run(folder, "lora", LORA_ADAMW, steps, adapter={"rank": 4, "alpha": 8}),
        run(folder, "sgd", SGD, steps),
    ]


# --------------------------------------------------------------------------------------- writing


def write_json(path, value):
    """Compact, but a line for each value of the outer two levels, so that a diff can be read."""
    def outer(item, depth):
        if isinstance(item, (dict, list)) and item and depth < 2:
            pairs = item.items() if isinstance(item, dict) else ((None, v) for v in item)
            lines = [(json.dumps(k) + ":" if k is not None else "") + outer(v, depth + 1)
                     for k, v in pairs]
            marks = "{}" if isinstance(item, dict) else "[]"
            return marks[0] + "\n" + ",\n".join(lines) + "\n" + marks[1]
        return json.dumps(item, separators=(",", ":"), ensure_ascii=False)

    path.write_text(outer(value, 0) + "\n", encoding="utf-8")


def main():
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.utils.logging.disable_progress_bar()
    versions = {"torch": torch.__version__.split("+")[0],
                "transformers": transformers.__version__,
                "sentencepiece": sentencepiece.__version__, "numpy": numpy.__version__}
    print(" ".join(f"{name} {version}" for name, version in versions.items()))

    tokenizer = train_tokenizer()
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer)
    assert processor.get_piece_size() == PIECES
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "tokenizer.json", [
        {"text": text, "ids": processor.encode(text),
         "pieces": [processor.id_to_piece(i) for i in processor.encode(text)],
         "decoded": processor.decode(processor.encode(text))} for text in STRINGS])

    for name, case in CASES.items():
        if len(sys.argv) > 2 and name not in sys.argv[2:]:
            continue
        folder, tokens = output / name, case["tokens"]
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        write_model(folder, case, tokenizer)
        check_other_spelling(folder, case)
        check_own_mask(folder, case)
        steps = batches(tokens)
        cut = [[tokens // 2], [3, tokens - 1]]
        figures = {
            "versions": versions,
            "forward": forward_figures(folder, batch(1000, tokens)),
            "documents": forward_figures(folder, batch(1000, tokens, cut)),
            "batches": steps,
            "runs": run_figures(folder, case["config"], steps),
        }
        write_json(folder / "figures.json", figures)
        size = sum(file.stat().st_size for file in folder.iterdir())
        deviation = sum(figures["forward"]["logits"]["deviation"]) / (WINDOWS * tokens)
        print(f"{name}: {size / 1000:.0f} kB, loss {figures['forward']['loss']:.4f}, with "
              f"boundaries {figures['documents']['loss']:.4f}, logits ±{deviation:.2f}")
        for done in figures["runs"]:
            print(f"  {done['name']:12} loss {done['losses'][0]:.4f} -> {done['losses'][-1]:.4f}"
                  f", gradient norm {done['gradientNorms'][0]:.3f}")


if __name__ == "__main__":
    main()
