import Datasets
import Recipes

extension RowEncoding {
  /// How a recipe's rows are written, and which of their tokens count.
  init(_ data: DataRecipe) { self.init(trainOn: TrainOn(data.trainOn)) }
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
  init(_ choice: LongRowsRecipe) {
    switch choice {
    case .split: self = .split
    case .drop: self = .drop
    }
  }
}
