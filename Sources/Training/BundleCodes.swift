import Compilation
import Programs
import Tensors

// Numbers in files, which `CRuntime/bundle.h` and `sft_runtime.h` name.

extension ProgramBundle.Role {
  var code: Int {
    switch self {
    case .training: 0
    case .validation: 1
    case .prefix: 2
    }
  }
}

extension BufferElement {
  var code: Int {
    switch self {
    case .f32: 0
    case .bf16: 1
    case .int8: 2
    case .int32: 3
    case .momentCodes: 4
    }
  }
}

extension BufferKind {
  var code: Int {
    switch self {
    case .weight: 0
    case .parameter: 1
    case .gradient: 2
    case .activation: 3
    case .optimizer: 4
    case .input: 5
    case .constant: 6
    case .workspace: 7
    }
  }
}

extension Phase {
  var code: Int {
    switch self {
    case .forward: 0
    case .backward: 1
    case .update: 2
    }
  }
}

extension StepPart {
  var code: Int {
    switch self {
    case .begin: 0
    case .body: 1
    case .finish: 2
    }
  }
}

extension LearningRateSchedule.Curve {
  var code: Int {
    switch self {
    case .cosine: 0
    case .linear: 1
    case .constant: 2
    }
  }
}
