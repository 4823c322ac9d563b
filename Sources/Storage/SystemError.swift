#if canImport(Glibc)
  import Glibc
#endif

/// The system's message for an error number.
package func systemMessage(_ number: Int32) -> String { String(cString: strerror(number)) }

/// The kind of file that a mode describes, for messages.
package func kindOfFile(_ mode: mode_t) -> String {
  switch mode & S_IFMT {
  case S_IFDIR: "a folder"
  case S_IFLNK: "a symbolic link"
  case S_IFIFO: "a pipe"
  case S_IFSOCK: "a socket"
  case S_IFCHR, S_IFBLK: "a device"
  default: "a file"
  }
}
