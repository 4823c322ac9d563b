/// How a model is told who speaks: the text and control tokens around messages, as data.
///
/// In its texts `{content}` and `{system}` stand for messages, `{bos}` and `{eos}` for the
/// tokenizer's own tokens. What is spelled like one of `controls` is that control token; messages
/// never are.
public struct ChatTemplate: Hashable, Sendable {
  public var name: String
  /// Which models are written so.
  public var about: String
  /// Its place among the templates that are tried on a model's own one: lower ones first, such as
  /// one that writes the same as another one and more.
  public var order = 0
  /// Control tokens that the tokenizer must have.
  public var controls: [String] = []
  /// Spellings that are control tokens where the tokenizer has them, else text.
  public var markers: [String] = []
  /// What stands before the first message.
  public var begin = ""
  /// A system message of its own; nil if there is none.
  public var system: String?
  /// A user message with the system's in it; nil if there is none.
  public var joined: String?
  /// Whether the system message stands in the last user message, not the first.
  public var joinsLast = false
  /// A user message.
  public var user: String
  /// What makes the model answer; an answer begins behind it.
  public var generationPrompt: String
  /// An answer's content; it counts, as all up to the end of the turn.
  public var assistant: String
  /// What ends an answer; it counts.
  public var endOfTurn: String
  /// What follows the end of an answer.
  public var afterTurn = ""
  /// What stands behind the last message.
  public var end = ""
  /// The system message of chats that bring none; nil if these have none.
  public var defaultSystem: String?
  /// Whether user and assistant must take turns, the user first.
  public var alternates = false
  /// Roles whose messages lose the white space around them.
  public var trims: Set<ChatRole> = []
  /// Whether a joined message loses it only once it is joined.
  public var trimsJoined = false
  /// Whether control tokens take the white space behind them with them, as tokenizers with `rstrip`
  /// do.
  public var stripsAfterControls = false
  /// How an answer's reasoning is written; nil if it is text like any other.
  public var reasoning: Reasoning?

  /// Marks around the reasoning in an answer.
  public struct Reasoning: Hashable, Sendable {
    public var open: String
    public var close: String
  }

  /// A template of which everything else is as plain as it can be.
  public init(
    name: String, about: String = "", user: String, generationPrompt: String, assistant: String,
    endOfTurn: String
  ) {
    self.name = name
    self.about = about
    self.user = user
    self.generationPrompt = generationPrompt
    self.assistant = assistant
    self.endOfTurn = endOfTurn
  }
}
