import Storage

/// What a method's budget calls its share of full fine-tuning's arithmetic.
public enum BudgetKey: String, Sendable {
  /// As recipes spell it.
  case present = "step_flops"
  /// As earlier versions spelled it, which what they left in files still does.
  case former = "step_time"

  /// A method's JSON with the key in this spelling, whichever it has.
  public func spelled(in method: JSONValue) -> JSONValue {
    guard var fields = method.object, let budget = fields["budget"]?.object else { return method }
    let members = budget.members.map { member in
      (BudgetKey(rawValue: member.key) == nil ? member.key : rawValue, member.value)
    }
    fields["budget"] = .object(JSONObject(members))
    return .object(fields)
  }
}
