#!/usr/bin/env python3
"""Families' GGUF files against llama.cpp: whether names, fused matrices, windows and rotary layout are theirs.

    pip install torch transformers peft gguf sentencepiece safetensors xllamacpp
    python3 Tests/Golden/gguf/check_families.py [.build/debug/sparseft]

Writes golden cases, without the windows that llama.cpp does not have for their types, as GGUF files, their tensors called as the package gguf maps Hugging Face's
names, and has llama.cpp and transformers continue the same ids greedily: the ids are equal and
their log-probabilities within 1e-3. With a sparseft, imports file and folder and compares their
losses on a text: equal to the last digit; and has llama.cpp continue the ids by the file that
`export --format gguf` makes of the folder, and of a LoRA's adapter beside it.
"""

import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile

import gguf
import peft
import sentencepiece
import torch
import xllamacpp
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

GOLDEN = pathlib.Path(__file__).resolve().parents[1]
ARCHITECTURES = {"qwen2": gguf.MODEL_ARCH.QWEN2, "qwen3": gguf.MODEL_ARCH.QWEN3,
                 "phi3": gguf.MODEL_ARCH.PHI3}
CASES = ["gqa-tied", "mha-untied-llama3", "qwen2-bias", "qwen3", "phi3", "gemma3"]
# Passed over by both: EOS and the bytes, of which llama.cpp shows no log-probabilities.
PASSED_OVER = [2, *range(3, 259)]
PROMPT, STEPS = [1, 37, 5, 200, 111, 9, 50, 301, 77, 4, 90, 23, 8, 250, 61, 12], 12


