"""Validates recipes with jsonschema and with sparseft; both must say the same.

    pip install jsonschema
    python check.py SPARSEFT
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
# A text in quotes, or what is not kept: a comment, or a comma before a bracket.
PARTS = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/|,(?=(?:\s|//[^\n]*|/\*.*?\*/)*[\]}])', re.DOTALL)


def plain(text):
    """Recipes may have comments and commas behind the last entry; JSON may not."""
    return PARTS.sub(lambda part: part[0] if part[0].startswith('"') else "", text)


def is_read(sparseft, recipe, folder):
    """Whether sparseft gets as far as looking for the recipe's model, which is not there."""
    path = Path(folder) / "recipe.json"
    path.write_text(json.dumps(recipe))
    code = subprocess.run([sparseft, "plan", str(path)], capture_output=True).returncode
    assert code in (64, 66), f"exit code {code}"
    return code == 66


def main(sparseft):
    schema = json.loads((ROOT / "recipes/recipe.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    cases = []
    for path in sorted((ROOT / "recipes").glob("*.json")):
        if not path.name.endswith(".schema.json"):
            cases.append((path.name, json.loads(plain(path.read_text())), True))
    for kind in ("right", "wrong"):
        for case in json.loads((ROOT / f"Tests/Schema/{kind}.json").read_text()):
            cases.append((case["name"], case["recipe"], kind == "right"))
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, recipe, expected in cases:
            if isinstance(recipe, dict) and recipe.get("model"):
                recipe["model"] = "absent.sfckpt"
            found = (validator.is_valid(recipe), is_read(sparseft, recipe, folder))
            if found != (expected, expected):
                failures += 1
                print(f"{name}: schema {found[0]}, sparseft {found[1]}, expected {expected}")
    right = sum(expected for _, _, expected in cases)
    print(f"{right} right and {len(cases) - right} wrong recipes, {failures} that are told wrongly")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main(sys.argv[1])
