/// The version of this library, and of the program built on it.
public enum Version {
  public static let text = "0.1.0"
}
