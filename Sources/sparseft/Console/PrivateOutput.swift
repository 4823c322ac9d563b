import Runs

#if canImport(Glibc)
  import Glibc
#endif

/// Who may read what a command writes.
enum PrivateOutput {
  /// From now on only this user may read new files and folders, if that is so with one of the texts
  /// that they are made from: events have samples, and weights have what they learnt.
  static func follow(_ run: PreparedRun) {
    if run.hasPrivateText { umask(0o077) }
  }
}
