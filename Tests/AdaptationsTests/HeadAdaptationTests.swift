import Adaptations
import Graphs
import Models
import Operations
import Programs
import Tensors
import Testing

/// The head in a sparse scheme: whole, its first rows, or those of frequent pieces.
@Suite struct HeadAdaptationTests {
  private let configuration = ModelConfiguration(
    width: 32, hiddenWidth: 48, layers: 2, queryHeads: 4, keyValueHeads: 2, headWidth: 8,
    vocabularySize: 40, contextLength: 64, tiedHead: true)

  private func adapted(
    _ scheme: [String: Double], headRows: [Int32] = [], tiedHead: Bool = true
  ) throws -> Graph {
    let model = Llama(tiedHead ? configuration : configuration.untied)
    var graph = model.traceLoss(batch: 1, tokens: 4) {
      $0.hasSuffix("norm") ? .f32 : .int8
    }
    try SparseAdaptation(scheme: scheme, headRows: headRows).adapt(&graph)
    try graph.verify()
    return graph
  }

  /// The head of a tied model trains by itself: no gradient is wanted below it, and the lookup
  /// keeps reading the frozen embedding.
  @Test func namingTheHeadUntiesIt() throws {
    let graph = try adapted(["head": 1])
    let head = try #require(graph.parameters.first { $0.parameter.path == "head" })
    #expect(head.parameter.isTrained && head.parameter.rows == 0..<40)
    #expect(head.parameter.initial == .checkpoint(name: "embedding", rows: 0..<40))
    #expect(graph.type(of: head.value) == TensorType([40, 32]))
    let embedding = try #require(graph.parameters.first { $0.parameter.path == "embedding" })
    #expect(!embedding.parameter.isTrained)
    #expect(graph.type(of: embedding.value).elementType == .int8)
    for node in graph.nodes {
      #expect(node.operands.contains(head.value) == (node.operation is HeadLoss))
      #expect(node.operands.contains(embedding.value) == (node.operation is Embedding))
    }
    #expect(graph.trainedParameterCount == 40 * 32)
  }

  /// Both at once: the lookup's table and the head train apart.
  @Test func embeddingAndHeadCanBothTrain() throws {
    let graph = try adapted(["embedding": 1, "head": 1])
    #expect(graph.trainedParameterCount == 2 * 40 * 32)
    #expect(!graph.parameters.contains { !$0.parameter.isTrained && $0.parameter.path == "head" })
  }

  /// Without ids by frequency a share means the first rows, as for every matrix.
  @Test func aShareOfAnUntiedHeadIsItsFirstRows() throws {
    let graph = try adapted(["head": 0.4])
    let parts = graph.nodes.first { $0.operation is HeadLoss }?.operands[1...2] ?? []
    #expect(
      parts.map { graph[$0].source } == [
        .parameter(
          Parameter(
            path: "head", rows: 0..<16, kind: .table, isTrained: true,
            initial: .checkpoint(name: "embedding", rows: 0..<16))),
        .parameter(
          Parameter(
            path: "head", rows: 16..<40, kind: .table,
            initial: .checkpoint(name: "embedding", rows: 16..<40))),
      ])
    #expect(graph.trainedParameterCount == 16 * 32)
  }

  /// With ids by frequency a share of the head means those rows, sorted; nothing else of it trains.
  @Test(arguments: [true, false])
  func aShareOfTheHeadSelectsFrequentRows(_ tiedHead: Bool) throws {
    let order: [Int32] = [39, 5, 17, 0] + (20..<39).reversed() + (6..<17)
    let graph = try adapted(["head": 0.4], headRows: order, tiedHead: tiedHead)
    let ids = order.prefix(16).sorted()
    let node = try #require(graph.nodes.first { $0.operation is HeadLoss })
    #expect((node.operation as? HeadLoss)?.hasSelectedRows == true)
    let tensor = tiedHead ? "embedding" : "head"
    let sources = [1, 3, 4].map { graph[node.operands[$0]].source }
    #expect(
      sources == [
        .parameter(
          Parameter(
            path: "head", rows: 0..<40, kind: .table,
            initial: .checkpoint(name: tensor, rows: 0..<40))),
        .constant("head.rows", .integers(ids)),
        .parameter(
          Parameter(
            path: "head", rows: 0..<40, kind: .table, isTrained: true,
            initial: .checkpointRows(name: tensor, ids: ids))),
      ])
    #expect(graph.type(of: node.operands[4]) == TensorType([16, 32]))
    #expect(graph.trainedParameterCount == 16 * 32)
    #expect(try adapted(["head": 1], headRows: order).trainedParameterCount == 40 * 32)
    // Fewer ids than the share asks for: those.
    let few = try adapted(["head": 0.9], headRows: [3, 1], tiedHead: tiedHead)
    #expect(few.trainedParameterCount == 2 * 32)
  }

  /// Which rows a parameter holds is part of its name, so states of other rows don't fit.
  @Test func namesTellRowsApart() {
    func name(_ ids: [Int32]) -> String {
      Parameter(
        path: "head", rows: 0..<40, kind: .table,
        initial: .checkpointRows(name: "embedding", ids: ids)
      ).name
    }
    #expect(name([1, 2, 3]) == name([1, 2, 3]))
    #expect(Set([[1, 2, 3], [1, 2, 4], [1, 2], [258, 3]].map(name)).count == 4)
    #expect(name([1, 2]).hasPrefix("head[2 of 40, ") && name([1, 2]).hasSuffix("]"))
  }
}
