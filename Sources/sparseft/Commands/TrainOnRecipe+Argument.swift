import ArgumentParser
import Recipes

extension TrainOnRecipe: ExpressibleByArgument {}
