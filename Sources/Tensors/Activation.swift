/// The activation of a gated MLP's gate.
public enum Activation: String, Hashable, Codable, Sendable, CaseIterable {
  /// x · sigmoid(x) (Shazeer 2020, SwiGLU).
  case silu
  /// GELU in its tanh form (Hendrycks & Gimpel 2016; Shazeer 2020, GEGLU).
  case geluTanh = "gelu_tanh"
}
