#!/usr/bin/env python3
"""Golden figures of chat templates: what models' own Jinja templates make of a set of chats.

    pip install jinja2 transformers sentencepiece trl
    python3 Tests/Golden/make_chats.py [FOLDER]

Reads the templates that TRL ships as its models' own (Gemma, Llama 3 to 3.2, Phi-3, Qwen 2.5 and 3),
SmolLM2's in ../shared/data, and *.jinja of FOLDER, named as the keys of MODELS; writes
Tests/Golden/chats/figures.json. Only what the templates write is kept, not the templates.

- "chats": the chats; "prompting": whether an answer is asked for at the end.
- "models": for each, our "template", the model's "default_system", the spellings of BOS and EOS, and
  "texts": a text for each chat, null where the template refuses it.
- "ids": where the vocabulary is in ../shared/data, the ids of each text as transformers splits it.
"""

import importlib.util
import json
import pathlib
import sys

from jinja2.exceptions import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from transformers import LlamaTokenizer, PreTrainedTokenizerFast

here = pathlib.Path(__file__).parent
shared = here.parent.parent.parent / "shared" / "data"
S, U, A = "system", "user", "assistant"
CHATS = [
    ([(U, "What is it?")], True),
    ([(U, "What is it?"), (A, "A jellybean.")], False),
    ([(S, "Be brief."), (U, "What is it?")], True),
    ([(U, "One?"), (A, "Two."), (U, "Three?"), (A, "Four,\nand five.")], False),
    ([(S, "Be\nbrief."), (U, "One?"), (A, "Two."), (U, "Three?")], True),
    ([(U, "  spaced \n\n out \n"), (A, "\n too \n"), (U, "x")], True),
    ([(U, "ünï 中文 🙂"), (A, "def f(x):\n\treturn x\n")], False),
    ([(U, "Why?"), (A, "<think>\nHm.\n</think>\n\nSo."), (U, "And?"), (A, "<think>\nOh.\n</think>\n\nNo.")],
     False),
    ([(U, ""), (A, "")], False),
]
# name: our template, the model's default system message, BOS, EOS.
MODELS = {
    "smollm2": ("chatml", "You are a helpful AI assistant named SmolLM, trained by Hugging Face", "", "<|im_end|>"),
    "qwen2": ("chatml", "You are a helpful assistant.", "", "<|endoftext|>"),
    "qwen2_5": ("chatml", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", "", "<|im_end|>"),
    "qwen3": ("qwen3", None, "", "<|im_end|>"),
    "qwen3_instruct_2507": ("chatml", None, "", "<|im_end|>"),
    "llama2": ("llama2", None, "<s>", "</s>"),
    "llama3": ("llama3", None, "<|begin_of_text|>", "<|eot_id|>"),
    "llama3_1": ("llama3.1", "", "<|begin_of_text|>", "<|eot_id|>"),
    "llama3_2": ("llama3.1", "", "<|begin_of_text|>", "<|eot_id|>"),
    "mistral-v1": ("mistral-v1", None, "<s>", "</s>"),
    "mistral-v1-2023": ("mistral-v1-2023", None, "<s>", "</s>"),
    "mistral-v3": ("mistral", None, "<s>", "</s>"),
    "gemma3": ("gemma", None, "<bos>", "<eos>"),
    "phi3": ("phi3", None, "<s>", "<|endoftext|>"),
    "phi3_5": ("phi3", None, "<s>", "<|endoftext|>"),
    "zephyr": ("zephyr", None, "<s>", "</s>"),
}


def templates():
    folders = [pathlib.Path(path) for path in sys.argv[1:]]
    trl = importlib.util.find_spec("trl")
    if trl:
        folders.append(pathlib.Path(trl.submodule_search_locations[0]) / "chat_templates")
    found = {"smollm2": shared / "smollm2" / "chat_template.jinja"}
    for folder in folders:
        for path in sorted(folder.glob("*.jinja")):
            found.setdefault(path.stem, path)
    return {name: found[name].read_text() for name in MODELS if name in found}


def refuse(message):
    raise TemplateError(message)


def render(template, chat, prompting, begin, end):
    """As transformers renders it, but with the date that templates fall back to."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.globals["raise_exception"] = refuse
    messages = [{"role": role, "content": content} for role, content in chat]
    try:
        return environment.from_string(template).render(
            messages=messages, add_generation_prompt=prompting, bos_token=begin, eos_token=end,
            tools=None, documents=None)
    except TemplateError:
        return None


def tokenizers():
    small = PreTrainedTokenizerFast(tokenizer_file=str(shared / "smollm2" / "tokenizer.json"))
    llama = LlamaTokenizer.from_pretrained(shared / "tokenizer-llama2", legacy=True)
    return {"smollm2": small, "llama2": llama, "zephyr": llama}


def main():
    vocabularies = tokenizers()
    models = []
    for name, source in templates().items():
        template, default, begin, end = MODELS[name]
        texts = [render(source, chat, prompting, begin, end) for chat, prompting in CHATS]
        model = {"name": name, "template": template, "default_system": default, "bos": begin,
                 "eos": end, "texts": texts}
        if name in vocabularies:
            model["ids"] = [
                text and vocabularies[name](text, add_special_tokens=False).input_ids
                for text in texts]
        models.append(model)
    chats = [
        {"messages": [{"role": role, "content": content} for role, content in chat],
         "prompting": prompting} for chat, prompting in CHATS]
    lines = ",\n  ".join(json.dumps(model) for model in models)
    (here / "chats").mkdir(exist_ok=True)
    (here / "chats" / "figures.json").write_text(
        f'{{"chats": {json.dumps(chats)},\n "models": [\n  {lines}\n]}}\n')
    print(len(models), "models:", ", ".join(model["name"] for model in models))


main()
