#!/usr/bin/env python3
"""Golden ids of chats under tokenizers that treat the space around control tokens differently.

    pip install tokenizers transformers
    python3 Tests/Golden/make_spaces.py

Trains a small byte-pair vocabulary on the texts of Tests/Golden/chats/figures.json (make_chats.py) and has
transformers encode them as apply_chat_template does, control tokens and all; writes
Tests/Golden/chats/spaces.json:

- "model", "decoder": those members of all tokenizer.json.
- "cases": for each, the "model" of figures.json, the members of tokenizer.json that differ, and the "ids" of each of the
  model's texts.
"""

import json
import pathlib

from tokenizers import Tokenizer, models, trainers
from transformers import PreTrainedTokenizerFast

folder = pathlib.Path(__file__).parent / "chats"
CONTROLS = ["<s>", "</s>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|im_start|>",
            "<|im_end|>", "<|endoftext|>", "[INST]", "[/INST]"]
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
PREPEND = {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, REPLACE]},
           "pre_tokenizer": None}


def metaspace(scheme):
    return {"normalizer": None, "pre_tokenizer": {
        "type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": False}}


# The model of figures.json, how spaces are put before texts, and flags of its control tokens.
CASES = [
    ("phi3", PREPEND, {"rstrip": ["<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "</s>"]}),
    ("phi3", PREPEND, {}),
    ("phi3", metaspace("first"), {"rstrip": ["<|user|>", "<|end|>"], "lstrip": ["<|end|>", "<|user|>"]}),
    ("mistral-v3", metaspace("first"), {}),
    ("mistral-v3", metaspace("always"), {}),
    ("mistral-v3", metaspace("never"), {}),
    ("mistral-v3", PREPEND, {"lstrip": ["[/INST]"]}),
    ("llama2", metaspace("first"), {}),
    ("zephyr", metaspace("first"), {}),
    ("smollm2", metaspace("first"), {}),
    ("smollm2", PREPEND, {"plain": ["<|im_start|>", "<|im_end|>"]}),
]


def vocabulary(texts):
    """Byte pairs of the texts, spaces spelled, with byte fallback."""
    tokenizer = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(vocab_size=190, show_progress=False)
    tokenizer.train_from_iterator([word for text in texts for word in
                                   text.replace(" ", " ▁").split(" ")], trainer)
    trained = json.loads(tokenizer.to_str())["model"]
    pieces = ["<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    pieces += [piece for piece in trained["vocab"] if piece != "\n"]
    merges = [merge for merge in trained["merges"] if "\n" not in "".join(merge)]
    made = {"".join(merge) for merge in merges}
    pieces = [piece for piece in pieces if len(piece) == 1 or piece[0] == "<" or piece in made]
    return {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
            "vocab": {piece: index for index, piece in enumerate(pieces)}, "merges": merges}


def main():
    figures = json.loads((folder / "figures.json").read_text())
    by_name = {model["name"]: model for model in figures["models"]}
    texts = [message["content"] for chat in figures["chats"] for message in chat["messages"]]
    model = vocabulary(texts + ["user\n assistant\n system\n You are a helpful assistant"])
    decoder = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
        {"type": "Fuse"}]}
    cases = []
    for name, spaces, flags in CASES:
        added = [{"id": len(model["vocab"]) + index, "content": content, "single_word": False,
                  "lstrip": content in flags.get("lstrip", []), "rstrip": content in flags.get("rstrip", []),
                  "normalized": False, "special": content not in flags.get("plain", [])}
                 for index, content in enumerate(CONTROLS)
                 # To Llama 2 and Zephyr these are text.
                 if "[" not in content or name.startswith("mistral")]
        members = {**spaces, "added_tokens": added}
        whole = {"version": "1.0", "truncation": None, "padding": None, "post_processor": None,
                 "decoder": decoder, "model": model, **members}
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(whole)))
        ids = [text and tokenizer(text, add_special_tokens=False).input_ids
               for text in by_name[name]["texts"]]
        cases.append({"model": name, "members": members, "ids": ids})
    lines = ",\n  ".join(json.dumps(case) for case in cases)
    (folder / "spaces.json").write_text(
        f'{{"model": {json.dumps(model)},\n "decoder": {json.dumps(decoder)},\n "cases": [\n  {lines}\n]}}\n')
    print(len(cases), "cases,", len(model["vocab"]), "pieces")


main()
