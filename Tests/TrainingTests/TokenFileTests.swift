import CRuntime
import Datasets
import Storage
import TestSupport
import Testing

@testable import Training

/// Texts as files for devices, read by the executor in C.
@Suite struct TokenFileTests {
  private static let tokens = 8

  /// A bundle whose windows have eight tokens, and the texts' file.
  private func files(
    _ text: TokenStream, _ validation: TokenStream?
  ) throws -> (bundle: [UInt8], text: [UInt8], vocabulary: Int) {
    let fixture = try TrainingFixture(instructionSet: "reference")
    var settings = TrainingFixture.settings(steps: 1)
    settings.shape.tokens = Self.tokens
    let step = try fixture.step(fixture.adaptation(.norms), settings)
    let bundle = try BundleFile(step, settings, fixture.checkpoint).bytes()
    let vocabulary = fixture.checkpoint.configuration.vocabularySize
    let text = TokenFile.bytes(
      for: bundle, text: text, validation: validation, vocabularySize: vocabulary)
    return (bundle, text, vocabulary)
  }

  private func stream(_ count: Int, masked: Bool) -> TokenStream {
    let ids = (0..<count).map { Int32($0 * 7 % 23) }
    let starts = Array(stride(from: 0, to: count, by: 5))
    return TokenStream(
      ids: ids, documentStarts: starts, bytes: count,
      scored: masked ? (0..<count).map { $0 % 3 != 0 } : nil)
  }

  @Test(arguments: [false, true])
  func windowsAreThoseOfTheStream(masked: Bool) throws {
    let (text, validation) = (stream(45, masked: masked), stream(21, masked: !masked))
    let (bundle, file, _) = try files(text, validation)
    let opened = OpenedText(file, bundle: OpenedBundle(bundle))
    let handle = try #require(opened.handle, "\(opened.problem ?? "")")
    for (split, stream) in [(SFT_TRAINED_TEXT, text), (SFT_HELD_OUT_TEXT, validation)] {
      let windows = stream.windowCount(
        sequenceLength: Self.tokens, includePartial: split == SFT_HELD_OUT_TEXT)
      #expect(sft_text_windows(handle, split) == Int64(windows))
      #expect(sft_text_count(handle, split) == Int64(stream.count))
      #expect(sft_text_scored_in_all(handle, split) == Int64(stream.scoredCount))
      for window in 0..<windows {
        var (here, there) = (Window(), Window())
        here.fill { stream.fill(window: window, inputs: $0, targets: $1, documentStarts: $2) }
        there.fill { inputs, targets, starts in
          guard let a = inputs.baseAddress, let b = targets.baseAddress,
            let c = starts.baseAddress
          else { return }
          sft_text_fill(handle, split, Int64(window), a, b, c)
        }
        #expect(here == there, "window \(window)")
        let scored = stream.scoredCount(window: window, sequenceLength: Self.tokens)
        #expect(sft_text_scored(handle, split, Int64(window)) == Int64(scored))
      }
    }
  }

  @Test func theOrderIsThatOfTheSeed() throws {
    var settings = sft_settings()
    (settings.seed, settings.shuffles) = (7, true)
    var (order, error) = (OpaquePointer?.none, sft_error())
    #expect(sft_order_open(100, &settings, &order, &error) == SFT_OK)
    let handle = try #require(order)
    defer { sft_order_close(handle) }
    var expected = BatchOrder(windowCount: 100, seed: 7, shuffle: true)
    for position in [0, 1, 99, 100, 250, 3, 1_000] {
      #expect(sft_order_window(handle, Int64(position)) == Int64(expected.window(at: position)))
    }
  }

  /// Files with numbers changed and hashed anew: an error, or a text that stays within its file.
  @Test func changedFilesDoNoHarm() throws {
    let (bundle, file, _) = try files(stream(45, masked: true), stream(21, masked: false))
    let own = OpenedBundle(bundle)
    var (refused, opened) = (0, 0)
    for index in 96..<file.count {
      for value: UInt8 in [0, 1, 0x7F, 0xFF] {
        var changed = file
        changed[index] = value
        let hash = ContentHash.digest(Array(changed[64...]))
        changed.replaceSubrange(32..<64, with: hash)
        let text = OpenedText(changed, bundle: own)
        guard let handle = text.handle else {
          refused += 1
          continue
        }
        opened += 1
        for split in [SFT_TRAINED_TEXT, SFT_HELD_OUT_TEXT] {
          for window in 0..<min(8, sft_text_windows(handle, split)) {
            var read = Window()
            read.fill { inputs, targets, starts in
              guard let a = inputs.baseAddress, let b = targets.baseAddress,
                let c = starts.baseAddress
              else { return }
              sft_text_fill(handle, split, window, a, b, c)
            }
            #expect(read.starts.allSatisfy { (0...Int32(Self.tokens)).contains($0) })
          }
        }
      }
    }
    #expect(refused > 50 && opened > 50)
    var other = bundle
    other[40] ^= 1
    #expect(OpenedText(file, digest: Array(other[32..<64]), bundle: own).problem != nil)
    for length in [0, 63, 64, 100, file.count - 1] {
      #expect(OpenedText(Array(file.prefix(length)), bundle: own).problem != nil)
    }
  }

  /// Ids, targets and document starts of a window.
  private struct Window: Equatable {
    var inputs = [Int32](repeating: -7, count: tokens)
    var targets = [Int32](repeating: -7, count: tokens)
    var starts = [Int32](repeating: -7, count: tokens)

    typealias Memory = UnsafeMutableBufferPointer<Int32>

    mutating func fill(_ body: (Memory, Memory, Memory) -> Void) {
      inputs.withUnsafeMutableBufferPointer { a in
        targets.withUnsafeMutableBufferPointer { b in
          starts.withUnsafeMutableBufferPointer { c in body(a, b, c) }
        }
      }
    }
  }
}

/// A text that the executor in C has opened.
private final class OpenedText {
  private let memory: UnsafeMutableRawBufferPointer
  private let bundle: OpenedBundle
  private(set) var handle: OpaquePointer?
  private(set) var problem: String?

  /// - Parameter digest: of the bundle that the text says it is for; nil for what it says.
  init(_ bytes: [UInt8], digest: [UInt8]? = nil, bundle: OpenedBundle) {
    var bytes = bytes
    if let digest {
      bytes.replaceSubrange(64..<96, with: digest)
      bytes.replaceSubrange(32..<64, with: ContentHash.digest(Array(bytes[64...])))
    }
    self.bundle = bundle
    memory = .allocate(byteCount: max(1, bytes.count), alignment: 64)
    memory.copyBytes(from: bytes)
    var error = sft_error()
    guard let start = memory.baseAddress, let opened = bundle.handle else { return }
    guard sft_text_open(start, Int64(bytes.count), opened, &handle, &error) != SFT_OK else {
      return
    }
    problem = withUnsafeBytes(of: error.text) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  deinit {
    sft_text_close(handle)
    memory.deallocate()
  }
}
