/// The foreign formats that checkpoints come from, by the name that their metadata and messages
/// give them. Shared files keep the name of a format, which has to be one of these.
public enum CheckpointOrigin: String, Sendable, CaseIterable {
  case huggingFace = "a Hugging Face folder (config.json and safetensors)"
  case gguf = "a GGUF file"
  case llama2c = "llama2.c .bin"
}
