import Checkpoints
import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// A delta is made to be shared: what it and a merged checkpoint give away, and how `export-delta`
/// finds the model that a delta does not name.
@Suite struct SharedDeltaTests {
  private static let label = "for ann"
  private static let prompt = "Dear ann"

  /// A run whose recipe names a person in paths, prompt and label.
  private func shop() throws -> Workshop {
    let shop = try Workshop(
      method: #"{"type": "last_layers", "count": 1, "label": "\#(Self.label)"}"#)
    mkdir(shop.folder["ann"], 0o755)
    rename(shop.folder["tiny.sfckpt"], shop.folder["ann/tiny.sfckpt"])
    rename(shop.folder["text.txt"], shop.folder["ann/text.txt"])
    try shop.finetune(
      "model=ann/tiny.sfckpt", #"data.train=["ann/text.txt"]"#, "output=ann/run",
      "run.sample.prompt=\(Self.prompt)", "run.sample.max_tokens=2",
      #"data.document_separator="ann says""#)
    return shop
  }

  @Test func namesNoPlacePersonOrText() throws {
    let shop = try shop()
    try shop.succeed(["export-delta", "ann/run", "-o", "out.sfdelta", "--dtype", "bf16"])
    try shop.succeed(
      [
        "apply-delta", "--model", "ann/tiny.sfckpt", "--delta", "ann/run/best/trained.sfdelta",
        "-o",
        "m.sfckpt",
      ])
    let names = [
      shop.folder.path, "tiny.sfckpt", "text.txt", "ann/run", Self.prompt, Self.label, "ann",
      "/tmp",
    ]
    #expect(try shop.folder.holds(Self.label, in: "ann/run/recipe.resolved.json"))
    let shared = [
      "ann/run/best/trained.sfdelta", "ann/run/last/trained.sfdelta", "out.sfdelta", "m.sfckpt",
    ]
    for file in shared {
      for name in names {
        // Three letters turn up in a megabyte of numbers, and in a vocabulary.
        let isChance = name.utf8.count < 4
        if isChance { continue }
        #expect(try !shop.folder.holds(name, in: file), "\(name) in \(file)")
      }
    }
    for file in shared.prefix(3) {
      let delta = try Delta.open(shop.folder[file])
      #expect(!(delta.recipe.encoded() + delta.method.encoded()).contains("ann"))
      #expect(delta.recipe["run"]?["steps"] == 3 && delta.method["count"] == 1)
    }
    // What the user keeps for going on has it all.
    let state = try TrainingState.open(shop.folder["ann/run/last/state.sfstate"])
    #expect(state.values["method"]?["label"]?.string == Self.label)
  }

  /// Outside of its run's folder a delta needs `--model`.
  @Test func theModelCanBeNamed() throws {
    let shop = try shop()
    try shop.succeed(["export-delta", "ann/run", "-o", "a.sfdelta"])
    let unknown = try shop.sparseft("export-delta", "a.sfdelta", "-o", "b.sfdelta")
    #expect(unknown.exitCode == 64)
    #expect(
      unknown.error
        == "error: 'a.sfdelta' does not say where the model is that it was trained on, and lies in "
        + "no run's folder; name the checkpoint with --model\n")
    #expect(!shop.files.contains("b.sfdelta"))
    try shop.succeed(
      ["export-delta", "a.sfdelta", "-o", "b.sfdelta", "--model", "ann/tiny.sfckpt"])
    #expect(try shop.folder.read("b.sfdelta") == shop.folder.read("a.sfdelta"))
    // A model that has moved.
    rename(shop.folder["ann/tiny.sfckpt"], shop.folder["moved.sfckpt"])
    #expect(try shop.sparseft("export-delta", "ann/run", "-o", "c.sfdelta").exitCode == 66)
    try shop.succeed(["export-delta", "ann/run", "-o", "c.sfdelta", "--model", "moved.sfckpt"])
    #expect(try shop.folder.read("c.sfdelta") == shop.folder.read("a.sfdelta"))
    let other = try shop.sparseft(
      "export-delta", "ann/run", "-o", "d.sfdelta", "--model",
      SharedData.packageRoot + "/Tests/Golden/version-1/base.sfckpt")
    #expect(other.exitCode == 65 && other.error.contains("trained on the checkpoint with"))
  }

  /// A delta of an earlier version, which names its model itself.
  @Test func anEarlierDeltaIsCleaned() throws {
    let shop = try Workshop()
    let golden = SharedData.packageRoot + "/Tests/Golden/version-1/"
    try shop.succeed(
      [
        "export-delta", golden + "trained.sfdelta", "-o", "new.sfdelta", "--model",
        golden + "base.sfckpt",
      ])
    #expect(try !shop.folder.holds("/tmp", in: "new.sfdelta"))
    try shop.succeed(
      ["apply-delta", "--model", golden + "base.sfckpt", "--delta", "new.sfdelta", "-o", "m"])
    // The path that it names is taken; on most machines it leads nowhere, which is then said.
    let path = "/tmp/version-1/base.sfckpt"
    let outcome = try shop.sparseft("export-delta", golden + "trained.sfdelta", "-o", "x.sfdelta")
    #expect(outcome.exitCode == (Folder.exists(path) ? 0 : 66), "\(outcome.error)")
    #expect(outcome.exitCode == 0 || outcome.error.contains(path))
  }
}
