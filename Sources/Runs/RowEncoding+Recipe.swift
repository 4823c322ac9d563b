import Datasets
import Recipes

extension RowEncoding {
  /// How a recipe's rows are written, and which of their tokens count.
  public init(_ trainOn: TrainOnRecipe, _ chats: ChatChoice) {
    self.init(trainOn: TrainOn(trainOn), template: chats.template, isTurnedOff: !chats.isOwn)
  }
}

extension TrainOn {
  init(_ choice: TrainOnRecipe) {
    switch choice {
    case .completions: self = .completions
    case .all: self = .all
    }
  }
}

extension LongRows {
  public init(_ choice: LongRowsRecipe) {
    switch choice {
    case .split: self = .split
    case .drop: self = .drop
    }
  }
}
