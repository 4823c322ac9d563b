import Chats
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Which known template a Jinja template is.
@Suite struct TemplateRecognitionTests {
  private func recognise(_ jinja: String) throws -> ChatTemplate {
    try ChatTemplate.recognised(jinja, begin: "<s>", end: "</s>")
  }

  /// A ChatML template with a beginning and some changes.
  private func chatML(_ start: String = "", content: String = "m.content") -> String {
    """
    \(start)
    {%- for m in messages %}
        {{- '<|im_start|>' ~ m.role ~ '\\n' ~ \(content) ~ '<|im_end|>\\n' }}
    {%- endfor %}
    {%- if add_generation_prompt %}{{ "<|im_start|>assistant\\n" }}{% endif %}
    """
  }

  @Test func shapesAreFoundByWhatTheyWrite() throws {
    let plain = try recognise(chatML())
    #expect(plain == (try ChatTemplates.named("chatml")))
    let polite = try recognise(
      chatML(
        """
        {%- if messages[0]['role'] != 'system' -%}
        {{ '<|im_start|>system\\nBe polite.<|im_end|>\\n' }}
        {%- endif -%}
        """))
    #expect(polite.name == "chatml" && polite.defaultSystem == "Be polite.")
    let trimmed = try recognise(chatML("{{ bos_token }}", content: "m.content | trim"))
    #expect(trimmed.begin == "{bos}" && trimmed.trims == [.system, .user, .assistant])
  }

  @Test func headersAndBrackets() throws {
    let llama = try recognise(
      """
      {% for m in messages %}{% set text %}{{ '<|start_header_id|>' + m['role'] + \
      '<|end_header_id|>\\n\\n' + m['content'].strip() + '<|eot_id|>' }}{% endset %}\
      {% if loop.first %}{{ bos_token }}{% endif %}{{ text }}{% endfor %}\
      {% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}
      """)
    #expect(llama == (try ChatTemplates.named("llama3")))
    let brackets = try recognise(
      """
      {%- set ns = namespace(turns=[], rules=none) %}
      {%- if messages[0].role == 'system' %}{% set ns.rules = messages[0].content %}
        {%- set turns = messages[1:] %}{% else %}{% set turns = messages %}{% endif %}
      {%- for m in turns %}
        {%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('take turns') }}{% endif %}
        {%- if m.role == 'user' %}
          {%- set text = m.content %}
          {%- if loop.first and ns.rules is not none %}
            {%- set text = '<<SYS>>\\n' + ns.rules + '\\n<</SYS>>\\n\\n' + text %}
          {%- endif %}
          {{- bos_token + '[INST] ' + text.strip() + ' [/INST]' }}
        {%- else %}
          {{- ' ' + m.content.strip() + ' ' + eos_token }}
        {%- endif %}
      {%- endfor %}
      """)
    #expect(brackets == (try ChatTemplates.named("llama2")))
    let models = try recognise(
      """
      {{- bos_token -}}
      {%- macro turn(who, text) -%}
      {{ '<start_of_turn>' + who + '\\n' + text | trim + '<end_of_turn>\\n' }}
      {%- endmacro -%}
      {%- for m in messages -%}
      {%- if m.role == 'system' -%}{{ raise_exception('no system') }}{%- endif -%}
      {%- if (m.role == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception('turns') }}{%- endif -%}
      {{ turn('model' if m.role == 'assistant' else m.role, m.content) }}
      {%- endfor -%}
      {%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}
      """)
    #expect(models.name == "gemma" && models.system == nil && models.joined == nil)
  }

