import Checkpoints
import Storage
import Tensors
import TestSupport
import Testing

/// What is shared says how it was trained, and names no place, person or text.
@Suite struct SharedDescriptionTests {
  private static let golden = SharedData.packageRoot + "/Tests/Golden/version-1/"
  private let folder: TemporaryFolder
  private let base: Checkpoint

  init() throws {
    folder = try TemporaryFolder()
    base = try TinyModel.checkpoint(at: folder["base"], TinyModel.configuration())
  }

  /// A recipe that says "ann" wherever it can, and beside it what is kept.
  private static let recipe: JSONValue = [
    "model": "/home/ann/m.sfckpt", "output": "/home/ann/run", "seed": 9,
    "data": [
      "train": ["/home/ann/diary.txt"], "validation": ["/home/ann/v.txt"], "sequence_length": 8,
      "document_separator": "Dear ann", "append_eos": false, "shuffle": true,
    ],
    "method": method, "compare": [method],
    "analysis": [
      "share": 0.2, "contributions": true, "joint_probes": true, "head": true, "text": "ann",
    ],
    "optimizer": [
      "type": "adamw", "learning_rate": "auto", "betas": [0.9, 0.95], "epsilon": 1e-8,
      "state": "int8", "parameters": "f32", "weight_decay": 0.0, "clip_norm": .null,
      "name": "ann",
    ],
    "schedule": ["type": "/home/ann", "warmup_steps": 1, "final_ratio": 0.1],
    "run": [
      "steps": 4, "batch_size": 2, "accumulation": 1, "threads": 2, "precision": "auto",
      "products": "tiles", "memory_mb": .null, "validate_every": 0, "save_every": 0,
      "early_stopping": .null, "sample": ["prompt": "Who is ann?"],
    ],
    "key of ann": 1,
  ]
  private static let method: JSONValue = [
    "type": "sparse", "tensors": ["layers[0-1].mlp.*": 0.5, "of ann": 1], "budget": .null,
    "learning_rate": 0.01, "label": "for ann",
  ]

  private static let keptMethod: JSONValue = [
    "type": "sparse", "tensors": ["layers[0-1].mlp.*": 0.5], "budget": .null,
    "learning_rate": 0.01,
  ]

  private func delta() throws -> Delta {
    let update = DeltaUpdate(
      name: "norm", content: .rows(0..<1) { (_, target) throws(CheckpointError) in target[0] = 2 })
    try DeltaWriter.write(
      to: folder["delta"], base: base, method: Self.method, recipe: Self.recipe,
      metrics: ["step": 4, "validation_loss": .null, "loss": 1.5, "of": "ann"], elementType: .f32,
      updates: [update])
    return try Delta.open(folder["delta"])
  }

  @Test func aDeltaKeepsHowItWasTrained() throws {
    let delta = try delta()
    #expect(delta.method == Self.keptMethod)
    let expected: JSONValue = [
      "seed": 9, "data": ["sequence_length": 8, "append_eos": false, "shuffle": true],
      "method": Self.keptMethod,
      "analysis": ["share": 0.2, "contributions": true, "joint_probes": true, "head": true],
      "optimizer": [
        "type": "adamw", "learning_rate": "auto", "betas": [0.9, 0.95], "epsilon": 1e-8,
        "state": "int8", "parameters": "f32", "weight_decay": 0.0, "clip_norm": .null,
      ],
      "schedule": ["warmup_steps": 1, "final_ratio": 0.1],
      "run": [
        "steps": 4, "batch_size": 2, "accumulation": 1, "precision": "auto", "products": "tiles",
        "memory_mb": .null, "validate_every": 0, "early_stopping": .null,
      ],
    ]
    #expect(delta.recipe == expected)
    #expect(delta.metrics == ["step": 4, "validation_loss": .null, "loss": 1.5])
    #expect(try !folder.holds("ann", in: "delta"))
  }

