/// Recipes that name files and folders which can't be used.
extension WrongRecipe {
  static let files = [
    WrongRecipe(
      "model not found", exitCode: 66,
      overrides: ["model=absent.sfckpt"],
      says: """
        reading 'FOLDER/absent.sfckpt': No such file or directory; check the path
        """),
    WrongRecipe(
      "text as model", exitCode: 65,
      overrides: ["model=text.txt"],
      says: """
        reading 'FOLDER/text.txt': found a file that starts with 0x686f757365206361, expected a \
        sparseft checkpoint (other formats go through 'sparseft import')
        """),
    WrongRecipe(
      "folder as model", exitCode: 66,
      overrides: ["model=empty"],
      says: """
        reading 'FOLDER/empty': found a folder, expected a file
        """),
    WrongRecipe(
      "text not found", exitCode: 66,
      overrides: ["data.train=absent.txt"],
      says: """
        looking for text at 'FOLDER/absent.txt': there is no such file or folder; give a text \
        file, a folder of them or a pattern such as 'texts/*.txt'
        """),
    WrongRecipe(
      "folder without text", exitCode: 66,
      overrides: ["data.train=empty"],
      says: """
        looking for text at 'FOLDER/empty': the folder holds no text files; give a text file, a \
        folder of them or a pattern such as 'texts/*.txt'
        """),
    WrongRecipe(
      "pattern without text", exitCode: 66,
      overrides: ["data.train=*.md"],
      says: """
        looking for text at 'FOLDER/*.md': the pattern matches no text files; give a text file, \
        a folder of them or a pattern such as 'texts/*.txt'
        """),
    WrongRecipe(
      "text too short", exitCode: 65,
      overrides: ["data.train=short.txt"],
      says: """
        preparing the training text: found 3 ids, expected at least 17 for a sequence_length of \
        16; add text, or lower sequence_length
        """),
    WrongRecipe(
      "text of white space", exitCode: 65,
      overrides: ["data.train=blank.txt"],
      says: """
        preparing the training text: found 4 ids, expected at least 17 for a sequence_length of \
        16; add text, or lower sequence_length
        """),
    WrongRecipe(
      "text that is not UTF-8", exitCode: 65,
      overrides: ["data.train=binary.txt"],
      says: """
        reading 'FOLDER/binary.txt': found byte 0xFF at byte 7, expected UTF-8 text; convert \
        the file, or leave it out
        """),
    WrongRecipe(
      "text with a zero byte", exitCode: 65,
      overrides: ["data.train=zero.txt"],
      says: """
        reading 'FOLDER/zero.txt': found a zero byte at byte 3, expected UTF-8 text; convert \
        the file, or leave it out
        """),
    WrongRecipe(
      "rows of JSON", exitCode: 65,
      overrides: ["data.train=rows.jsonl"],
      says: """
        reading 'FOLDER/rows.jsonl', line 2: found none of the keys, expected one of \
        {"messages"}, {"prompt", "completion"}, {"instruction", "input", "output"}, {"text"}
        """),
    WrongRecipe(
      "validation text not found", exitCode: 66,
      overrides: [#"data.validation=["absent.txt"]"#],
      says: """
        looking for text at 'FOLDER/absent.txt': there is no such file or folder; give a text \
        file, a folder of them or a pattern such as 'texts/*.txt'
        """),
    WrongRecipe(
      "output below a file", exitCode: 73,
      overrides: ["output=file/run"],
      says: """
        creating 'FOLDER/file': a file of that name exists; choose another name, or move away what \
        has it
        """),
    WrongRecipe(
      "output is a file", exitCode: 73,
      overrides: ["output=file"],
      says: """
        creating 'FOLDER/file': a file of that name exists; choose another name, or move away what \
        has it
        """),
    WrongRecipe(
      "sequences longer than the text", exitCode: 65,
      overrides: ["data.sequence_length=100000"],
      says: """
        preparing the training text: found 2717 ids, expected at least 100001 for a \
        sequence_length of 100000; add text, or lower sequence_length
        """),
  ]
}