  @Test func linesAndAngles() throws {
    let lines = """
      {% for m in messages %}
      {% if m.role in ['system', 'user', 'assistant'] %}
      <|{{ m.role }}|>
      {{ m.content ~ eos_token }}
      {% endif %}
      {% endfor %}
      {% if add_generation_prompt %}
      <|assistant|>
      {% endif %}
      """
    #expect(try recognise(lines).name == "zephyr")
    let angles = """
      {% for m in messages %}<|{{ m.role }}|>{{ '\\n' + m.content }}<|end|>{{ '\\n' }}{% endfor %}\
      {% if add_generation_prompt %}<|assistant|>{{ '\\n' }}{% else %}{{ eos_token }}{% endif %}
      """
    #expect(try recognise(angles) == (try ChatTemplates.named("phi3")))
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func theRealOne() throws {
    let bytes = try TemporaryFolder.read(SharedData.require("smollm2/chat_template.jinja"))
    let found = try recognise(String(decoding: bytes, as: UTF8.self))
    #expect(found.name == "chatml")
    #expect(
      found.defaultSystem == "You are a helpful AI assistant named SmolLM, trained by Hugging Face")
  }

  @Test func whatIsNotKnownIsRefused() throws {
    for (jinja, reason) in [
      ("{{ messages[0].content }}", "it writes a question as \"One?\""),
      (chatML(content: "m.content ~ '!'"), "it writes a question as"),
      (chatML(content: "m.content.split('</think>')[-1]"), "it writes a question as"),
      (chatML("{{ 'Hello. ' }}"), "it writes a question as \"Hello. <|im_start|>user"),
      ("{{ raise_exception('go away') }}", "it refuses a question"),
      ("{% for m in messages %}{{ m.content }}", "a statement without 'endfor'"),
      ("{% endfor %}", "the statement 'endfor'"),
      ("{% include 'x' %}", "the statement 'include'"),
      ("{{ messages | sneeze }}", "the filter 'sneeze'"),
      ("{{ messages.append(1) }}", "the method 'append'"),
      ("{{ cycler(1) }}", "a function that is not known"),
      ("{{ 'a' + 1 }}", "'+' between values of different kinds"),
      ("{{ messages }}", "printing a value that is no text"),
      ("{{ 'open }}", "a string without its closing quote"),
      ("{{ 1 2 }}", "more than one expression"),
      ("", "it writes a question as \"\""),
    ] {
      let error = #expect(throws: ChatError.self) { try recognise(jinja) }
      #expect(error?.category == .badData)
      #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
      #expect(error?.description.contains("known are chatml, ") == true)
    }
  }

  /// Each ends at once.
  @Test func hostileTemplatesEnd() throws {
    let doubling = (0..<40).map { _ in "{% set x = x + x %}" }.joined()
    for jinja in [
      "{% set x = 'aaaaaaaa' %}" + doubling + "{{ x }}",
      "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}",
      "{% for a in range(9223372036854775807) %}x{% endfor %}",
      "{{ 9223372036854775807 * 9223372036854775807 + 1 }}", "{{ -9223372036854775808 // 1 }}",
      "{{ messages[-9223372036854775807:9223372036854775807:-9223372036854775807] }}",
      "{{ " + String(repeating: "(", count: 100_000) + " }}",
      "{{ " + String(repeating: "not ", count: 60_000) + "x }}",
      "{{ x" + String(repeating: "[0]", count: 50_000) + " }}",
      String(repeating: "{% if true %}", count: 10_000),
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{{ '" + String(repeating: "x", count: 300_000) + "' }}",
      "{{ messages[0].content.replace('O', 'O' ~ messages[0].content) }}",
    ] {
      let error = #expect(throws: ChatError.self) { try recognise(jinja) }
      #expect(error?.category == .badData)
    }
  }

