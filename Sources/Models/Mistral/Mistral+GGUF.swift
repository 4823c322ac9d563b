/// llama.cpp counts the family as `llama`; its files are read as Llama's.
extension Mistral {
  public static let ggufArchitecture: String? = "llama"
  public static let ggufInterleavesRotaryRows = true
}
