#!/usr/bin/env python3
"""Families' GGUF files against llama.cpp: whether names, fused matrices and rotary layout are theirs.

    pip install torch transformers gguf sentencepiece safetensors xllamacpp
    python3 Tests/Golden/gguf/check_families.py [.build/debug/sparseft]

Writes the golden cases qwen2-bias, qwen3 and phi3, without their windows, which llama.cpp does not
have for these types, as GGUF files, their tensors called as the package gguf maps Hugging Face's
names, and has llama.cpp and transformers continue the same ids greedily: the ids are equal and
their log-probabilities within 1e-3. With a sparseft, imports file and folder and compares their
losses on a text: equal to the last digit.
"""

import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile

import gguf
import sentencepiece
import torch
import xllamacpp
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

GOLDEN = pathlib.Path(__file__).resolve().parents[1]
ARCHITECTURES = {"qwen2": gguf.MODEL_ARCH.QWEN2, "qwen3": gguf.MODEL_ARCH.QWEN3,
                 "phi3": gguf.MODEL_ARCH.PHI3}
EOS = 2  # is passed over by both
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
    writer.add_eos_token_id(EOS)
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


def by_llama_cpp(path):
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = 256
    params.warmup = False
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.verbosity = 0
    server = xllamacpp.Server(params)
    answer = server.handle_completions({
        "prompt": PROMPT, "n_predict": STEPS, "max_tokens": STEPS, "temperature": 0.0,
        "n_probs": 1, "logprobs": 1, "cache_prompt": False, "ignore_eos": True})
    choice = answer["choices"][0] if "choices" in answer else answer
    places = choice.get("logprobs", {}).get("content") or answer["completion_probabilities"]
    return [(place["id"], place["logprob"]) for place in places]


def by_transformers(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids, found = list(PROMPT), []
    with torch.no_grad():
        for _ in range(STEPS):
            scores = torch.log_softmax(model(torch.tensor([ids])).logits[0, -1].double(), -1)
            best = int(scores.where(torch.arange(len(scores)) != EOS, -torch.inf).argmax())
            found.append((best, float(scores[best])))
            ids.append(best)
    return found


def difference(found, expected):
    """The largest difference of log-probabilities; llama.cpp does not show pieces of a character."""
    assert len(found) >= STEPS // 3
    worst, rest = 0, iter(expected)
    for token, score in found:
        match = next((other for other in rest if other[0] == token), None)
        worst = max(worst, abs(match[1] - score) if match else math.inf)
    return worst


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


def main():
    for case in ("qwen2-bias", "qwen3", "phi3"):
        with tempfile.TemporaryDirectory() as name:
            scratch = pathlib.Path(name)
            folder = pathlib.Path(shutil.copytree(GOLDEN / case, scratch / "folder"))
            config = json.loads((folder / "config.json").read_text())
            config.update(use_sliding_window=False, sliding_window=None)
            (folder / "config.json").write_text(json.dumps(config))
            path = scratch / "model.gguf"
            write_gguf(folder, config, path)
            expected = by_transformers(folder)
            found = by_llama_cpp(path)
            worst = difference(found, expected)
            assert worst < 1e-3, (found, expected)
            line = f"{case}: {len(found)} of {STEPS} tokens seen and equal, log-probabilities within {worst:.1e}"
            if len(sys.argv) > 1:
                one, two = losses(sys.argv[1], folder, path, scratch)
                line += f", losses {one:.6f} {two:.6f}"
            print(line)


if __name__ == "__main__":
    main()
