import Checkpoints
import Storage
import TestSupport
import Testing

/// Commands on chats.
@Suite struct ChatCommandTests {
  private let shop: Workshop

  init() throws {
    shop = try Workshop()
    let rows = ["cat", "dog", "bird", "tree", "house"].map { word in
      #"{"messages": [{"role": "user", "content": "the \#(word)"}, "#
        + #"{"role": "assistant", "content": "sees the \#(word)."}]}"#
    }
    try shop.folder.write(rows.joined(separator: "\n"), to: "chats.jsonl")
  }

  /// Writes a model with a chat template of its own.
  private func writeModel(template: String) throws {
    var tokenizer = try Workshop.tokenizer()
    tokenizer.settings.chatTemplate = template
    try RandomInitialisation.write(
      configuration: Workshop.configuration, tokenizer: tokenizer, seed: 3, elementType: .f32,
      output: shop.folder["own.sfckpt"])
  }

  /// Brackets around questions, as Llama 2 has them.
  private static let brackets = """
    {% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + m.content.strip() + \
    ' [/INST]' }}{% elif m.role == 'assistant' %}{{ ' ' + m.content.strip() + ' ' + eos_token }}\
    {% else %}{{ raise_exception('no') }}{% endif %}{% endfor %}
    """

  private func generate(_ arguments: String...) throws -> Outcome {
    try shop.sparseft.run(["generate", "--max-tokens", "12", "--temperature", "0"] + arguments)
  }

  @Test func aChatIsWrittenAsItsTemplateSays() throws {
    let chat = try generate(
      "--model", "tiny.sfckpt", "--chat", "--chat-template", "llama2", "--prompt", " the cat ")
    #expect(chat.exitCode == 0)
    #expect(chat.error.contains("chat template: llama2, as named\n"))
    let prompt = "[INST] the cat [/INST]"
    let plain = try generate("--model", "tiny.sfckpt", "--prompt", prompt)
    // The answer alone is printed, without the space before its first word.
    let rest = plain.output.dropFirst(prompt.count).drop { $0 == " " }
    #expect(chat.output == rest || " " + chat.output == rest || chat.output == " " + rest)
    // A random model repeats its last character, so the system message is seen in what is drawn.
    let drawn = try [[], ["--system", "big"]].map { system in
      try shop.sparseft.run(
        [
          "generate", "--max-tokens", "24", "--temperature", "5", "--seed", "1", "--model",
          "tiny.sfckpt", "--chat", "--chat-template", "llama2", "--prompt", "the cat",
        ] + system
      ).output
    }
    #expect(drawn[0] != drawn[1])
    try writeModel(template: Self.brackets)
    let own = try generate("--model", "own.sfckpt", "--chat", "--prompt", "the cat")
    #expect(own.output == chat.output)
    #expect(own.error.contains("chat template: llama2, the model's own\n"))
    let refused = try generate(
      "--model", "own.sfckpt", "--chat", "--prompt", "x", "--system", "big")
    #expect(refused.exitCode == 65)
    #expect(refused.error.contains("a system message, for which this template has no place"))
  }

  @Test func templatesThatAreNotThereAreSaid() throws {
    try writeModel(template: "{{ messages[0].content }}!")
    let cases: [(arguments: [String], code: Int32?, message: String)] = [
      (
        ["--model", "tiny.sfckpt", "--chat"], 64, "the model carries no chat template; name one of"
      ),
      (["--model", "own.sfckpt", "--chat"], 65, "of no known shape (it writes a question as "),
      (
        ["--model", "tiny.sfckpt", "--chat", "--chat-template", "own"], 64,
        "the model carries no chat template; name one of"
      ),
      (
        ["--model", "tiny.sfckpt", "--chat", "--chat-template", "llama"], 64,
        "found the chat template 'llama', expected chatml, "
      ),
      (
        ["--model", "tiny.sfckpt", "--chat", "--chat-template", "chatml"], 64,
        "needs the control tokens <|im_start|>, <|im_end|>"
      ),
      (
        ["--model", "tiny.sfckpt", "--system", "x"], 64,
        "--system and --chat-template go with --chat"
      ),
    ]
    for (arguments, code, message) in cases {
      let run = try shop.sparseft.run(["generate", "--prompt", "x"] + arguments)
      #expect(run.exitCode == code)
      #expect(run.error.contains(message), "\(run.error)")
    }
    // A text needs no template.
    let plain = try shop.sparseft.run(
      ["finetune", "recipe.json", "model=own.sfckpt", "run.steps=1"])
    #expect(plain.exitCode == 0)
    let chats = try shop.sparseft.run(
      ["finetune", "recipe.json", "model=own.sfckpt", "data.train=chats.jsonl"])
    #expect(chats.exitCode == 65)
    #expect(
      chats.error.contains("chats.jsonl', line 1: the model's own chat template is of no known"))
  }

  @Test func chatsTrain() throws {
    let none = try shop.sparseft.run(["finetune", "recipe.json", "data.train=chats.jsonl"])
    #expect(none.exitCode == 64)
    #expect(none.error.contains("chats.jsonl', line 1: the model carries no chat template"))
    let run = try shop.finetune(
      "data.train=chats.jsonl", "data.chat_template=llama2", "data.sequence_length=64")
    #expect(run.error.contains("4 rows in "))
    #expect(run.error.contains("chat template: llama2, as named"))
    let start = try #require(try shop.jsonLines("run/events.jsonl").first)
    #expect(start["rows"]?.string?.contains("chat template: llama2, as named") == true)
    // What is shared says which template was used.
    let delta = try Delta.open(shop.folder["run/best/trained.sfdelta"])
    #expect(delta.recipe["data"]?["chat_template"]?.string == "llama2")
    #expect(delta.recipe["data"]?["train_on"]?.string == "completions")
  }
}
