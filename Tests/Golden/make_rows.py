#!/usr/bin/env python3
"""Golden figures of loss masks: rows of prompt and completion under PyTorch's cross-entropy.

    pip install torch transformers sentencepiece protobuf
    python3 Tests/Golden/make_rows.py

Reads the model in Tests/Golden/gqa-tied, writes Tests/Golden/rows/rows.jsonl and figures.json. Each
row runs through the model by itself; what does not count has the label -100.

- "ids" and "labels" of each row: BOS, prompt, completion, EOS; the prompt's labels are -100.
- "losses": for each row the sum over its labels; "counted": their number.
- "mean": the mean over all labels of all rows; "gradientNorm": the norm of its gradient.
"""

import json
import pathlib

import sentencepiece
import torch
from sentencepiece import sentencepiece_model_pb2
from transformers import AutoModelForCausalLM

here = pathlib.Path(__file__).parent
ROWS = [
    ("the big dog sees the red ", "bird."),
    ("Name a colour.\n", "red, and then the cat runs over the old garden."),
    ("the cat likes the house and the small tree. ", "the dog"),
    ("day:", " night"),
    ("a", "b"),
    ("Which bird is it? ", "The big bird that sees the house under the old tree."),
    ("the red tree runs under the old dog and then ", "the cat finds the garden."),
    ("x\n\n", "line one\nline two\n"),
    ("the dog finds the bird and the bird likes the day. ", "ünï 中"),
    ("", "the small cat."),
]


def encoders(path):
    """The tokenizer, and the same one without the space that it puts before a text."""
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(path.read_bytes())
    plain = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())
    extra = proto.normalizer_spec.remove_extra_whitespaces
    proto.normalizer_spec.add_dummy_prefix = False
    bare = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())

    def continuing(text):
        return (plain if extra and text.startswith(" ") else bare).encode(text)

    return plain, continuing


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(here / "gqa-tied", dtype=torch.float32)
    plain, continuing = encoders(here / "gqa-tied" / "tokenizer.model")
    rows, total, counted = [], 0.0, 0
    for prompt, completion in ROWS:
        start = [plain.bos_id()] + plain.encode(prompt)
        rest = (continuing if prompt else plain.encode)(completion) + [plain.eos_id()]
        ids, labels = start + rest, [-100] * len(start) + rest
        logits = model(torch.tensor([ids])).logits[0]
        loss = torch.nn.functional.cross_entropy(
            logits[:-1], torch.tensor(labels[1:]), ignore_index=-100, reduction="sum")
        count = sum(label != -100 for label in labels[1:])
        rows.append({"ids": ids, "labels": labels, "loss": loss.item(), "counted": count})
        total, counted = total + loss, counted + count
    mean = total / counted
    mean.backward()
    norm = torch.sqrt(sum((p.grad.double() ** 2).sum() for p in model.parameters()))
    out = here / "rows"
    out.mkdir(exist_ok=True)
    with open(out / "rows.jsonl", "w", encoding="utf-8") as file:
        for prompt, completion in ROWS:
            row = {"id": len(prompt), "prompt": prompt, "completion": completion}
            file.write(json.dumps(row) + "\n")
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    (out / "figures.json").write_text(
        f'{{"mean": {mean.item()}, "gradientNorm": {norm.item()}, "rows": [\n  {lines}\n]}}\n')
    print(mean.item(), norm.item(), [len(row["ids"]) for row in rows])


main()