  /// Values that hold themselves, grow or nest, and numbers at the ends of their range.
  @Test(arguments: [
    """
    {% set a = namespace() %}{% set b = namespace() %}{% set a.x = a %}{% set b.x = b %}\
    {{ 'y' if a == b else 'n' }}
    """,
    """
    {% set n = namespace(a=[1], b=[1]) %}{% for i in range(30) %}{% set n.a = [n.a, n.a] %}\
    {% set n.b = [n.b, n.b] %}{% endfor %}{{ n.a == n.b }}
    """,
    """
    {% set n = namespace(a=[1, 1]) %}{% for i in range(40) %}{% set n.a = n.a + n.a %}{% endfor %}
    """,
    """
    {% set n = namespace(a='aaaaaaaaaaaaaaaa') %}{% for i in range(16) %}\
    {% set n.a = n.a + n.a %}{% endfor %}{{ range(10000) | join(n.a) }}
    """,
    """
    {% set n = namespace(a='aaaaaaaaaaaaaaaa') %}{% for i in range(16) %}\
    {% set n.a = n.a + n.a %}{% endfor %}{% for i in range(2000) %}{% for j in range(9) %}\
    {% if n.a.upper() in n.a %}{% endif %}{% endfor %}{% endfor %}{{ 'One?' }}
    """,
    """
    {% set n = namespace(a='aaaaaaaaaaaaaaaa') %}{% for i in range(16) %}\
    {% set n.a = n.a + n.a %}{% endfor %}{{ n.a.split('a') | length }}{{ n.a | list | length }}
    """,
    """
    {% set n = namespace(a=[]) %}{% for i in range(200) %}{% for j in range(200) %}\
    {% set n.a = [n.a] %}{% endfor %}{% endfor %}{{ n.a | length }}
    """,
    """
    {% set h = namespace(c=namespace()) %}{% set top = h.c %}{% for i in range(150) %}\
    {% for j in range(150) %}{% set c = h.c %}{% set c.x = namespace() %}{% set h.c = c.x %}\
    {% endfor %}{% endfor %}{{ top.x }}
    """,
    "{{ range(-9223372036854775807, 9223372036854775807) | length }}",
    "{{ (-9223372036854775807 - 1) // 1 }}{{ -5 // 9223372036854775807 }}",
    "{{ 9223372036854775806 % 9223372036854775807 }}",
    "{{ messages[::9223372036854775807] | length }}",
    "{{ x" + String(repeating: ".a", count: 120_000) + " }}",
    "{{ x" + String(repeating: "+x", count: 120_000) + " }}",
    "{{ x" + String(repeating: "|a", count: 120_000) + " }}",
  ])
  func hostileValuesEnd(_ jinja: String) {
    let error = #expect(throws: ChatError.self) { try recognise(jinja) }
    #expect(error?.category == .badData)
  }

  /// Python's division rounds down.
  @Test func numbersAreDividedAsPythonDoes() throws {
    for (numbers, expected) in [
      ("-7 // 2", "-4"), ("7 // 2", "3"), ("-7 % 3", "2"), ("-6 % 3", "0"), ("-6 // 3", "-2"),
    ] {
      let error = #expect(throws: ChatError.self) { try recognise("{{ \(numbers) }}") }
      #expect(error?.description.contains("a question as \"\(expected)\"") == true, "\(numbers)")
    }
  }

  private static let folder = getenv("SPARSEFT_TEMPLATES").map { String(cString: $0) }

  /// Models' own templates, named `NAME.EXPECTED.jinja` in the folder `SPARSEFT_TEMPLATES`, where
  /// EXPECTED is a template of ours, or "unknown".
  @Test(.enabled(if: folder != nil, "SPARSEFT_TEMPLATES names no folder of *.jinja"))
  func templatesOfAFolder() throws {
    let folder = try #require(Self.folder)
    let stream = try #require(opendir(folder))
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      let parts = name.split(separator: ".jinja")[0].split(separator: ".", maxSplits: 1)
      guard name.hasSuffix(".jinja"), parts.count == 2 else { continue }
      let jinja = String(decoding: try TemporaryFolder.read(folder + "/" + name), as: UTF8.self)
      let found = try? recognise(jinja)
      #expect(found?.name ?? "unknown" == String(parts[1]), "\(name)")
    }
  }
}
