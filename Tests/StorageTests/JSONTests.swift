import Storage
import Tensors
import TestSupport
import Testing

@Suite struct JSONTests {
  private func problem(_ text: String, _ dialect: JSONDialect = .strict) -> String? {
    do {
      _ = try JSONValue.decode(text, source: "f", dialect)
      return nil
    } catch {
      #expect(error.category == .badData)
      return error.description
    }
  }

  @Test func readsEveryKindOfValue() throws {
    let text =
      #" { "b" : [ true , false, null ], "a":{"x":-12,"y":1.5e3}, "s":"é\u00e9\ud83d\ude00\n\/" } "#
    let value = try JSONValue.decode(text)
    #expect(value.object?.keys == ["b", "a", "s"])
    #expect(value["b"] == [true, false, nil])
    #expect(value["a"]?["x"]?.int == -12)
    #expect(value["a"]?["y"]?.int == 1500)
    #expect(value["a"]?["y"] == 1500.0)
    #expect(value["s"]?.string == "éé😀\n/")
    #expect(value["b"]?[1]?.bool == false)
    #expect(value["b"]?[3] == nil)
    #expect(value["none"] == nil)
  }

  @Test func readsNumbersAsTheyAreWritten() throws {
    #expect(try JSONValue.decode("9223372036854775807") == .int(.max))
    #expect(try JSONValue.decode("9223372036854775808") == .number(0x1p63))
    #expect(try JSONValue.decode("9223372036854775808").int == nil)
    #expect(try JSONValue.decode("-0").double?.sign == .minus)
    #expect(try JSONValue.decode("1.5").int == nil)
    #expect(try JSONValue.decode("1e-400").double == 0)
    for text in ["01", "-", "1.", ".5", "1e", "+1", "1e999", "0x10", "1_0", "NaN", "--1", "1-1"] {
      #expect(problem(text) != nil, "\(text)")
    }
  }

  @Test func saysWhereTheProblemIs() {
    #expect(problem("{\n  \"é\": tru }") == "f:2:8: found 't', expected a value")
    #expect(problem("[1 2]") == "f:1:4: found '2', expected ',' or ']'")
    #expect(problem("{\"a\":1,\n\"a\":2}") == "f:2:1: the key \"a\" stands twice")
    #expect(problem("") == "f:1:1: found the end, expected a value")
    #expect(problem("[1,]") == "f:1:4: found ']', expected another element after ','")
    #expect(problem("1 1") == "f:1:3: found '1', expected the end of the document")
    #expect(problem("\"\\q\"") == "f:1:2: an unknown escape in a string")
    #expect(problem("[1] // x") == "f:1:5: comments are not allowed here")
  }

