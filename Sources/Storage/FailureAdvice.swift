#if canImport(Glibc)
  import Glibc
#endif

/// What to do after the system refused to write, by its message.
public func writingAdvice(_ reason: String) -> String {
  switch reason {
  case systemMessage(ENOSPC), systemMessage(EDQUOT): "free some space and try again"
  case systemMessage(EFBIG): "raise the limit on the size of files (ulimit -f) and try again"
  case systemMessage(EPIPE): "whatever was reading it has ended"
  default: "check the disk and try again"
  }
}
