"""Asks a GGUF model questions with llama.cpp, greedily, and prints the answers as JSON lines.

    python3 ask.py MODEL.gguf [--lora ADAPTER.gguf] QUESTION...

Needs xllamacpp (llama.cpp with Python around it), which PyPI has.
"""

import argparse
import json

import xllamacpp


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--lora")
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--plain", action="store_true", help="continue the text instead of answering a chat")
    parser.add_argument("questions", nargs="+")
    arguments = parser.parse_args()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = arguments.model
    parameters.n_ctx = 1024
    parameters.warmup = False
    parameters.use_jinja = True
    if arguments.lora:
        adapter = xllamacpp.CommonAdapterLoraInfo()
        adapter.path, adapter.scale = arguments.lora, 1.0
        parameters.lora_adapters = [adapter]
    server = xllamacpp.Server(parameters)
    for question in arguments.questions:
        limits = {"max_tokens": arguments.max_tokens, "temperature": 0, "cache_prompt": False}
        if arguments.plain:
            choice = server.handle_completions({"prompt": question, **limits})["choices"][0]
            answer = choice["text"]
        else:
            chat = {"messages": [{"role": "user", "content": question}], **limits}
            choice = server.handle_chat_completions(chat)["choices"][0]
            answer = choice["message"]["content"]
        print(json.dumps({"question": question, "answer": answer.strip()}), flush=True)


if __name__ == "__main__":
    main()
