import ArgumentParser
import Chats
import Recipes
import Reports
import Runs
import Tensors

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Continues a prompt, printing the text as it is generated.")

  @OptionGroup var arguments: ModelArguments

  @Option(help: "The text to continue; empty to start a new text. With --chat, the question.")
  var prompt: String

  @Flag(help: "Answer the prompt as a user's message, written as the model's chat template says.")
  var chat = false

  @Option(help: "With --chat, the system message.")
  var system: String?

  @Option(
    help: "With --chat, a chat template's name in place of the model's own.",
    completion: .list(ChatTemplates.names))
  var chatTemplate: String?

  @Option(help: "The most tokens to generate.")
  var maxTokens = 128

  @Option(help: "Sampling temperature; 0 always takes the likeliest token.")
  var temperature = 0.8

  @Option(help: "Sample from the likeliest tokens that together reach this probability.")
  var topP = 0.9

  @Option(help: "Seed of the sampling.")
  var seed: UInt64 = 0

  @Option(help: "Worker threads.")
  var threads = 2

  @Option(
    help: """
      Element type that matmuls multiply; auto: bf16 where this CPU has instructions for \
      it, else f32.
      """)
  var precision = PrecisionChoice.auto

  func validate() throws {
    guard (1...1_048_576).contains(maxTokens) else {
      throw ValidationError("--max-tokens takes 1 to 1048576")
    }
    guard (0...10).contains(temperature) else {
      throw ValidationError("--temperature takes 0 to 10")
    }
    guard chat || (system == nil && chatTemplate == nil) else {
      throw ValidationError("--system and --chat-template go with --chat")
    }
    guard topP > 0, topP <= 1 else { throw ValidationError("--top-p takes a number in (0, 1]") }
  }

  func run() throws {
    Interruption.listen()
    let model = try LoadedModel(
      arguments.model, deltas: arguments.delta, threads: threads, precision: precision)
    let sampler = TextSampler(model)
    let chats = chat ? try model.chats(chatTemplate) : nil
    let template = try chats?.forChats()
    Output.note(sampler.precision.line)
    if let chats { Output.note(chats.line) }
    let clock = ContinuousClock()
    let start = clock.now
    let isTTY = Terminal.standardOutput.isTTY
    let emit = { (piece: String) in
      // Whatever the model writes, a terminal keeps its colours and its cursor.
      Output.write(isTTY ? piece.printableText() : piece)
      return !Interruption.isRequested
    }
    let count: Int
    if let template {
      count = try sampler.answer(
        messages, template: template, maxTokens: maxTokens, temperature: temperature, topP: topP,
        seed: seed, emit: emit)
    } else {
      // With the first piece, since a prompt that is refused is not to stand before the error.
      var shown = prompt
      count = try sampler.stream(
        after: prompt, maxTokens: maxTokens, temperature: temperature, topP: topP, seed: seed,
        emit: {
          defer { shown = "" }
          return emit(shown + $0)
        })
      Output.write(shown)
    }
    Output.write("\n")
    let rate = Double(count) / max((clock.now - start).seconds, 1e-9)
    if Terminal.standardError.isTTY {
      Output.note("\(count) tokens, \(formatted(rate, decimals: 1)) tokens/s")
    }
  }

  private var messages: [ChatMessage] {
    (system.map { [ChatMessage(.system, $0)] } ?? []) + [ChatMessage(.user, prompt)]
  }
}
