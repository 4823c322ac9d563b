import Checkpoints
import Recipes
import Runs
import Storage
import Testing

/// Every method that a recipe can name can be trained.
@Suite struct MethodChoiceTests {
  @Test(arguments: MethodRecipe.types)
  func everyMethodGivesAnAdaptation(type: String) throws {
    let fixture = try RunsFixture()
    let prepared = try fixture.prepared(#"method={"type": "\#(type)"}"#)
    let run = try PlannedRun(prepared, try MethodDecision(unmeasured: prepared))
    #expect(run.step.trainableParameters > 0)
  }

  /// A delta says how it was trained: every setting of every method but its label.
  @Test(arguments: MethodRecipe.types)
  func aDeltaKeepsEverySetting(type: String) throws {
    let fixture = try RunsFixture()
    let prepared = try fixture.prepared(#"method={"type": "\#(type)", "label": "Ann's"}"#)
    let recipe = prepared.recipe.resolvedJSON
    var method = try #require(recipe["method"]?.object)
    try DeltaWriter.write(
      to: fixture.folder["d"], base: prepared.weights.checkpoint, method: .object(method),
      recipe: recipe, metrics: .null, elementType: .f32, updates: [])
    method["label"] = nil
    let delta = try Delta.open(fixture.folder["d"])
    #expect(delta.method == .object(method) && delta.recipe["method"] == .object(method))
  }
}
