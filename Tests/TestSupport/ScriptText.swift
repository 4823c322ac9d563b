import Tensors

/// Random texts of many scripts and kinds, few of which have a space between two ASCII letters.
package enum ScriptText {
  package static let kinds = [
    "Russian", "Russian without spaces", "Chinese", "Chinese with punctuation", "Japanese",
    "Korean", "digits", "JSON", "base64", "lines of base64", "Hindi", "Arabic", "emoji", "mixed",
  ]

  /// A text of a kind, drawn at random.
  package static func text(_ kind: String, count: Int, seed: UInt64) -> String {
    var random = RandomSource(seed: seed)
    func draw(_ letters: String) -> String {
      let scalars = Array(letters.unicodeScalars)
      return String(scalars[random.integer(below: scalars.count)])
    }
    func draw(_ range: ClosedRange<UInt32>) -> String {
      let value = range.lowerBound + UInt32(random.integer(below: range.count))
      return Unicode.Scalar(value).map { String($0) } ?? ""
    }
    let russian = "оооеееаааииннттссррввллккммддппууяыьгзбчйхжшюцщэфъ"
    let base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    var text = ""
    while text.unicodeScalars.count < count {
      switch kind {
      case "Russian":
        text += (0...random.integer(below: 9)).map { _ in draw(russian) }.joined()
        text += [" ", " ", " ", ", ", ". ", " — ", "\n"][random.integer(below: 7)]
      case "Russian without spaces": text += draw(russian)
      case "Chinese": text += draw(0x4E00...0x9FA5)
      case "Chinese with punctuation": text += draw(0x4E00...0x5200) + draw("的一是不了人我在，。！\n")
      case "Japanese": text += draw(0x3041...0x3096) + draw(0x30A1...0x30FA) + draw(0x4E00...0x4FFF)
      case "Korean": text += draw(0xAC00...0xD7A3) + draw("이가는을를 ")
      case "digits": text += draw("0123456789")
      case "JSON":
        text += "{\"\(draw("abcxyz"))\(draw("eiou"))\":\(draw("123"))\(draw("0456789")),"
        text += "\"v\":[\(draw("01")),\"\(draw(russian))\",null,-\(draw("12")).\(draw("345"))e7]},"
      case "base64": text += draw(base64)
      case "lines of base64":
        text += (0..<76).map { _ in draw(base64) }.joined() + "\n"
      case "Hindi": text += draw(0x904...0x939) + draw("ािीुे् ")
      case "Arabic": text += draw(0x621...0x64A) + draw("ابتن ")
      case "emoji": text += draw(0x1F300...0x1F64F)
      default:
        text += draw(base64) + draw(russian) + draw(0x4E00...0x9FA5) + draw(" \n'\"{}▁é\u{301}")
      }
    }
    return text
  }
}
