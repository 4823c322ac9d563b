/// The keys that scripts rely on, by event type or by command.
enum Contract {
  /// Keys of the events in `events.jsonl` and of `--json` runs.
  static let events: [String: Set<String>] = [
    "start": [
      "model", "method", "trainable_parameters", "total_parameters", "threads",
      "instruction_set", "precision", "version",
    ],
    "plan": ["planned_bytes", "flops_per_token", "full_flops_per_token"],
    "step": [
      "step", "epoch", "loss", "learning_rate", "grad_norm", "tokens", "tokens_per_second",
      "step_seconds", "phase_seconds", "rss_bytes", "peak_rss_bytes", "planned_bytes",
      "elapsed_seconds", "eta_seconds",
    ],
    "analysis": ["seconds", "learning_rate"],
    "validation": ["step", "loss", "perplexity", "best"],
    "snapshot": [],
    "warning": [],
    "done": [
      "steps", "tokens", "initial_validation_loss", "final_validation_loss",
      "best_validation_loss", "tokens_per_second", "peak_rss_bytes", "planned_bytes", "seconds",
      "reason",
    ],
  ]

  /// Keys of `planned_bytes` in the plan.
  static let plannedBytes: Set = [
    "weights", "activations", "gradients", "optimizer", "workspace", "total",
  ]

  /// Keys of `phase_seconds` in a step.
  static let phases: Set = ["data", "forward", "backward", "update"]

  /// Keys of `analyze --json` and `contributions.json`.
  static let analysis: Set = [
    "base_loss", "noise", "probe", "tensors", "candidates", "scheme", "predicted_gain", "budget",
    "step_time", "planned_bytes",
  ]

  /// Keys of a tensor in them.
  static let analysedTensor: Set = ["name", "score", "gain", "flops", "bytes"]

  /// Keys of a row of `compare --json`.
  static let comparison: Set = [
    "method", "label", "seed", "trainable_parameters", "initial_validation_loss",
    "final_validation_loss", "tokens", "tokens_per_second", "seconds", "analysis_seconds",
    "planned_bytes", "peak_rss_bytes", "flops_per_token",
  ]

  /// Keys of a summary of `compare --json`.
  static let summary: Set = [
    "type", "label", "seeds", "final_validation_loss", "tokens_per_second", "planned_bytes",
    "peak_rss_bytes", "trainable_parameters", "delta_bytes", "analysis_seconds",
    "loss_at_equal_time", "seconds_to_reference_loss", "time_ratio",
  ]

  /// Keys of `eval --json`.
  static let evaluation: Set = [
    "tokens", "loss", "perplexity", "bits_per_byte", "bytes", "tokens_per_second",
    "peak_rss_bytes", "precision",
  ]

  /// Keys of `audit --json`.
  static let audit: Set = [
    "leaks", "verdict", "delta", "base", "method", "sequence_length", "train_windows",
    "heldout_windows", "span", "membership", "extraction", "exposure", "seconds",
  ]
}
