import Checkpoints
import Storage

/// The `adapter_config.json` of PEFT's LoRA.
enum PEFTConfiguration {
  /// The members for some factors. PEFT computes a scale as alpha / rank; ranks and alphas that
  /// differ from the first matrix's stand in patterns.
  static func json(_ factors: [ForeignFactors]) -> JSONObject {
    let rank = factors.first?.rank ?? 0
    let alpha = factors.first?.alpha ?? 0
    let others = factors.filter { $0.rank != rank }
    let alphas = factors.filter { $0.alpha != alpha }
    return JSONObject([
      ("peft_type", "LORA"), ("task_type", "CAUSAL_LM"), ("base_model_name_or_path", .null),
      ("r", .int(rank)), ("lora_alpha", .number(alpha)), ("lora_dropout", 0), ("bias", "none"),
      ("target_modules", .array(factors.map { .string($0.module) })),
      (
        "rank_pattern",
        .object(JSONObject(others.map { ($0.module, .int($0.rank)) }))
      ),
      (
        "alpha_pattern",
        .object(JSONObject(alphas.map { ($0.module, .number($0.alpha)) }))
      ),
      ("fan_in_fan_out", false), ("use_rslora", false), ("use_dora", false),
      ("modules_to_save", .null), ("inference_mode", true), ("init_lora_weights", true),
    ])
  }
}
