"""Scores the items with lm-evaluation-harness and compares them with what sparseft wrote.

compare.py FOLDER, with FOLDER/model, table.json and items.jsonl as `check` makes them.
"""
import json
import math
import os
import sys

import lm_eval
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

HERE = os.path.dirname(os.path.abspath(__file__))
COMMON = {"test_split": "test", "dataset_path": "json", "doc_to_text": "{{prompt}}"}
TASKS = {
    "choices": {
        "output_type": "multiple_choice",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{answer}}",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    },
    "target_texts": {
        "output_type": "generate_until",
        "doc_to_target": "{{target}}",
        "generation_kwargs": {"until": ["\n"], "do_sample": False, "max_gen_toks": 24},
        "filter_list": [
            {
                "name": "trimmed",
                "filter": [{"function": "remove_whitespace"}, {"function": "take_first"}],
            }
        ],
        "metric_list": [{"metric": "exact_match"}],
    },
    # Here the harness puts nothing between prompt and target.
    "target_losses": {
        "output_type": "loglikelihood",
        "doc_to_target": " {{target}}",
        "metric_list": [{"metric": "perplexity"}],
    },
}


def task(name):
    """A task's description with its file."""
    file = "choices.jsonl" if name == "choices" else "targets.jsonl"
    data = {"data_files": {"test": os.path.join(HERE, file)}}
    return {"task": name, **COMMON, **TASKS[name], "dataset_kwargs": data}


def harness(folder):
    """Results and samples of the harness, in f32."""
    model = HFLM(pretrained=os.path.join(folder, "model"), dtype="float32", batch_size=8, device="cpu")
    return lm_eval.simple_evaluate(
        model=model, tasks=[task(name) for name in TASKS], log_samples=True,
        task_manager=TaskManager(include_defaults=False), bootstrap_iters=0)


def main(folder):
    results = harness(folder)
    samples = {
        name: sorted(results["samples"][name], key=lambda sample: sample["doc_id"]) for name in TASKS
    }
    figures = {
        name: {key.split(",")[0]: value for key, value in results["results"][name].items()}
        for name in TASKS
    }
    with open(os.path.join(folder, "items.jsonl")) as file:
        items = [json.loads(line) for line in file]
    with open(os.path.join(folder, "table.json")) as file:
        choices, targets = (data["scores"][0] for data in json.load(file)["data"])
    choice_items = [item for item in items if "log_likelihoods" in item]
    target_items = [item for item in items if "log_likelihood" in item]

    pairs = []
    for ours, theirs in zip(choice_items, samples["choices"], strict=True):
        likelihoods = [response[0][0] for response in theirs["resps"]]
        pairs += zip(ours["log_likelihoods"], likelihoods, strict=True)
    for ours, theirs in zip(target_items, samples["target_losses"], strict=True):
        pairs.append((ours["log_likelihood"], theirs["resps"][0][0][0]))
    worst = max(abs(ours - theirs) / max(1, abs(theirs)) for ours, theirs in pairs)
    exact = [
        (ours["exact_match"], bool(theirs["exact_match"]))
        for ours, theirs in zip(target_items, samples["target_texts"], strict=True)
    ]
    loss = -sum(sample["resps"][0][0][0] for sample in samples["target_losses"])
    loss /= sum(item["tokens"] for item in target_items)

    rows = [
        ("accuracy", choices["accuracy"]["value"], figures["choices"]["acc"]),
        ("accuracy by length", choices["accuracy_normalised"]["value"], figures["choices"]["acc_norm"]),
        ("exact match", targets["exact_match"]["value"], figures["target_texts"]["exact_match"]),
        ("loss on targets", targets["loss"]["value"], loss),
        ("perplexity of a target", math.exp(-sum(item["log_likelihood"] for item in target_items)
                                            / len(target_items)), figures["target_losses"]["perplexity"]),
    ]
    print(f"lm-eval {lm_eval.__version__}, {len(choice_items)} choices, {len(target_items)} targets")
    for name, ours, theirs in rows:
        print(f"{name:24} sparseft {ours:.6f}  harness {theirs:.6f}")
    print(f"{len(pairs)} log-likelihoods differ by at most {worst:.2e} of their size")
    print(f"exact matches that differ: {sum(ours != theirs for ours, theirs in exact)}")
    alike = all(abs(ours - theirs) <= 1e-4 * max(1, abs(theirs)) for _, ours, theirs in rows)
    sys.exit(0 if alike and worst < 3e-4 and all(a == b for a, b in exact) else 1)


if __name__ == "__main__":
    main(sys.argv[1])
