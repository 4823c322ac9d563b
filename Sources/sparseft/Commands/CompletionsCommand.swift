import ArgumentParser

struct CompletionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "completions", abstract: "Prints a script that completes sparseft's arguments.",
    discussion: """
      For bash: sparseft completions bash > ~/.local/share/bash-completion/completions/sparseft. \
      For zsh: sparseft completions zsh > DIR/_sparseft, where DIR is in $fpath. For fish: \
      sparseft completions fish > ~/.config/fish/completions/sparseft.fish. 'make install' puts all \
      three into their places.
      """)

  /// The shells that scripts are made for.
  enum Shell: String, ExpressibleByArgument, CaseIterable {
    case bash, zsh, fish

    var scripted: CompletionShell {
      switch self {
      case .bash: .bash
      case .zsh: .zsh
      case .fish: .fish
      }
    }
  }

  @Argument(help: "The shell: bash, zsh or fish.")
  var shell: Shell

  func run() throws {
    let script = Sparseft.completionScript(for: shell.scripted)
    Output.write(script + "\n" + (shell == .bash ? Self.keysInBash : ""))
  }

  /// Behind a key's "=" comes its value, so bash is told to add no space, and that it is no file to quote.
  private static let keysInBash = """

    _sparseft_with_keys() {
        _sparseft "$@"
        if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace +o filenames; fi
    }

    complete -o filenames -F _sparseft_with_keys sparseft

    """
}