  /// Settings of the other methods, and a share that is held out.
  @Test(arguments: [
    #"{"type":"lora","rank":8,"alpha":16.0,"targets":"qv"}"#,
    #"{"type":"lora","rank":8,"alpha":16.0,"targets":["layers[*].mlp.up","*.query"]}"#,
    #"{"type":"last_layers","count":2,"train_head":false}"#,
    #"{"type":"sparse","tensors":"auto","budget":{"memory_mb":80,"step_time":0.6}}"#,
    #"{"type":"sparse","tensors":"last","budget":{"memory_mb":null,"step_flops":0.6}}"#,
  ])
  func everyMethodsSettingsAreKept(_ text: String) throws {
    let method = try JSONValue.decode(text, source: "method")
    let recipe: JSONValue = ["data": ["validation": 0.1], "method": method, "run": ["epochs": 2]]
    try DeltaWriter.write(
      to: folder["d"], base: base, method: method, recipe: recipe, metrics: .null,
      elementType: .f32, updates: [])
    let delta = try Delta.open(folder["d"])
    #expect(delta.method == method && delta.recipe == recipe && delta.metrics.isNull)
  }

  /// A delta of an earlier version carries paths; written again it has none, and is the same change.
  @Test(arguments: [ElementType.f32, .bf16])
  func writingAnEarlierDeltaAgainCleansIt(_ type: ElementType) throws {
    let base = try Checkpoint.open(Self.golden + "base.sfckpt")
    let old = try Delta.open(Self.golden + "trained.sfdelta")
    let oldBytes = try TemporaryFolder.read(Self.golden + "trained.sfdelta")
    try folder.write(oldBytes, to: "old")
    let names = ["/tmp/version-1", "base.sfckpt", "text.txt", "\"output\"", "\"label\""]
    for name in names { #expect(try folder.holds(name, in: "old"), "\(name)") }
    try DeltaWriter.convert(old, base: base, elementType: type, to: folder["new"])
    for name in names + ["/tmp"] { #expect(try !folder.holds(name, in: "new"), "\(name)") }
    let new = try Delta.open(folder["new"])
    #expect(new.recipe["optimizer"] == old.recipe["optimizer"] && new.metrics == old.metrics)
    try Delta.apply(to: base, deltas: [(old, 1)], output: folder["a"])
    try Delta.apply(to: base, deltas: [(new, 1)], output: folder["b"])
    let (a, b) = (try Checkpoint.open(folder["a"]), try Checkpoint.open(folder["b"]))
    for (found, expected) in zip(b.tensors, a.tensors) where type == .f32 {
      #expect(found.widened() == expected.widened())
    }
  }

  @Test func aMergedCheckpointNamesNoSource() throws {
    try DeltaMerge(base: base, deltas: []).write(
      to: folder["named"],
      metadata: [
        "source": "/home/ann/m.bin", "format": "of ann", "author": "ann", "seed": "7",
        "applied_deltas": ["ann"], "base_content_hash": "ann",
      ])
    let named = try Checkpoint.open(folder["named"])
    #expect(named.metadata["author"] == "ann")
    try Delta.apply(to: named, deltas: [], output: folder["merged"])
    let merged = try Checkpoint.open(folder["merged"])
    #expect(
      merged.metadata == [
        "seed": "7", "base_content_hash": .string(named.contentHash), "applied_deltas": [],
      ])
    #expect(try !folder.holds("ann", in: "merged"))
    for kept: JSONObject in [
      ["source": "random", "seed": "7"], ["format": .string(CheckpointOrigin.llama2c.rawValue)],
    ] {
      try DeltaMerge(base: base, deltas: []).write(to: folder["x"], metadata: kept)
      try Delta.apply(to: Checkpoint.open(folder["x"]), deltas: [], output: folder["y"])
      let metadata = try #require(try Checkpoint.open(folder["y"]).metadata.object)
      #expect(metadata.members.prefix(kept.count).elementsEqual(kept.members))
      #expect(metadata.count == kept.count + 2)
    }
  }
}
