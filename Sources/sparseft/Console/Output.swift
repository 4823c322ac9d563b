import Reports
import Storage
import Tensors

/// Results on standard output, words for people on standard error.
enum Output {
  static func print(_ text: String) { Terminal.standardOutput.write(text + "\n") }

  static func print(_ json: JSONValue) { Terminal.standardOutput.write(json.encoded() + "\n") }

  static func note(_ text: String) { Terminal.standardError.write(text + "\n") }
}
