import Checkpoints
import Storage
import TestSupport
import Testing

/// `import` and `init`.
@Suite struct ImportCommandTests {
  @Test(arguments: ["gqa-tied", "linear-rope-f16", "mha-untied-llama3", "qwen2-bias"])
  func importsHuggingFaceFolders(_ name: String) throws {
    let shop = try Workshop()
    let folder = Workshop.goldenFolder(name)
    let outcome = try shop.sparseft(
      "import", folder, "-o", "m.sfckpt", "--tokenizer", Workshop.tokenizerPath)
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    #expect(outcome.output == "")
    #expect(outcome.error.hasPrefix("m.sfckpt: "))
    let json = try #require(try shop.succeed(["inspect", "m.sfckpt", "--json"]).jsonLines().first)
    let config = try JSONValue.read(path: folder + "/config.json")
    #expect(json["width"] == config["hidden_size"])
    #expect(json["layers"] == config["num_hidden_layers"])
    let run = try shop.succeed([
      "finetune", "recipe.json", "model=m.sfckpt", "method.type=norms", "--json",
    ])
    #expect(try run.jsonLines().last?["reason"] == "finished")
  }

  @Test(
    .enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason),
    arguments: ["f32", "bf16", "int8"])
  func importsLlama2c(_ type: String) throws {
    let shop = try Workshop()
    let source = try SharedData.require("stories260K/stories260K.bin")
    let tokenizer = try SharedData.require("stories260K/tok512.model")
    let arguments = ["import", source, "--tokenizer", tokenizer, "--dtype", type]
    try shop.succeed(arguments + ["-o", "m.sfckpt"])
    let json = try #require(try shop.succeed(["inspect", "m.sfckpt", "--json"]).jsonLines().first)
    #expect(json["parameters"]?.int == 260_032)
    #expect(json["tensors"]?[0]?["dtype"]?.string == type)
    try shop.folder.write(
      "Once upon a time, there was a little girl named Lily. She loved to play outside.",
      to: "story.txt")
    let loss = try shop.succeed(["eval", "--model", "m.sfckpt", "--data", "story.txt", "--json"])
    #expect(try #require(try loss.jsonLines().first?["loss"]?.double) < 1.6)
  }

  /// Options that do not go with what is imported are mistakes.
  @Test func optionsOfAnotherKindOfSourceAreRefused() throws {
    let shop = try Workshop()
    try shop.folder.write(#"{"peft_type": "LORA"}"#, to: "adapter/adapter_config.json")
    for (arguments, reason) in [
      ([Workshop.goldenFolder("gqa-tied"), "--model", "m.sfckpt"], "is no LoRA adapter"),
      (["adapter", "--model", "m.sfckpt", "--tokenizer", "t.model"], "leave out --tokenizer"),
      (["adapter"], "name its checkpoint with --model"),
    ] {
      let outcome = try shop.sparseft.run(["import"] + arguments + ["-o", "out"])
      #expect(outcome.exitCode == 64 && outcome.error.contains(reason), "\(outcome.error)")
    }
    let absent = try shop.sparseft("import", "absent", "--model", "m.sfckpt", "-o", "out")
    #expect(absent.exitCode == 66)
    #expect(!shop.folder.entries.contains("out"))
  }

  @Test(arguments: ["f32", "bf16", "int8"])
  func initRepeatsForASeed(_ type: String) throws {
    let shop = try Workshop()
    let config = Workshop.goldenFolder("gqa-tied") + "/config.json"
    func make(_ name: String, seed: String) throws -> [UInt8] {
      try shop.succeed([
        "init", "--config", config, "--tokenizer", Workshop.tokenizerPath, "--seed", seed,
        "--dtype", type, "-o", name,
      ])
      return try shop.folder.read(name)
    }
    let first = try make("a.sfckpt", seed: "1")
    #expect(try make("b.sfckpt", seed: "1") == first)
    #expect(try make("c.sfckpt", seed: "2") != first)
    let json = try shop.succeed(["inspect", "a.sfckpt", "--json"]).jsonLines().first
    #expect(json?["tensors"]?[0]?["dtype"]?.string == type)
  }

  @Test func whatCannotBeImportedIsSaid() throws {
    let shop = try Workshop()
    let absent = try shop.sparseft("import", "nowhere", "-o", "m.sfckpt")
    #expect(absent.exitCode == 66)
    #expect(absent.error.contains("nowhere"))
    let noFolder = try shop.sparseft(
      "import", Workshop.goldenFolder("gqa-tied"), "-o", "no/folder/m.sfckpt")
    #expect(noFolder.exitCode == 73)
    #expect(noFolder.error.contains("no/folder/m.sfckpt"))
    let text = try shop.sparseft("import", "text.txt", "-o", "m.sfckpt")
    #expect(text.exitCode == 65)
    #expect(text.error.contains("text.txt"))
    try shop.folder.write(
      Array("GGUF".utf8) + [3, 0, 0, 0] + [UInt8](repeating: 0xFF, count: 64), to: "m.gguf")
    let garbled = try shop.sparseft("import", "m.gguf", "-o", "m.sfckpt")
    #expect(garbled.exitCode == 65)
    #expect(garbled.error.contains("reading 'm.gguf': tensor count: found 18446744073709551615"))
    #expect(!shop.files.contains("m.sfckpt"))
    #expect(shop.leftovers == [])
  }
}
