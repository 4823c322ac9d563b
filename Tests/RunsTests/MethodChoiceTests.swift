import Recipes
import Runs
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
}
