import Chats
import Storage
import TestSupport
import Testing
import Tokenizers

/// Spaces around control tokens, against the ids that transformers gives a chat's text
/// (`make_spaces.py`).
@Suite struct ControlSpacesTests {
  private let figures: JSONValue
  private let spaces: JSONValue

  init() throws {
    let folder = SharedData.packageRoot + "/Tests/Golden/chats/"
    figures = try JSONValue.read(path: folder + "figures.json")
    spaces = try JSONValue.read(path: folder + "spaces.json")
  }

  private func tokenizer(_ members: JSONObject, _ model: JSONValue) throws -> any Tokenizer {
    var file = members
    file["model"] = spaces["model"]
    file["decoder"] = spaces["decoder"]
    let tokenizer = try Array(JSONValue.object(file).encoded().utf8).withUnsafeBytes {
      try BytePairTokenizer(serialized: $0)
    }
    return SettledTokenizer(
      tokenizer, beginOfSequence: tokenizer.controlID(model["bos"]?.string ?? ""),
      endOfSequence: tokenizer.controlID(model["eos"]?.string ?? ""), endsOfText: [])
  }

  private func chats() throws -> [(messages: [ChatMessage], prompting: Bool)] {
    try #require(figures["chats"]?.array).map { chat in
      let messages = try #require(chat["messages"]?.array).map { message in
        ChatMessage(
          try #require(ChatRole(rawValue: message["role"]?.string ?? "")),
          try #require(message["content"]?.string))
      }
      return (messages, chat["prompting"]?.bool ?? false)
    }
  }

  @Test func idsAreThoseOfTransformers() throws {
    let models = try #require(figures["models"]?.array)
    let cases = try #require(spaces["cases"]?.array)
    #expect(cases.count == 11)
    for (number, test) in cases.enumerated() {
      let name = try #require(test["model"]?.string)
      let model = try #require(models.first { $0["name"]?.string == name })
      let tokenizer = try tokenizer(try #require(test["members"]?.object), model)
      var template = try ChatTemplates.named(try #require(model["template"]?.string))
      template.defaultSystem = model["default_system"]?.string
      for (index, chat) in try chats().enumerated() {
        // Null where the template refuses the chat.
        guard let expected = test["ids"]?[index]?.array else { continue }
        let pieces = try template.pieces(chat.messages, prompting: chat.prompting)
        var encoder = SequenceEncoder(tokenizer)
        let ids = try encoder.ids(pieces)
        #expect(ids.map { .int(Int($0)) } == expected, "case \(number), \(name), chat \(index)")
      }
    }
  }

  /// BOS that no template writes stands before the text as before any other.
  @Test func textBehindABOSOfTheTokenizersOwnIsTheFirst() throws {
    let cases = try #require(spaces["cases"]?.array)
    let first = try #require(cases.first { $0["model"] == "mistral-v3" })
    let members = try #require(first["members"]?.object)
    let tokenizer = try tokenizer(members, ["bos": "<s>", "eos": "</s>"])
    func pieces(_ pieces: [SequencePiece]) throws -> [String] {
      var encoder = SequenceEncoder(tokenizer)
      return try encoder.ids(pieces).map { tokenizer.piece(of: $0) }
    }
    let text = SequencePiece(.text("it"))
    #expect(try pieces([SequencePiece(.begin), text]).dropFirst().first?.hasPrefix("▁") == true)
    let written = try pieces([SequencePiece(.begin, isWritten: true), text])
    #expect(written.first == "<s>" && written.dropFirst().joined() == "it")
    #expect(try pieces([SequencePiece(.control("[INST]")), text]).joined() == "[INST]it")
  }
}
