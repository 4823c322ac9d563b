/// Who says a message of a chat.
public enum ChatRole: String, Sendable, CaseIterable {
  case system, user, assistant
}

/// One message of a chat. Its content is plain text: where it spells a control token, it stays text.
public struct ChatMessage: Hashable, Sendable {
  public var role: ChatRole
  public var content: String

  public init(_ role: ChatRole, _ content: String) {
    self.role = role
    self.content = content
  }
}
