/// One record of a TensorBoard event file: scalars of one step, or the file's first record.
///
/// The fields are those of `tensorflow.Event` (wall_time 1, step 2, file_version 3, summary 5,
/// session_log 7), `Summary` (value 1) and `Summary.Value` (tag 1, simple_value 2).
struct ScalarEvent {
  /// Seconds since 1970.
  let wallSeconds: Double
  let content: Content

  enum Content {
    /// Says which format the file is in.
    case version
    /// What earlier files say of this step and later ones no longer holds.
    case restart(step: Int)
    case scalars(step: Int, [(tag: String, value: Double)])
  }

  /// Status START of `SessionLog`.
  private static let started: Int64 = 1

  var message: WireMessage {
    var event = WireMessage()
    event.add(1, wallSeconds)
    switch content {
    case .version: event.add(3, "brain.Event:2")
    case .restart(let step):
      event.add(2, Int64(step))
      var log = WireMessage()
      log.add(1, Self.started)
      event.add(7, log)
    case .scalars(let step, let scalars):
      event.add(2, Int64(step))
      var summary = WireMessage()
      for scalar in scalars {
        var value = WireMessage()
        value.add(1, scalar.tag)
        value.add(2, Float(scalar.value))
        summary.add(1, value)
      }
      event.add(5, summary)
    }
    return event
  }

  /// The event as a TFRecord: length, its checksum, the message, its checksum.
  var record: [UInt8] {
    let bytes = message.bytes
    let length = littleEndianBytes(UInt64(bytes.count))
    return length + littleEndianBytes(Checksum.masked(length)) + bytes
      + littleEndianBytes(Checksum.masked(bytes))
  }
}
