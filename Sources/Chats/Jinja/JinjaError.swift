/// Why a template can't be rendered; none of these is shown without the template's own place.
enum JinjaError: Error {
  /// Syntax or a function that this reading of Jinja does not have.
  case unsupported(String)
  /// The template refused the chat (`raise_exception`).
  case refused(String)
  /// More steps, text or depth than a chat template needs.
  case limit(String)
}
