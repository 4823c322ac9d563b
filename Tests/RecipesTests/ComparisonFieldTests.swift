import Recipes
import Testing

@Suite struct ComparisonFieldTests {
  private func field(
    _ method: MethodRecipe, compare: [MethodEntry] = []
  ) -> ComparisonField {
    let nowhere = RecipePath("/", relativeTo: "/")
    var recipe = Recipe(model: nowhere, output: nowhere, train: [])
    recipe.method = MethodEntry(method)
    recipe.compare = compare
    return ComparisonField(recipe)
  }

  @Test func theDefaultFieldHasTheSameBudget() {
    let budget = BudgetRecipe(memoryMegabytes: 300)
    let field = field(.sparse(SparseRecipe(budget: budget)))
    #expect(field.isDefault)
    #expect(
      field.members.map(\.label) == [
        "sparse auto", "lora r8", "lora r8 qv", "full", "sparse last", "sparse random", "norms",
      ])
    let budgets = field.members.compactMap { member -> BudgetRecipe? in
      member.entry.method.sparse?.budget
    }
    #expect(budgets == [budget, budget, budget])
    #expect(field.reference == 1)
    // A rate that the recipe fixes was found for the recipe's method.
    #expect(field.members.dropFirst().allSatisfy { $0.entry.learningRate == .auto })
    #expect(field.members[0].entry.learningRate == nil)
  }

  @Test func withoutABudgetTheControlsHaveTheDefault() {
    let budgets = field(.full).members.compactMap { member -> BudgetRecipe? in
      member.entry.method.sparse?.budget
    }
    #expect(budgets == [SparseRecipe.defaultBudget, SparseRecipe.defaultBudget])
  }

  @Test(arguments: [
    (
      MethodRecipe.norms,
      ["norms", "lora r8", "lora r8 qv", "full", "sparse last", "sparse random"]
    ),
    (.full, ["full", "lora r8", "lora r8 qv", "sparse last", "sparse random", "norms"]),
    (
      .lora(LoRARecipe()),
      ["lora r8", "lora r8 qv", "full", "sparse last", "sparse random", "norms"]
    ),
    (
      .sparse(SparseRecipe(tensors: .last)),
      ["sparse last", "lora r8", "lora r8 qv", "full", "sparse random", "norms"]
    ),
  ])
  func theOwnMethodRunsOnce(_ method: MethodRecipe, _ labels: [String]) {
    let field = field(method)
    #expect(field.members.map(\.label) == labels)
    #expect(field.members[field.reference].label == "lora r8")
  }

  @Test func theReferenceIsTheUsualLoRAElseTheFirstBaseline() {
    let entries = [MethodEntry(.norms), MethodEntry(.lora(LoRARecipe(alpha: 32)))]
    #expect(field(.full, compare: entries).reference == 2)
    #expect(field(.full, compare: [entries[0]]).reference == 1)
    #expect(field(.lora(LoRARecipe()), compare: [entries[0]]).reference == 0)
    #expect(field(.lora(LoRARecipe()), compare: entries).reference == 2)
    #expect(field(.lora(LoRARecipe(rank: 4)), compare: [entries[0]]).reference == 1)
  }

  @Test func labelsAreDistinct() {
    let entries = [
      MethodEntry(.lora(LoRARecipe())), MethodEntry(.lora(LoRARecipe(alpha: 32))),
      MethodEntry(.full, label: "lora r8 #2"), MethodEntry(.norms),
    ]
    #expect(
      field(.norms, compare: entries).members.map(\.label) == [
        "norms", "lora r8", "lora r8 #2", "lora r8 #2 #2", "norms #2",
      ])
  }
}
