import Datasets
import TestSupport
import Testing

/// Files of questions with known answers.
@Suite struct TaskFileTests {
  private func file(_ text: String) throws -> TaskFile {
    let folder = try TemporaryFolder()
    try folder.write(text, to: "task.jsonl")
    return try TaskFile(path: folder["task.jsonl"])
  }

  @Test func rowsAreRead() throws {
    let file = try file(
      """
      {"prompt": "A", "choices": ["x", "y"], "answer": 1, "id": {"any": [1]}}

      {"answer": "x", "choices": ["x", "y", "z"], "prompt": ""}
      """)
    #expect(file.kind == .choices)
    #expect(
      file.items == [
        TaskItem(prompt: "A", question: .choices(["x", "y"], answer: 1), line: 1),
        TaskItem(prompt: "", question: .choices(["x", "y", "z"], answer: 0), line: 3),
      ])
    let targets = try self.file(#"{"prompt": "1 + 1 =", "target": "2"}"#)
    #expect(targets.kind == .target && targets.items[0].continuations == ["2"])
  }

  @Test func aTaskIsToldByItsFirstRow() throws {
    let folder = try TemporaryFolder()
    for (name, text, isTask) in [
      ("a.jsonl", #"{"prompt": "a", "target": "b"}"#, true),
      ("b.ndjson", "\n" + #"{"choices": [], "prompt": 3}"#, true),
      ("c.jsonl", #"{"prompt": "a", "completion": "b", "target": "b"}"#, false),
      ("d.jsonl", #"{"text": "a"}"#, false), ("e.jsonl", "{", false), ("f.jsonl", "", false),
      ("g.txt", #"{"prompt": "a", "target": "b"}"#, false),
    ] {
      try folder.write(text, to: name)
      #expect(TaskFile.isTask(folder[name]) == isTask, "\(name)")
    }
    #expect(!TaskFile.isTask(folder["missing.jsonl"]) && !TaskFile.isTask(folder.path))
  }

  @Test(arguments: [
    (#"{"prompt": "a", "target": ""}"#, "target: found no text but white space"),
    (#"{"prompt": "a", "target": 3}"#, "target: found an integer, expected a string"),
    (#"{"prompt": null, "target": "a"}"#, "prompt: found null"),
    (#"{"prompt": "a", "target": "a\u0000"}"#, "NUL"),
    (#"{"prompt": "a", "target": "b", "choices": ["a", "b"], "answer": 0}"#, "one of the two"),
    (#"{"prompt": "a", "choices": ["b"], "answer": 0}"#, "found 1, expected at least 2"),
    (#"{"prompt": "a", "choices": "bc", "answer": 0}"#, "found a string, expected a list"),
    (#"{"prompt": "a", "choices": ["b", 1], "answer": 0}"#, "choices[1]: found an integer"),
    (#"{"prompt": "a", "choices": ["b", "c"]}"#, "answer: missing"),
    (#"{"prompt": "a", "choices": ["b", "c"], "answer": 2}"#, "index from 0 to 1"),
    (#"{"prompt": "a", "choices": ["b", "c"], "answer": -1}"#, "index from 0 to 1"),
    (#"{"prompt": "a", "choices": ["b", "c"], "answer": "d"}"#, "found \"d\""),
    (#"{"prompt": "a"}"#, "found the keys prompt, expected"),
    (#"[1]"#, "found a list, expected an object"),
    (#"{"prompt": "a" "target": "b"}"#, "line 2: column"),
  ])
  func otherRowsAreRefused(_ row: String, _ problem: String) throws {
    let error = failure { _ = try file(#"{"prompt": "p", "target": "t"}"# + "\n" + row) }
    let text = error?.description ?? ""
    #expect(error?.category == .badData)
    #expect(text.contains("line 2") && text.contains(problem), "\(text)")
  }

  @Test func filesOfSeveralKindsAndOfNoneAreRefused() throws {
    let mixed = failure {
      _ = try file(
        """
        {"prompt": "p", "target": "t"}
        {"prompt": "p", "choices": ["b", "c"], "answer": 0}
        """)
    }
    #expect(mixed?.description.contains("line 2: found a row of") == true)
    #expect(failure { _ = try file("\n\n") }?.category == .badData)
  }
}
