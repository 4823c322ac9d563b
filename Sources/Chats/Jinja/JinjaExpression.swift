/// An expression of a Jinja template.
indirect enum JinjaExpression {
  case literal(JinjaValue)
  case name(String)
  case list([JinjaExpression])
  case mapping([(JinjaExpression, JinjaExpression)])
  case member(JinjaExpression, String)
  case index(JinjaExpression, JinjaExpression)
  case slice(JinjaExpression, JinjaExpression?, JinjaExpression?, JinjaExpression?)
  case call(JinjaExpression, JinjaArguments)
  case filter(JinjaExpression, String, JinjaArguments)
  case test(JinjaExpression, String, [JinjaExpression])
  case not(JinjaExpression)
  case negative(JinjaExpression)
  case binary(String, JinjaExpression, JinjaExpression)
  case conditional(JinjaExpression, if: JinjaExpression, else: JinjaExpression?)
}

/// Arguments of a call, a filter or a macro.
struct JinjaArguments {
  var values: [JinjaExpression] = []
  var named: [(name: String, value: JinjaExpression)] = []
}
