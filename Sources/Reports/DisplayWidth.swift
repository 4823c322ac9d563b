/// Number of terminal columns of `text`: 2 for East Asian wide characters and emoji, 0 for
/// combining marks and control characters, 1 for the rest.
///
/// Covers the blocks of Unicode Standard Annex 11 that occur in names and sample texts, not every
/// single code point. Text must not contain escape sequences: colour is added after layout.
public func displayWidth(_ text: some StringProtocol) -> Int {
  text.reduce(0) { $0 + columns(of: $1) }
}

/// The longest prefix of `text` that fits into `width` columns, ending in "…" if it was cut.
public func truncated(_ text: String, width: Int) -> String {
  guard displayWidth(text) > width else { return text }
  guard width > 0 else { return "" }
  var kept = ""
  var used = 0
  for character in text {
    let next = columns(of: character)
    if used + next > width - 1 { break }
    kept.append(character)
    used += next
  }
  return kept + "…"
}

/// `text` padded with spaces to `width` columns; longer text is unchanged.
public func padded(_ text: String, width: Int, alignment: Table.Alignment = .left) -> String {
  let gap = String(repeating: " ", count: max(0, width - displayWidth(text)))
  switch alignment {
  case .left: return text + gap
  case .right: return gap + text
  }
}

/// Columns of a character, by its first scalar; the emoji selector U+FE0F makes it wide.
private func columns(of character: Character) -> Int {
  guard let scalar = character.unicodeScalars.first else { return 0 }
  if character.unicodeScalars.contains(where: { $0.value == 0xFE0F }) { return 2 }
  switch scalar.value {
  case 0..<0x20, 0x7F..<0xA0: return 0
  case 0x20..<0x7F, 0xA0..<0x300: return 1
  case 0x300..<0x370, 0x200B...0x200F, 0xFE00...0xFE0F: return 0
  case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF,
    0xA000...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
    0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1F9FF, 0x20000...0x3FFFD:
    return 2
  default: return 1
  }
}
