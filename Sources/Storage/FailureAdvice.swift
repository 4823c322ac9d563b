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

/// What to do after the system refused to create a file or a folder, by its message.
public func creatingAdvice(_ reason: String) -> String {
  switch reason {
  case systemMessage(ENOENT): "create its folder first, or choose another one"
  case systemMessage(ENOTDIR): "a part of the path is a file: choose another path"
  case systemMessage(EACCES), systemMessage(EPERM), systemMessage(EROFS):
    "choose a folder that you may write to"
  case systemMessage(ENAMETOOLONG): "choose a shorter name"
  case systemMessage(EISDIR), systemMessage(EEXIST), systemMessage(ENOTEMPTY): takenNameAdvice
  case systemMessage(ELOOP): "its links lead in a circle: choose another path"
  case systemMessage(EMFILE), systemMessage(ENFILE): "try again when fewer files are open"
  case systemMessage(EFBIG), systemMessage(ENOSPC), systemMessage(EDQUOT): writingAdvice(reason)
  default: "check that its folder exists and may be written"
  }
}

/// What to do where something else has the name of what is to be created.
let takenNameAdvice = "choose another name, or move away what has it"
