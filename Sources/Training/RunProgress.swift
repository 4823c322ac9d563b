import Storage

/// How far a run has come.
struct RunProgress: Hashable {
  var step = 0
  let batches: BatchIdentity
  var trainingSeconds = 0.0
  var elapsedSeconds = 0.0
  var initialValidationLoss: Double?
  var bestValidationLoss: Double?
  var lastValidationLoss: Double?
  var validationsSinceBest = 0

  init(_ batches: BatchIdentity) { self.batches = batches }

  init(_ values: JSONValue, batches: BatchIdentity) {
    self.batches = batches
    step = max(0, values["step"]?.int ?? 0)
    trainingSeconds = values["training_seconds"]?.double ?? 0
    elapsedSeconds = values["elapsed_seconds"]?.double ?? 0
    initialValidationLoss = values["initial_validation_loss"]?.double
    bestValidationLoss = values["best_validation_loss"]?.double
    lastValidationLoss = values["last_validation_loss"]?.double
    validationsSinceBest = values["validations_since_best"]?.int ?? 0
  }

  func json(base: String, method: JSONValue, decision: JSONValue) -> JSONObject {
    func loss(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
    var object: JSONObject = [
      "base": .string(base), "method": method, "decision": decision, "step": .int(step),
      "training_seconds": .number(trainingSeconds),
      "elapsed_seconds": .number(elapsedSeconds),
      "initial_validation_loss": loss(initialValidationLoss),
      "best_validation_loss": loss(bestValidationLoss),
      "last_validation_loss": loss(lastValidationLoss),
      "validations_since_best": .int(validationsSinceBest),
    ]
    for (key, value) in batches.fields { object[key] = .int(value) }
    return object
  }
}
