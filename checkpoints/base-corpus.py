#!/usr/bin/env python3
"""The text behind the bundled base checkpoint, and its tokenizer.

    python3 checkpoints/base-corpus.py corpus TEXTS FOLDER
    python3 checkpoints/base-corpus.py tokenizer FOLDER -o checkpoints/base.tokenizer.model

`corpus` reads English prose from the folder TEXTS (tinystories.txt: TinyStories, CDLA-Sharing-1.0;
moby_dick.txt, pride_and_prejudice.txt and tinyshakespeare.txt: public domain) and writes plain-text
files in which documents are separated by <|endoftext|>. Sources are interleaved, each spread evenly
and in its own order, so that the last documents, which validate, hold the tail of every source.
Nothing is random.

`tokenizer` trains a SentencePiece model of 4096 pieces with spm_train (Debian: sentencepiece) and
prints the command.
"""

import argparse
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

SEPARATOR = "<|endoftext|>"
LONGEST = 8_000  # characters of a document; longer ones are cut at blank lines
SHORTEST = 200
FILES = 8

# ----------------------------------------------------------------------- cutting into documents


def cut(text, size=LONGEST):
    """Pieces of at most about `size` characters, cut at blank lines."""
    pieces, part, length = [], [], 0
    for paragraph in re.split(r"\n{2,}", text.strip("\n")):
        if part and length + len(paragraph) > size:
            pieces.append("\n\n".join(part))
            part, length = [], 0
        part.append(paragraph)
        length += len(paragraph) + 2
    return pieces + ["\n\n".join(part)]


def documents(texts, size=LONGEST, shortest=SHORTEST):
    """Cut, trimmed, without very short documents and without repeated ones."""
    seen, kept = set(), []
    for text in texts:
        for piece in cut(text.replace("\r\n", "\n"), size):
            piece = piece.strip()
            if len(piece) >= shortest and piece not in seen and SEPARATOR not in piece:
                seen.add(piece)
                kept.append(piece)
    return kept


def gutenberg(text):
    """A Project Gutenberg book without the project's header, footer, notes and markup."""
    start = re.search(r"\*\*\* ?START OF TH.*?\*\*\*", text, flags=re.S)
    end = re.search(r"(\*\*\* ?END OF TH|End of (the )?Project Gutenberg)", text)
    text = text[start.end() if start else 0:end.start() if end else len(text)]
    text = re.sub(r"\[(Illustration|Footnote|Transcriber)[^\]]*\]", "", text)
    return re.sub(r"_([^_]+)_", r"\1", text)


def chapters(path):
    """A novel's chapters; the table of contents falls to the rule on short documents."""
    text = gutenberg(path.read_text(encoding="utf-8-sig").replace("\r\n", "\n"))
    return re.split(r"\n(?=(?:CHAPTER|Chapter) (?:\d+|[IVXLC]+)\b)", text)


def stories(path):
    """TinyStories; the last one is cut short, so it goes."""
    return path.read_text(encoding="utf-8", errors="replace").split(SEPARATOR)[:-1]


def public_texts(folder):
    """Source name -> documents."""
    scenes = (folder / "tinyshakespeare.txt").read_text(encoding="utf-8")
    return {
        "stories": documents(stories(folder / "tinystories.txt"), shortest=40),
        "moby-dick": documents(chapters(folder / "moby_dick.txt")),
        "pride-and-prejudice": documents(chapters(folder / "pride_and_prejudice.txt")),
        "shakespeare": documents([scenes], size=4_000),
    }


# ------------------------------------------------------------------------------------- commands


def interleaved(sources):
    """All documents, each source spread evenly over the whole."""
    places = [((index + 0.5) / len(items), name, item)
              for name, items in sources.items() for index, item in enumerate(items)]
    return sorted(places, key=lambda place: place[:2])


def write_corpus(folder, sources):
    """Eight files of about equal numbers of documents, and a table of what is in them."""
    places = interleaved(sources)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        low, high = (len(places) * (number + k) // FILES for k in (0, 1))
        text = f"\n{SEPARATOR}\n".join(item for _, _, item in places[low:high])
        (folder / f"part-{number}.txt").write_text(text + "\n", encoding="utf-8")
    tail = places[-max(1, len(places) // 50):]
    for name, items in sources.items():
        size = sum(len(item.encode()) for item in items)
        last = sum(1 for _, source, _ in tail if source == name)
        print(f"{name:20} {len(items):6} documents {size:9} bytes, {last:3} in the last 2 %")
    print(f"{'total':20} {len(places):6} documents "
          f"{sum(len(item.encode()) for _, _, item in places):9} bytes -> {folder}")


# Pieces of their own whatever the corpus holds: ASCII, for code, and the marks of English books.
REQUIRED = "".join(map(chr, range(0x21, 0x7F))) + "“”‘’–—…éèêëïöüçæ£°×"


def tokenizer_command(text, prefix):
    """spm_train's arguments. Source code must survive: indentation, braces, every ASCII character.

    Identity normalisation and kept whitespace make decode(encode(text)) give the text back; bytes
    stand in for whatever is rare.
    """
    return [
        "spm_train", f"--input={text}", f"--model_prefix={prefix}", "--vocab_size=4096",
        "--model_type=bpe", "--byte_fallback=true", "--split_digits=true",
        "--normalization_rule_name=identity", "--remove_extra_whitespaces=false",
        "--allow_whitespace_only_pieces=true", "--character_coverage=0.9995",
        f"--required_chars={REQUIRED}", "--unk_id=0", "--bos_id=1", "--eos_id=2", "--pad_id=-1",
        "--max_sentence_length=32768", "--num_threads=1", "--minloglevel=1"]


def train_tokenizer(corpus, output):
    """Trains on the corpus without its separators; names in the model are relative, so that the
    same corpus gives the same bytes anywhere."""
    parts = sorted(corpus.glob("part-*.txt"))
    if not parts:
        sys.exit(f"error: no part-*.txt in '{corpus}'; write the corpus first")
    with tempfile.TemporaryDirectory() as scratch:
        text = "".join(path.read_text(encoding="utf-8") for path in parts)
        lines = [line for line in text.split("\n") if line.strip() and line != SEPARATOR]
        lines.append(" ".join(REQUIRED))  # spm_train stops at a required character it never saw
        pathlib.Path(scratch, "corpus.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = tokenizer_command("corpus.txt", "base")
        print(shlex.join(command), flush=True)
        subprocess.run(command, cwd=scratch, check=True)
        output.write_bytes(pathlib.Path(scratch, "base.model").read_bytes())
    print(f"{output}: {output.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    corpus = commands.add_parser("corpus", help="write the documents")
    corpus.add_argument("texts", type=pathlib.Path)
    corpus.add_argument("folder", type=pathlib.Path)
    tokenizer = commands.add_parser("tokenizer", help="train the SentencePiece model")
    tokenizer.add_argument("folder", type=pathlib.Path)
    tokenizer.add_argument("-o", "--output", type=pathlib.Path, required=True)
    options = parser.parse_args()
    if options.command == "tokenizer":
        train_tokenizer(options.folder, options.output)
    else:
        write_corpus(options.folder, public_texts(options.texts))


if __name__ == "__main__":
    main()