  @Test func refusesBrokenText() {
    let broken = [
      "{", "[", "\"", "\"\\", "\"\\u12", "\"\\ud800\"", "\"\\udc00x\"", "\"\u{1}\"", "{\"a\"}",
      "{\"a\":}", "{a:1}", "{'a':1}", "{,}", "[,]", "truex", "nul", "\u{FEFF}1", "]", "{]", "[1}",
    ]
    for text in broken { #expect(problem(text) != nil, "\(text)") }
    #expect(throws: StorageError.self) {
      try JSONValue.decode([0x22, 0xC3, 0x22], source: "f")
    }
    #expect(throws: StorageError.self) {
      try JSONValue.decode([0x22, 0xED, 0xA0, 0x80, 0x22], source: "f")
    }
  }

  @Test func relaxedTakesCommentsAndTrailingCommas() throws {
    let text =
      "\u{FEFF}// head\n{ /* a */ \"a\": [1, 2,], // b\n \"b\": {\"c\": \"//\",},\n}\n// end"
    let value = try JSONValue.decode(text, .relaxed)
    #expect(value == ["a": [1, 2], "b": ["c": "//"]])
    for text in ["[,]", "[1,,]", "{,}", "/* 1", "/ 1", "1 /", "[1 2]"] {
      #expect(problem(text, .relaxed) != nil, "\(text)")
    }
  }

  @Test func limitsTheDepth() throws {
    let limit = JSONValue.depthLimit
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    #expect(problem(nested(limit)) == nil)
    #expect(problem(nested(limit + 1)) != nil)
    #expect(problem(String(repeating: "[", count: 1_000_000)) != nil)
  }

  /// Nothing that a terminal takes for a command.
  @Test func controlCharactersAreEscaped() throws {
    let value: JSONValue = ["\u{1B}[31m": "\u{7F}\u{80}\u{9B}2J\u{9F}\u{A0}é"]
    #expect(value.encoded() == #"{"\u001b[31m":"\u007f\u0080\u009b2J\u009f"# + "\u{A0}é\"}")
    #expect(try JSONValue.decode(value.encoded()) == value)
  }

  @Test func encodesAndReadsBackTheSame() throws {
    var random = RandomSource(seed: 1)
    var numbers: [JSONValue] = [
      0.1, 5.0, 1e300, .number(.leastNonzeroMagnitude), -0.0, .int(.min), 1e20, 0.30000000000000004,
    ]
    for _ in 0..<1000 {
      let value = Double(bitPattern: random.next())
      if value.isFinite { numbers.append(.number(value)) }
    }
    let value: JSONValue = [
      "z": .array(numbers), "a": ["\"\\\n\u{1}é😀": nil, "": [[:], []]], "b": true,
    ]
    for layout in [JSONLayout.compact, .pretty] {
      let text = value.encoded(layout)
      #expect(try JSONValue.decode(text) == value)
    }
  }

  @Test func singlesAreShortAndExact() throws {
    var random = RandomSource(seed: 2)
    #expect(JSONValue(Float(0.1)).encoded() == "0.1")
    for _ in 0..<1000 {
      let value = Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
      guard value.isFinite else { continue }
      let back = try JSONValue.decode(JSONValue(value).encoded()).double
      #expect(back.map { Float($0).bitPattern } == value.bitPattern)
    }
  }

  @Test func laysOutAsAsked() {
    let value: JSONValue = ["b": [1, [:]], "a": nil, "c": .number(.nan)]
    #expect(value.encoded() == #"{"b":[1,{}],"a":null,"c":null}"#)
    #expect(value.encoded(sorted: true) == #"{"a":null,"b":[1,{}],"c":null}"#)
    #expect(
      value.encoded(.pretty)
        == "{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"a\": null,\n  \"c\": null\n}")
  }

  @Test func objectsKeepTheirOrder() {
    var object: JSONObject = ["a": 1, "b": 2, "c": 3]
    object["b"] = nil
    object["d"] = 4
    object["a"] = 5
    #expect(object.keys == ["a", "c", "d"])
    #expect(object["c"] == 3)
    #expect(object["b"] == nil)
    #expect(object.count == 3)
    object["a"] = JSONValue?.some(.null)
    #expect(object["a"] == JSONValue.null)
  }

  @Test func noByteFlipTraps() throws {
    let text = Array(#"{"a":[1,-2.5e3,"x\u00e9\n",{"b":true}],"c":null,"d":"é"}"#.utf8)
    var random = RandomSource(seed: 3)
    for _ in 0..<2000 {
      var bytes = text
      for _ in 0...random.integer(below: 3) {
        bytes[random.integer(below: bytes.count)] = UInt8(random.integer(below: 256))
      }
      for dialect in [JSONDialect.strict, .relaxed] {
        let value = try? JSONValue.decode(bytes, source: "f", dialect)
        if let value { #expect(try JSONValue.decode(value.encoded()) == value) }
      }
    }
    for length in 0..<text.count {
      #expect(throws: StorageError.self) {
        try JSONValue.decode(Array(text[..<length]), source: "f")
      }
    }
  }
}
