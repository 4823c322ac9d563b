"""Writes what the files of format version 1 were made from: a tokenizer, a configuration, a text."""
import json, random, struct

def piece(text, kind, score):
    body = b"\x0a" + bytes([len(text.encode())]) + text.encode() + b"\x15" + struct.pack("<f", score)
    body += b"\x18" + bytes([kind])
    return b"\x0a" + bytes([len(body)]) + body

model = piece("<unk>", 2, 0) + piece("<s>", 3, 0) + piece("</s>", 3, 0)
words = ["▁"] + [chr(c) for c in range(ord("a"), ord("z") + 1)] + ["▁a"]
for rank, word in enumerate(words):
    model += piece(word, 1, -rank)
open("tokenizer.model", "wb").write(model + b"\x12\x02\x18\x02")  # byte-pair

json.dump({
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
    "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 32, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "tie_word_embeddings": True, "vocab_size": 32,
}, open("config.json", "w"), indent=1)

random.seed(1)
names = "a cat dog sees the red tree and runs".split()
open("text.txt", "w").write("\n".join(" ".join(random.choices(names, k=8)) for _ in range(24)) + "\n")