def write_gguf(folder, config, path):
    kind = config["model_type"]
    layers = config["num_hidden_layers"]
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    writer = gguf.GGUFWriter(path, kind)
    writer.add_block_count(layers)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    if kind == "phi3":
        writer.add_sliding_window(0)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    ids = range(pieces.get_piece_size())
    writer.add_tokenizer_model("llama")
    writer.add_token_list([pieces.id_to_piece(i) for i in ids])
    writer.add_token_scores([pieces.get_score(i) for i in ids])
    writer.add_token_types([
        6 if pieces.is_byte(i) else 3 if pieces.is_control(i) else 2 if pieces.is_unknown(i) else 1
        for i in ids])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_space_prefix(True)
    names = gguf.get_tensor_name_map(ARCHITECTURES[kind], layers)
    for name, value in load_file(folder / "model.safetensors").items():
        theirs = names.get_name(name, try_suffixes=(".weight", ".bias"))
        data = value.float().numpy()
        writer.add_tensor(theirs, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def by_llama_cpp(path, adapter=None):
    params = xllamacpp.CommonParams()
    if adapter:
        lora = xllamacpp.CommonAdapterLoraInfo()
        lora.path, lora.scale = str(adapter), 1.0
        params.lora_adapters = [lora]
    params.model.path = str(path)
    params.n_ctx = 256
    params.warmup = False
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.verbosity = 0
    server = xllamacpp.Server(params)
    answer = server.handle_completions({
        "prompt": PROMPT, "n_predict": STEPS, "max_tokens": STEPS, "temperature": 0.0,
        "n_probs": 1, "logprobs": 1, "cache_prompt": False,
        "logit_bias": [[token, False] for token in PASSED_OVER]})
    choice = answer["choices"][0] if "choices" in answer else answer
    places = choice.get("logprobs", {}).get("content") or answer["completion_probabilities"]
    return [(place["id"], place["logprob"]) for place in places]


def by_transformers(folder, adapter=None):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    if adapter:
        model = peft.PeftModel.from_pretrained(model, adapter).eval()
    ids, found = list(PROMPT), []
    with torch.no_grad():
        for _ in range(STEPS):
            scores = torch.log_softmax(model(torch.tensor([ids])).logits[0, -1].double(), -1)
            allowed = scores.clone()
            allowed[PASSED_OVER] = -torch.inf
            best = int(allowed.argmax())
            found.append((best, float(scores[best])))
            ids.append(best)
    return found


def difference(found, expected):
    """The largest difference of log-probabilities; infinite where tokens differ."""
    assert len(found) == len(expected) == STEPS
    return max(abs(a - b) if one == two else math.inf for (one, a), (two, b) in zip(found, expected))


def losses(sparseft, folder, path, scratch):
    text = scratch / "text.txt"
    text.write_text("The river was high, and the miller's boat was old. " * 5)
    found = []
    for name, source in (("folder", folder), ("file", path)):
        model = scratch / (name + ".sfckpt")
        model.unlink(missing_ok=True)
        subprocess.run([sparseft, "import", source, "-o", model, "--dtype", "f32"], check=True,
                       stderr=subprocess.DEVNULL)
        shown = subprocess.run(
            [sparseft, "eval", "--model", model, "--data", text, "--sequence-length", "32",
             "--json"], check=True, capture_output=True, text=True).stdout
        found.append(json.loads(shown)["loss"])
    return found


def random_adapter(folder, path):
    """A LoRA of all linear maps, as PEFT saves it, that changes what the model says."""
    torch.manual_seed(5)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    # Left without its initialisation, B is not 0.
    settings = peft.LoraConfig(r=3, lora_alpha=5, target_modules="all-linear", init_lora_weights=False)
    model = peft.get_peft_model(model, settings)
    for name, value in model.named_parameters():
        if "lora_" in name:
            value.data.normal_(std=0.2)
    model.save_pretrained(path)


def exported(sparseft, folder, scratch):
    """What llama.cpp makes of sparseft's own files: the model's, and the model's with an adapter's."""
    def run(*words):
        subprocess.run([sparseft, *words], check=True, stderr=subprocess.DEVNULL)

    model, file, adapter = scratch / "own.sfckpt", scratch / "own.gguf", scratch / "adapter"
    random_adapter(folder, adapter)
    run("import", folder, "-o", model, "--dtype", "f32")
    run("export", model, "--format", "gguf", "--dtype", "f32", "-o", file)
    run("import", adapter, "--model", model, "-o", scratch / "adapter.sfdelta")
    run("export", model, "--delta", scratch / "adapter.sfdelta", "--format", "peft", "-o", scratch / "out")
    changed = by_llama_cpp(file, scratch / "out" / "adapter_model.gguf")
    expected = by_transformers(folder, adapter)
    assert expected != by_transformers(folder)
    return (difference(by_llama_cpp(file), by_transformers(folder)), difference(changed, expected))


def prepared(case, scratch):
    """The case's folder without what GGUF files of its type do not hold."""
    folder = pathlib.Path(shutil.copytree(GOLDEN / case, scratch / "folder"))
    config = json.loads((folder / "config.json").read_text())
    if config["model_type"] == "gemma3_text":
        config.update(query_pre_attn_scalar=config["head_dim"])
    else:
        config.update(use_sliding_window=False, sliding_window=None)
    (folder / "config.json").write_text(json.dumps(config))
    return folder, config


def main():
    for case in CASES:
        with tempfile.TemporaryDirectory() as name:
            scratch = pathlib.Path(name)
            folder, config = prepared(case, scratch)
            line = f"{case}:"
            if config["model_type"] in ARCHITECTURES:
                path = scratch / "model.gguf"
                write_gguf(folder, config, path)
                expected = by_transformers(folder)
                found = by_llama_cpp(path)
                worst = difference(found, expected)
                assert worst < 1e-3, (found, expected)
                line += f" {len(found)} tokens equal, log-probabilities within {worst:.1e}"
                if len(sys.argv) > 1:
                    one, two = losses(sys.argv[1], folder, path, scratch)
                    line += f", losses {one:.6f} {two:.6f};"
            if len(sys.argv) > 1:
                model, adapter = exported(sys.argv[1], folder, scratch)
                # ggml looks GELU up in a table of f16.
                limit = 5e-3 if case == "gemma3" else 1e-3
                assert model < limit and adapter < limit, (case, model, adapter)
                line += (f" exported: log-probabilities within {model:.1e}, "
                         f"with an adapter within {adapter:.1e}")
            print(line, flush=True)


if __name__ == "__main__":
    main()
