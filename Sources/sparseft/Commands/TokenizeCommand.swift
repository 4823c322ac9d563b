import ArgumentParser
import Checkpoints
import Reports
import Runs
import Storage
import Tensors
import Tokenizers

struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize", abstract: "Shows the token ids and pieces of a text.",
    discussion: "The tokens that begin and end a document are not added.")

  @Option(help: "The checkpoint (.sfckpt).", completion: .file())
  var model: String

  @Option(help: "The text to tokenize.")
  var text: String?

  @Option(help: "A file of UTF-8 text to tokenize.", completion: .file())
  var file: String?

  @Flag(help: "Write only JSON to standard output.")
  var json = false

  @Flag(help: "Say on standard error how many seconds encoding took.")
  var time = false

  func validate() throws {
    guard (text == nil) != (file == nil) else {
      throw ValidationError("give either --text or --file")
    }
  }

  func run() throws {
    let checkpoint = try Checkpoint.open(model)
    let tokenizer = try checkpoint.loadTokenizer()
    let start = ContinuousClock.now
    let ids = try encode(tokenizer)
    if time { Output.note("encoded in \((ContinuousClock.now - start) / .seconds(1)) s") }
    let pieces = ids.map { tokenizer.piece(of: $0) }
    if json {
      Output.print([
        "ids": .array(ids.map { .int(Int($0)) }), "pieces": .array(pieces.map { .string($0) }),
        "count": .int(ids.count),
      ])
      return
    }
    var table = Table([.init("id", .right), .init("piece")])
    for (id, piece) in zip(ids, pieces) { table.add(["\(id)", piece]) }
    Output.print(table.text)
    Output.note("\(ids.count) tokens")
  }

  private static let chunkBytes = 1 << 20

  private func encode(_ tokenizer: any Tokenizer) throws -> [Int32] {
    if let text { return try tokenizer.encode(text) }
    guard let file else { return [] }
    let mapped = try MappedFile(path: file)
    // In segments, as training reads it: a long text in bounded memory.
    var encoder = SegmentedEncoder(tokenizer)
    var ids: [Int32] = []
    for start in stride(from: 0, to: mapped.bytes.count, by: Self.chunkBytes) {
      let end = min(start + Self.chunkBytes, mapped.bytes.count)
      ids += try encoder.append(UnsafeRawBufferPointer(rebasing: mapped.bytes[start..<end]))
      mapped.releasePages(start..<end)
    }
    return try ids + encoder.finish()
  }
}
