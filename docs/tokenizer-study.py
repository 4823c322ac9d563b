#!/usr/bin/env python3
"""Compares sparseft's ids with Hugging Face's `tokenizers` on 10 MB of mixed text, and the speeds.

    python3 docs/tokenizer-study.py                          # ../shared/data/smollm2/tokenizer.json
    python3 docs/tokenizer-study.py a/tokenizer.json b.json  # others
    python3 docs/tokenizer-study.py --figures                # what Tests/TokenizersTests has committed

Needs the package tokenizers, and a release build of sparseft. The text is the novels and stories in
../shared/data/text, this repository's own files, and characters drawn at random: all of Unicode,
scripts, emoji, combining marks, and strings that tokenizers treat specially. Both sides use one
thread. Hugging Face's side is told to split special tokens, since sparseft never finds them in text.
"""

import argparse
import hashlib
import json
import os
import random
import struct
import subprocess
import tempfile
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared/data"
SPARSEFT = os.environ.get("SPARSEFT", str(ROOT / ".build/release/sparseft"))
NAMES = ["moby_dick", "pride_and_prejudice", "tinyshakespeare", "tinystories", "wikitext2_valid"]
# Tests/TokenizersTests/StressText.swift has the same list.
PARTS = [
    " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "a", "b", "the", " The", "é", "e\u0301", "ﬁ",
    "ſ", "\u212A", "'s", "'S", "'ll", "'LL", "’s", "1", "12", "1234", "½", "Ⅷ", "٣", "中", "文",
    "。", "，", "🙂", "👩\u200d👩\u200d👧", "🇩🇪", "\u200d", "\ufe0f", "\u00a0", "\u3000", "\u180e",
    "\u2028", "\u0085", "\ufeff", "\ufffd", "\0", "\u001f", "\u007f", "<", ">", "</s>",
    "<|endoftext|>", "<|im_start|>", "▁", "▁▁", "##", "def ", "return\n", "    ", "\u0301", "ß",
    "İ", "Ǆ", "_", "$", "€", "+", "=", "^", "~", "|", "`", "..", "...", "!?", "-", "—", "“", "”",
    "«", "x=1;", "//", "/*", "http://a.b/c?d=e&f",
]
# Ranges that random characters come from; the last figure is how many.
RANGES = [(0, 0x10FFFF, 40000), (0, 0x2FFF, 40000), (0x4E00, 0x9FFF, 40000),
          (0xAC00, 0xD7A3, 20000), (0x1F000, 0x1FAFF, 20000), (0x300, 0x36F, 20000),
          (0x3040, 0x30FF, 20000), (0x600, 0x6FF, 20000), (0x900, 0x97F, 20000)]


def parts(count, seed):
    """Parts drawn by a linear congruential generator (Knuth's MMIX), as the test draws them."""
    text, state = [], seed
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        text.append(PARTS[(state >> 33) % len(PARTS)])
    return "".join(text)


def scalars(draw, low, high, count):
    found = (draw.randint(low, high) for _ in range(2 * count))
    return "".join(chr(c) for c in found if not 0xD800 <= c <= 0xDFFF)[:count]


def mixed():
    texts = [(SHARED / f"text/{name}.txt").read_text()[:1_400_000] for name in NAMES]
    listed = subprocess.run(["git", "ls-files", "-z", "Sources", "Tests", "docs"], cwd=ROOT,
                            capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, listed):
        try:
            texts.append((ROOT / name).read_bytes().decode())
        except UnicodeDecodeError:
            pass
    draw = random.Random(7)
    texts += [scalars(draw, *bounds) for bounds in RANGES]
    texts += [parts(400_000, 1), "\n".join(parts(12, seed) for seed in range(20_000))]
    return "\n".join(texts)


def reference(path):
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True
    return tokenizer


def chunks(text, size=1000):
    """Lines, joined to about `size` characters: `tokenizers` is slower on one long text."""
    found, length = [], 0
    for line in text.splitlines(keepends=True):
        found.append(line)
        length += len(line)
        if length >= size:
            yield "".join(found)
            found, length = [], 0
    yield "".join(found)


def sparseft(path, folder):
    """The ids of folder/text.txt, and the seconds of encoding it."""
    rows = max(Tokenizer.from_file(str(path)).get_vocab().values()) + 1
    (folder / "config.json").write_text(json.dumps({
        "model_type": "llama", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 1, "num_key_value_heads": 1, "vocab_size": rows,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "tie_word_embeddings": True}))
    model = str(folder / "m.sfckpt")
    subprocess.run([SPARSEFT, "init", "--config", str(folder / "config.json"), "--tokenizer",
                    str(path), "-o", model], check=True, stderr=subprocess.DEVNULL)
    result = subprocess.run([SPARSEFT, "tokenize", "--model", model, "--file",
                             str(folder / "text.txt"), "--json", "--time"], capture_output=True,
                            check=True)
    seconds = float(result.stderr.decode().split("encoded in ")[1].split()[0])
    return json.loads(result.stdout)["ids"], seconds


def compare(path, text, folder):
    tokenizer = reference(path)
    start = time.perf_counter()
    expected = tokenizer.encode(text, add_special_tokens=False)
    whole = time.perf_counter() - start
    start = time.perf_counter()
    for chunk in chunks(text):
        tokenizer.encode(chunk, add_special_tokens=False)
    chunked = time.perf_counter() - start
    ids, seconds = sparseft(path, folder)
    size = len(text.encode()) / 1e6
    places = [i for i, (a, b) in enumerate(zip(expected.ids, ids)) if a != b]
    equal = "all equal" if expected.ids == ids else f"DIFFERENT ({len(ids)} ids)"
    print(f"{path}: {len(expected.ids)} ids of {size:.2f} MB: {equal}")
    if places:
        start, end = expected.offsets[places[0]]
        print(f"  first at {places[0]}: {text[max(0, start - 8):end + 8]!r}")
    print(f"  MB/s: sparseft {size / seconds:.1f}, tokenizers {size / chunked:.2f} "
          f"(one text: {size / whole:.2f})")


def figures():
    tokenizer = reference(SHARED / "smollm2/tokenizer.json")
    texts = {name: (SHARED / f"text/{name}.txt").read_bytes()[:60_000] for name in NAMES}
    texts = {name: data.decode(errors="ignore") for name, data in texts.items()}
    texts["parts"] = parts(20_000, 1)
    for name, text in texts.items():
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        digest = hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()
        print(f'    "{name}": ({len(ids)}, "{digest[:16]}"),')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenizers", nargs="*", type=Path,
                        default=[SHARED / "smollm2/tokenizer.json"])
    parser.add_argument("--figures", action="store_true", help="print what the test compares with")
    arguments = parser.parse_args()
    if arguments.figures:
        return figures()
    text = mixed()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "text.txt").write_bytes(text.encode())
        for path in arguments.tokenizers:
            compare(path, text, Path(folder))


if __name__ == "__main__":
    main()
