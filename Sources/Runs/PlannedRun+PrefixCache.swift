import Recipes
import Storage
import Training

extension PreparedRun {
  /// Bytes that prefix caches may take: the recipe's limit, and half of what the disk has free, so
  /// that snapshots find room.
  var prefixCacheLimit: Int {
    min(recipe.run.prefixCacheBytes, (Folder.availableBytes(cacheFolder) ?? .max) / 2)
  }
}

extension PlannedRun {
  /// The caches that the plan asks for, and a warning in their place where they can't be made.
  func makePrefixCaches() -> (caches: [PrefixCache], warning: String?) {
    do throws(StorageError) {
      let caches = try prefixCaches.caches(
        step, text: prepared.corpus.train, validationText: prepared.corpus.validation,
        folder: prepared.cacheFolder)
      return (caches, nil)
    } catch {
      return ([], "what frozen blocks compute is not kept: \(error)")
    }
  }
}
