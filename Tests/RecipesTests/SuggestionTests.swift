import Recipes
import Testing

@Suite struct SuggestionTests {
  @Test(arguments: [
    ("", "", 0), ("abc", "", 3), ("", "abc", 3), ("abc", "abc", 0), ("abc", "abd", 1),
    ("abc", "acb", 1), ("kitten", "sitting", 3), ("lenght", "length", 1), ("ca", "abc", 3),
  ])
  func distances(a: String, b: String, expected: Int) {
    #expect(editDistance(a, b) == expected)
  }

  @Test func nearestIsNearEnough() {
    let words = ["rank", "alpha", "targets"]
    #expect(nearest(to: "rnak", in: words) == "rank")
    #expect(nearest(to: "Alpha", in: words) == "alpha")
    #expect(nearest(to: "target", in: words) == "targets")
    #expect(nearest(to: "targts", in: words, atMost: 0) == nil)
    #expect(nearest(to: "dropout", in: words) == nil)
    #expect(nearest(to: "x", in: ["a"]) == nil)
    #expect(nearest(to: "x", in: []) == nil)
    #expect(nearest(to: String(repeating: "rank", count: 60), in: words) == nil)
  }
}
